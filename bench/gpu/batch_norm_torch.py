#!/usr/bin/env python3
"""PyTorch's batch norm beside what gpu_batch_norm measured, in one table.

  build/gpu/bin/gpu_batch_norm --json shapes.json && bench/gpu/batch_norm_torch.py shapes.json

For each shape in the file, on the same GPU: forward (batch_norm in training mode with running
statistics, the tape included) and backward (gradients of x, weight and bias) of eager PyTorch, over
buffers that rotate through at least 256 MB; and the same replayed from a CUDA graph, where no launch
is waited for, as Braid and cuDNN are measured. Cells are medians in microseconds; `x PyTorch` is
its better time over Braid's, so that 2.00 means twice as fast. Without PyTorch or a GPU the table
has what the file has.
"""

import argparse
import json
import statistics
import sys
import time


class Shape:
    def __init__(self, torch, device, line, rotation):
        self.torch, self.device = torch, device
        dtype = torch.bfloat16 if line["dtype"] == "bf16" else torch.float32
        dims, channels = line["dims"], line["dims"][1]
        size = 2 if line["dtype"] == "bf16" else 4
        for n in dims:
            size *= n
        rows = line["rows"] and len(dims) == 4
        layout = torch.channels_last if rows else torch.contiguous_format

        def tensor():
            return torch.randn(dims, device=device, dtype=dtype).contiguous(memory_format=layout)

        count = min(64, max(2, rotation // (2 * size) + 1))
        self.sets = [(tensor().requires_grad_(), tensor()) for _ in range(count)]
        self.running = [torch.zeros(channels, device=device), torch.ones(channels, device=device)]
        self.affine = [torch.ones(channels, device=device, requires_grad=True),
                       torch.zeros(channels, device=device, requires_grad=True)]

    def forward(self, x):
        return self.torch.nn.functional.batch_norm(
            x, *self.running, *self.affine, training=True, momentum=0.1, eps=1e-5)

    def forwards(self):
        for x, _ in self.sets:
            self.forward(x)

    def backwards(self, results):
        for (x, g), y in zip(self.sets, results):
            self.torch.autograd.grad(y, [x, *self.affine], g, retain_graph=True)

    def timed(self, work, samples):
        """Medians of one set's microseconds."""
        micros = []
        for i in range(samples + 2):
            if self.device == "cuda":
                begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
                begin.record()
                work()
                end.record()
                end.synchronize()
                took = begin.elapsed_time(end) * 1e3
            else:
                start = time.perf_counter()
                work()
                took = (time.perf_counter() - start) * 1e6
            if i >= 2:
                micros.append(took / len(self.sets))
        return statistics.median(micros)

    def recorded(self, work):
        """`work` as a CUDA graph."""
        side = self.torch.cuda.Stream()
        side.wait_stream(self.torch.cuda.current_stream())
        with self.torch.cuda.stream(side):
            work()
        self.torch.cuda.current_stream().wait_stream(side)
        graph = self.torch.cuda.CUDAGraph()
        with self.torch.cuda.graph(graph):
            work()
        return graph.replay

    def measure(self, samples):
        torch = self.torch
        times = {"forward": self.timed(self.forwards, samples)}
        results = [self.forward(x) for x, _ in self.sets]
        times["backward"] = self.timed(lambda: self.backwards(results), samples)
        if self.device == "cuda":
            del results
            try:
                times["graph_forward"] = self.timed(self.recorded(self.forwards), samples)
                # Autograd runs backward on the stream of its forward: both in one recording.
                def both():
                    self.backwards([self.forward(x) for x, _ in self.sets])

                times["graph_backward"] = max(
                    0.0, self.timed(self.recorded(both), samples) - times["graph_forward"])
            except RuntimeError as error:
                print(f"no CUDA graph of PyTorch: {error}".splitlines()[0], file=sys.stderr)
                torch.cuda.synchronize()
        return times


def name(line):
    layout = "" if len(line["dims"]) == 2 else " NHWC" if line["rows"] else " NCHW"
    return f"{','.join(map(str, line['dims']))} {line['dtype']}{layout}"


def best(*micros):
    there = [m for m in micros if m]
    return min(there) if there else None


def cell(micros):
    return f" {micros:.1f} |" if micros else " – |"


def row(line, torch_times):
    micros, text = line["micros"], f"| {name(line)} | {line['micros']['copy']:.1f} |"
    for half in ("forward", "backward"):
        ours = micros[half]
        dnn = best(micros.get("cudnn_" + half), micros.get("cudnn_persistent_" + half))
        eager, graph = torch_times.get(half), torch_times.get("graph_" + half)
        peer = best(eager, graph)
        text += cell(ours) + cell(dnn) + cell(eager) + cell(graph)
        text += f" {peer / ours:.2f} |" if peer else " – |"
    return text


def find_torch(device):
    try:
        import torch
    except ImportError:
        print("PyTorch is not here: the table has Braid and cuDNN only", file=sys.stderr)
        return None
    if device == "cuda" and not torch.cuda.is_available():
        print(f"PyTorch {torch.__version__} finds no GPU: Braid and cuDNN only", file=sys.stderr)
        return None
    print(f"PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}\n")
    return torch


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shapes")
    parser.add_argument("--samples", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--device", default="cuda", help="cpu: to try this program out")
    options = parser.parse_args()
    torch = find_torch(options.device)
    with open(options.shapes) as file:
        lines = [json.loads(line) for line in file]
    print("| shape | copy | forward: Braid | cuDNN | PyTorch | its graph | x PyTorch "
          "| backward: Braid | cuDNN | PyTorch | its graph | x PyTorch |")
    print("|---" * 12 + "|")
    start, left_out = time.monotonic(), []
    for line in lines:
        times = {}
        if torch and time.monotonic() - start < options.seconds:
            try:
                rotation = 256_000_000 if options.device == "cuda" else 1
                times = Shape(torch, options.device, line, rotation).measure(options.samples)
            except RuntimeError as error:
                print(f"{name(line)}: {error}".splitlines()[0], file=sys.stderr)
            if options.device == "cuda":
                torch.cuda.empty_cache()
        elif torch:
            left_out.append(name(line))
        print(row(line, times), flush=True)
    if left_out:
        print(f"\nPyTorch not measured for want of time: {'; '.join(left_out)}")


if __name__ == "__main__":
    main()
