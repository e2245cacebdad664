#!/usr/bin/python3
"""Images per second of a training step, Braid beside PyTorch, taking turns in one run.

  cmake --build --preset release --target train_bench
  /usr/bin/python3 bench/train_vs_torch.py [--rounds 15] [--steps 8] [--batch 256]

The network is examples/fashion/fashion.yaml: two convolutions with batch norm, ReLU and pooling,
two linear layers, SGD with momentum and weight decay. Data is random and lies in memory, so that
only the step is timed: forward, backward, update, and reading the loss. Each contender is a process
of its own that waits on its standard input while the others run; one line of input is one round.
The ratio is taken round by round.
With one thread a round counts as clean when the process had the processor for 95 % of the time; if
there are three rounds in which all were clean, the others are left out. Images per second of
processor time hardly depend on what else the machine does: compare these on a busy one, and with
one thread only (who waits for a late thread may burn processor time).
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def peer(threads, layout, batch):
    """PyTorch's side: `steps` per line of input, one line of JSON for each."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(), nn.Linear(128, 10))
    x, y = torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    if layout == "channels_last":
        network = network.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    entropy = nn.CrossEntropyLoss()

    def run(steps):
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            sgd.zero_grad()
            loss = entropy(network(x), y)
            loss.backward()
            sgd.step()
            loss.item()
        return time.perf_counter() - start, time.process_time() - cpu

    run(3)
    for line in sys.stdin:
        seconds, cpu = run(int(line))
        speed = batch * int(line) / seconds
        print(json.dumps({"images_per_second": speed, "seconds": seconds, "cpu_seconds": cpu}),
              flush=True)


class Contender:
    def __init__(self, name, command, environment):
        self.name, self.speeds, self.per_cpu, self.clean = name, [], [], []
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment})

    def ask(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended early")
        self.answer = answer = json.loads(line)
        self.speeds.append(answer["images_per_second"])
        self.per_cpu.append(self.speeds[-1] * answer["seconds"] / answer["cpu_seconds"])
        self.clean.append(answer["cpu_seconds"] > 0.95 * answer["seconds"])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def contenders(options):
    found = {}
    for threads in (1, 2):
        batch = str(options.batch)
        braid = [options.bench, str(ROOT / "examples/fashion/fashion.yaml"), "--serve"]
        braid += ["--batch", batch, "--threads", str(threads)]
        found["Braid", threads] = Contender("Braid", braid, {})
        for layout in ("contiguous", "channels_last"):
            torch = [sys.executable, __file__, "--peer", str(threads), layout, "--batch", batch]
            environment = {"OMP_NUM_THREADS": str(threads)}
            found[f"PyTorch {layout}", threads] = Contender("PyTorch", torch, environment)
    return found


def chosen(found, threads, rounds):
    """The rounds that count, by number."""
    runners = [contender for (_, t), contender in found.items() if t == threads]
    clean = [i for i in range(1, rounds + 1) if all(c.clean[i] for c in runners)]
    return clean if threads == 1 and len(clean) >= 3 else list(range(1, rounds + 1))


def spread(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def table(found, rounds):
    lines = ["| threads | | images/s | Braid is faster by | images per CPU second | by | rounds |",
             "|---|---|---|---|---|---|---|"]
    for (name, threads), contender in sorted(found.items(), key=lambda item: item[0][1]):
        counted, braid = chosen(found, threads, rounds), found["Braid", threads]
        cells = [str(threads), name]
        for ours, theirs in ((braid.speeds, contender.speeds), (braid.per_cpu, contender.per_cpu)):
            cells.append(spread([theirs[i] for i in counted], ",.0f"))
            ratios = [ours[i] / theirs[i] for i in counted]
            cells.append("" if name == "Braid" else spread(ratios, ".2f"))
        lines.append(f"| {' | '.join(cells)} | {len(counted)} of {rounds} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=8, help="steps in a round")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--bench", default=str(ROOT / "build/release/bin/train_bench"))
    parser.add_argument("--peer", nargs=2, metavar=("THREADS", "LAYOUT"),
                        help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(int(options.peer[0]), options.peer[1], options.batch)
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
    print(f"\nMedian (min-max) of {options.rounds} rounds of {options.steps} steps, batch "
          f"{options.batch}; load average at the end: {load}")


if __name__ == "__main__":
    main()
