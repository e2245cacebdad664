#!/usr/bin/python3
"""Peak memory of a U-Net's training step on 8 images, Braid beside PyTorch.

  cmake --build --preset release --target braid train_bench
  /usr/bin/python3 bench/unet_memory.py [--rounds 3] [--steps 2] [--threads 1]

The network is that of unet_vs_torch.py. Braid has eight replicas of one image, synchronized, so its
step is the step of one batch of 8; with `recompute` the blocks of convolutions keep nothing but
their inputs for the backward pass. PyTorch has one batch of 8, or accumulates the gradients of
eight images, each with batch norm of its own: another step, which needs the memory of one image.

Each contender is a process of its own. `step` is its peak resident memory less what it held before
its first step, with network, input and libraries in place; `process` is the peak itself. What
`braid plan` states is the arena and the state, known before anything runs; beyond these a step
needs the compiler and what libraries keep for themselves.
"""

import argparse
import json
import os
import subprocess
import sys
import time

from train_vs_torch import ROOT, Contender, spread
from unet_vs_torch import BATCH, CLASSES, SIZE, unet

NET = ROOT / "bench/unet.yaml"
MIB = 1 << 20


def resident(which):
    """Of this process, in bytes: VmRSS what is resident now, VmHWM the most there ever was."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(which + ":"))
    return 1024 * int(line.split()[1])


def peer(images):
    """PyTorch's side: gradients of `images` at a time; `steps` per line of input, JSON for each."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    network = unet()
    x = torch.randn(BATCH, 1, SIZE, SIZE)
    y = torch.randint(0, CLASSES, (BATCH, SIZE, SIZE))
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    before = resident("VmRSS")

    def run(steps):
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            adam.zero_grad()
            for some, mask in zip(x.split(images), y.split(images)):
                loss = torch.nn.functional.cross_entropy(network(some), mask) * (images / BATCH)
                loss.backward()
                loss.item()
            adam.step()
        return time.perf_counter() - start, time.process_time() - cpu

    run(3)
    for line in sys.stdin:
        seconds, cpu = run(int(line))
        print(json.dumps({"images_per_second": BATCH * int(line) / seconds, "seconds": seconds,
                          "cpu_seconds": cpu, "resident_before_bytes": before,
                          "peak_bytes": resident("VmHWM")}), flush=True)


def stated(options, recompute):
    """Arena and state in bytes, as `braid plan` gives them."""
    command = [options.braid, "plan", str(NET), "--set", f"recompute={recompute}", "--json"]
    plan = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return sum(device["peak_bytes"] for device in plan["devices"])


def contenders(options):
    """Name: (contender, stated bytes or None)."""
    found = {}
    for name, recompute in (("Braid, 8 replicas", "false"),
                            ("Braid, 8 replicas, recompute", "true")):
        command = [options.bench, str(NET), "--serve", "--batch", str(BATCH), "--classes",
                   str(CLASSES), "--threads", str(options.threads), "--set",
                   f"recompute={recompute}"]
        found[name] = Contender(name, command, {}), stated(options, recompute)
    for name, images in ((f"PyTorch, {BATCH} x 1 image, batch norm of each", 1),
                         (f"PyTorch, 1 x {BATCH} images", BATCH)):
        command = [sys.executable, __file__, "--peer", str(images)]
        environment = {"OMP_NUM_THREADS": str(options.threads)}
        found[name] = Contender(name, command, environment), None
    return found


def table(found):
    lines = ["| | step, MiB | process, MiB | plan states, MiB | images/s | per CPU second |",
             "|---|---|---|---|---|---|"]
    for name, (contender, plan) in found.items():
        peak, before = (contender.answer[key] for key in ("peak_bytes", "resident_before_bytes"))
        cells = [name, f"{(peak - before) / MIB:.1f}", f"{peak / MIB:.1f}",
                 "" if plan is None else f"{plan / MIB:.1f}", spread(contender.speeds[1:], ".1f"),
                 spread(contender.per_cpu[1:], ".1f")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="steps in a round")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bench", default=str(ROOT / "build/release/bin/train_bench"))
    parser.add_argument("--braid", default=str(ROOT / "build/release/bin/braid"))
    parser.add_argument("--peer", type=int, metavar="IMAGES", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(options.peer)
    found = contenders(options)
    for _ in range(options.rounds + 1):  # round 0 warms up, its speed is not counted
        for contender, _ in found.values():
            contender.ask(options.steps)
    for contender, _ in found.values():
        contender.close()
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(table(found))
    print(f"\nimages/s: median (min-max) of {options.rounds} rounds of {options.steps} steps on "
          f"{options.threads} thread(s); load average at the end: {load}")


if __name__ == "__main__":
    main()
