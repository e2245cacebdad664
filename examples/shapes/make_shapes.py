#!/usr/bin/env python3
"""Draws the pictures of this example: circles, squares and triangles of many colors and sizes, as
train/CLASS/NN.png and test/CLASS/NN.png. Always the same ones.

    python3 examples/shapes/make_shapes.py
"""
import pathlib
import random
import struct
import zlib

here = pathlib.Path(__file__).parent


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def write_png(path, rows):
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    raw = b"".join(b"\0" + bytes(v for pixel in row for v in pixel) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                     + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def covers(shape, x, y):
    """Whether a shape of radius 1 around (0, 0) has the point."""
    if shape == "circle":
        return x * x + y * y < 1
    if shape == "square":
        return max(abs(x), abs(y)) < 0.85
    return y < 0.75 and y > 1.9 * abs(x) - 0.95


def draw(shape, dice):
    height, width = dice.randint(26, 40), dice.randint(26, 40)
    ground = [dice.randint(0, 90) for _ in range(3)]
    color = [dice.randint(140, 255) for _ in range(3)]
    if dice.random() < 0.5:
        ground, color = color, ground
    radius = dice.uniform(0.3, 0.42) * min(height, width)
    cx = dice.uniform(radius, width - radius)
    cy = dice.uniform(radius, height - radius)
    return [[color if covers(shape, (x - cx) / radius, (y - cy) / radius) else ground
             for x in range(width)] for y in range(height)]


dice = random.Random(7)
for part, count in (("train", 24), ("test", 8)):
    for shape in ("circle", "square", "triangle"):
        for i in range(count):
            write_png(here / part / shape / f"{i:02}.png", draw(shape, dice))
