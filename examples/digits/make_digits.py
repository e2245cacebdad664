#!/usr/bin/env python3
"""Draws data/digits-train.csv and data/digits-test.csv: ten glyphs on an 8x8 grid, shifted by up to
one cell, with noise. Values are 0 to 16, the last column is the digit. Equal on every machine: the
random numbers are a small generator of our own.

    python3 make_digits.py
"""
import pathlib

GLYPHS = [
    ".###. #...# #...# #...# #...# #...# .###.",
    "..#.. .##.. ..#.. ..#.. ..#.. ..#.. .###.",
    ".###. #...# ....# ...#. ..#.. .#... #####",
    ".###. #...# ....# ..##. ....# #...# .###.",
    "...#. ..##. .#.#. #..#. ##### ...#. ...#.",
    "##### #.... ####. ....# ....# #...# .###.",
    ".###. #.... #.... ####. #...# #...# .###.",
    "##### ....# ...#. ...#. ..#.. ..#.. ..#..",
    ".###. #...# #...# .###. #...# #...# .###.",
    ".###. #...# #...# .#### ....# ....# .###.",
]


class Random:
    """A linear congruential generator; the upper bits are good enough for noise."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def draw(digit, random):
    cells = [[random.below(4) for _ in range(8)] for _ in range(8)]
    top, left = random.below(2), random.below(4)
    for row, line in enumerate(GLYPHS[digit].split()):
        for column, mark in enumerate(line):
            if mark == "#" and random.below(20):  # one cell of twenty is missing
                cells[top + row][left + column] = 9 + random.below(8)
    return [value for row in cells for value in row]


def write(path, count, seed):
    random = Random(seed)
    with open(path, "w", newline="\n") as file:
        for i in range(count):
            digit = i % 10
            print(*draw(digit, random), digit, sep=",", file=file)


if __name__ == "__main__":
    folder = pathlib.Path(__file__).resolve().parent / "data"
    folder.mkdir(exist_ok=True)
    write(folder / "digits-train.csv", 800, 1)
    write(folder / "digits-test.csv", 200, 2)
