#!/usr/bin/python3
"""Wall time and peak memory of short commands, beside `import torch`, taking turns.

  /usr/bin/python3 bench/startup.py [--rounds 15] [--braid build/release/bin/braid]
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MLP = """braid: 1
name: mlp
batch: {global: 32}
inputs:
  x: {shape: [N, 64], dtype: f32}
  label: {shape: [N], dtype: i64}
layers:
  - {type: Linear, from: x, out_features: 32}
  - BatchNorm1d
  - ReLU
  - {name: fc, type: Linear, out_features: 10}
outputs: {logits: fc}
loss: {type: CrossEntropy, from: [fc, label]}
optimizer: {type: SGD, lr: 0.1, momentum: 0.9}
data:
  train:
    type: Csv
    path: DATA
    x: {columns: 0..63, scale: 0.0625}
    label: {column: 64}
"""


def measure(command, folder):
    """(milliseconds, MB) of one run."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    message = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)}: {message.decode()}")
    return (time.perf_counter() - start) * 1e3, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--braid", default=str(ROOT / "build/release/bin/braid"))
    options = parser.parse_args()
    braid = str(pathlib.Path(options.braid).resolve())
    fashion = str(ROOT / "examples/fashion/fashion.yaml")
    with tempfile.TemporaryDirectory() as folder:
        data = ROOT / "examples/digits/data/digits-train.csv"
        pathlib.Path(folder, "mlp.yaml").write_text(MLP.replace("DATA", str(data)))
        commands = {
            "braid check fashion.yaml": [braid, "check", fashion],
            "braid plan fashion.yaml": [braid, "plan", fashion],
            "braid train --steps 1, an MLP": [braid, "train", "mlp.yaml", "--steps", "1", "--out",
                                              folder + "/run"],
            "python3 -c 'import torch'": [sys.executable, "-c", "import torch"],
        }
        found = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                found[name].append(measure(command, folder))
    print("| command | ms: median (min-max) | peak MB |\n|---|---|---|")
    for name, runs in found.items():
        times = [t for t, _ in runs]
        print(f"| `{name}` | {statistics.median(times):.0f} ({min(times):.0f}-{max(times):.0f}) | "
              f"{max(m for _, m in runs):.0f} |")


if __name__ == "__main__":
    main()
