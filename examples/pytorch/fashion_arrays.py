#!/usr/bin/env python3
"""Fashion-MNIST (Debian: dataset-fashion-mnist) as the arrays that an exported network names.

  examples/pytorch/fashion_arrays.py FOLDER [IMAGES]    # of each set the first IMAGES; default: all

Writes train-x.npy and test-x.npy, [images, 1, 28, 28] f32 in 0..1, train-label.npy and
test-label.npy, [images] i64. Needs numpy.
"""

import gzip
import pathlib
import sys

import numpy as np

SOURCE = pathlib.Path("/usr/share/datasets/fashion-mnist")


def values(name, header):
    with gzip.open(SOURCE / name) as file:
        return np.frombuffer(file.read(), np.uint8)[header:]


folder = pathlib.Path(sys.argv[1])
count = int(sys.argv[2]) if len(sys.argv) > 2 else None
for ours, theirs in (("train", "train"), ("test", "t10k")):
    images = values(f"{theirs}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)[:count]
    labels = values(f"{theirs}-labels-idx1-ubyte.gz", 8)[:count]
    np.save(folder / f"{ours}-x.npy", images.astype(np.float32) / 255)
    np.save(folder / f"{ours}-label.npy", labels.astype(np.int64))
