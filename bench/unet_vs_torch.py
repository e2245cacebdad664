#!/usr/bin/python3
"""Images per second of a U-Net's training step, Braid beside PyTorch, taking turns in one run.

  cmake --build --preset release --target train_bench
  /usr/bin/python3 bench/unet_vs_torch.py [--rounds 9] [--steps 3] [--threads 1 2]

The network is bench/unet.yaml: 1,942,459 parameters, 8 images of 1x96x96 (one for each replica), 11
classes, Adam. Data is random and lies in memory. How rounds are taken and what the columns mean is
said in train_vs_torch.py.
"""

import argparse
import json
import os
import sys
import time

from train_vs_torch import ROOT, Contender, table

BATCH, CLASSES, SIZE = 8, 11, 96


def unet(width=16):
    import torch
    from torch import nn

    def double(channels_in, channels_out):
        layers = []
        for channels in (channels_in, channels_out):
            layers += [nn.Conv2d(channels, channels_out, 3, padding=1, bias=False),
                       nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [width << level for level in range(5)]
            self.inc, self.outc = double(1, width), nn.Conv2d(width, CLASSES, 1)
            self.down = nn.ModuleList(double(a, b) for a, b in zip(widths, widths[1:]))
            self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in widths[3::-1])
            self.conv = nn.ModuleList(double(2 * w, w) for w in widths[3::-1])
            self.pool = nn.MaxPool2d(2)

        def forward(self, x):
            skips = [self.inc(x)]
            for down in self.down:
                skips.append(down(self.pool(skips[-1])))
            y = skips.pop()
            for up, conv in zip(self.up, self.conv):
                y = conv(torch.cat([skips.pop(), up(y)], 1))
            return self.outc(y)

    return UNet()


def peer(threads, layout):
    """PyTorch's side: `steps` per line of input, one line of JSON for each."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = unet()
    x = torch.randn(BATCH, 1, SIZE, SIZE)
    y = torch.randint(0, CLASSES, (BATCH, SIZE, SIZE))
    if layout == "channels_last":
        network = network.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)

    def run(steps):
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            adam.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(x), y)
            loss.backward()
            adam.step()
            loss.item()
        return time.perf_counter() - start, time.process_time() - cpu

    run(2)
    for line in sys.stdin:
        seconds, cpu = run(int(line))
        print(json.dumps({"images_per_second": BATCH * int(line) / seconds, "seconds": seconds,
                          "cpu_seconds": cpu}), flush=True)


def contenders(options):
    found = {}
    for threads in options.threads:
        braid = [options.bench, str(ROOT / "bench/unet.yaml"), "--serve", "--batch", str(BATCH),
                 "--classes", str(CLASSES), "--threads", str(threads)]
        found["Braid", threads] = Contender("Braid", braid, {})
        for layout in ("contiguous", "channels_last"):
            torch = [sys.executable, __file__, "--peer", str(threads), layout]
            environment = {"OMP_NUM_THREADS": str(threads)}
            found[f"PyTorch {layout}", threads] = Contender("PyTorch", torch, environment)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=3, help="steps in a round")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--bench", default=str(ROOT / "build/release/bin/train_bench"))
    parser.add_argument("--peer", nargs=2, metavar=("THREADS", "LAYOUT"),
                        help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(int(options.peer[0]), options.peer[1])
    found = contenders(options)
    for contender in found.values():
        contender.ask(options.steps)  # round 0 warms up and is not counted
    for _ in range(options.rounds):
        for contender in found.values():
            contender.ask(options.steps)
    for contender in found.values():
        contender.close()
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(table(found, options.rounds))
    print(f"\nMedian (min-max) of {options.rounds} rounds of {options.steps} steps, {BATCH} images; "
          f"load average at the end: {load}")


if __name__ == "__main__":
    main()
