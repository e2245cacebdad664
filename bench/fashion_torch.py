#!/usr/bin/python3
"""The accuracy that PyTorch reaches with examples/fashion/fashion.yaml's network and settings.

  /usr/bin/python3 bench/fashion_torch.py [--seed 7] [--data /usr/share/datasets/fashion-mnist]

Prints the test accuracy after each of three epochs: SGD, momentum 0.9, weight decay 5e-4, batches
of 256, learning rate 0.1 falling by cosine at every step, images scaled by 1/255.
"""

import argparse
import gzip
import math
import pathlib
import time

import numpy as np
import torch
from torch import nn


def idx(path, header):
    return np.frombuffer(gzip.open(path).read(), np.uint8, offset=header)


def load(folder, part):
    images = idx(folder / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = idx(folder / f"{part}-labels-idx1-ubyte.gz", 8).astype(np.int64)
    return torch.from_numpy(images.astype(np.float32) / 255), torch.from_numpy(labels)


def accuracy(network, images, labels):
    network.eval()
    with torch.no_grad():
        right = sum((network(x).argmax(1) == y).sum().item()
                    for x, y in zip(images.split(1000), labels.split(1000)))
    network.train()
    return right / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    folder = pathlib.Path(options.data)
    images, labels = load(folder, "train")
    test = load(folder, "t10k")
    network = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(), nn.Linear(128, 10))
    sgd = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    entropy, epochs, batch, step = nn.CrossEntropyLoss(), 3, 256, 0
    steps = epochs * math.ceil(len(images) / batch)
    for epoch in range(epochs):
        start = time.perf_counter()
        for chosen in torch.randperm(len(images)).split(batch):
            for group in sgd.param_groups:
                group["lr"] = 0.05 * (1 + math.cos(math.pi * step / steps))
            sgd.zero_grad()
            entropy(network(images[chosen]), labels[chosen]).backward()
            sgd.step()
            step += 1
        speed = len(images) / (time.perf_counter() - start)
        print(f"epoch {epoch + 1}: accuracy {accuracy(network, *test):.4f}, {speed:.0f} images/s",
              flush=True)


if __name__ == "__main__":
    main()
