#!/usr/bin/env python3
"""PyTorch's training step beside Braid's, on one GPU and in one run.

  bench/gpu/train_torch.py [build/gpu/bin/gpu_train]

ResNet-18 (torchvision's), 64 images of 224 x 224, f32 without TF32, SGD with momentum 0.9. Braid
makes equal bits whatever the number of replicas; PyTorch is measured as it comes (cuDNN chooses
among all algorithms by trying them), and with its deterministic algorithms; each eager and replayed
from a CUDA graph. Medians of 20 steps; `x PyTorch` is its time over Braid's fastest.
"""

import re
import statistics
import subprocess
import sys

import torch
import torchvision

BATCH, STEPS = 64, 20


def braid(program):
    """Milliseconds of a step, by the way it is launched: 4 replicas."""
    printed = subprocess.run(
        [program, "--net", "examples/networks/resnet18.yaml", "--batch", str(BATCH), "--only",
         "launches", "--steps", str(STEPS)], check=True, capture_output=True, text=True).stdout
    return {name: float(ms) for name, ms in re.findall(r"^\| ([a-z ]+) \| ([0-9.]+) \|", printed, re.M)}


def step_of(deterministic, channels_last):
    torch.manual_seed(1)
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = torchvision.models.resnet18().cuda().to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images = torch.randn(BATCH, 3, 224, 224, device="cuda").contiguous(memory_format=layout)
    labels = torch.randint(0, 1000, (BATCH,), device="cuda")

    def step():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def replayed(step):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def median(step):
    for _ in range(5):
        step()
    times = []
    for _ in range(STEPS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        step()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def main():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    program = sys.argv[1] if len(sys.argv) > 1 else "build/gpu/bin/gpu_train"
    ours = braid(program)
    print(f"\nresnet18, {BATCH} images, f32: {torch.cuda.get_device_name()}, PyTorch {torch.__version__}\n")
    print("| | ms a step | images/s | x PyTorch |\n|---|---|---|---|")
    for name, ms in ours.items():
        print(f"| Braid, 4 replicas, {name} | {ms:.2f} | {1e3 * BATCH / ms:.0f} | |")
    best = min(ours.values())
    for deterministic in (True, False):
        for last in (False, True):
            for graph in (False, True):
                step = step_of(deterministic, last)
                ms = median(replayed(step) if graph else step)
                name = ", ".join(["PyTorch", "deterministic" if deterministic else "as it comes",
                                  "channels last" if last else "NCHW", "replayed" if graph else "eager"])
                print(f"| {name} | {ms:.2f} | {1e3 * BATCH / ms:.0f} | {ms / best:.2f} |", flush=True)


if __name__ == "__main__":
    main()
