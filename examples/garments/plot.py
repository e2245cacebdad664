#!/usr/bin/env python3
"""The table and the picture of what examples/garments/compare has run: plot.py RUNS [SVG]

Reads RUNS/<way>-<seed>/log.jsonl, prints a table of the mIoU on the test scenes and writes a picture
of its course. No packages needed.
"""

import json
import pathlib
import statistics
import sys

WAYS = {
    "all": ("sync: all", "#1b6ca8"),
    "group": ("GroupNorm", "#3a9d5d"),
    "none": ("sync: none", "#c0392b"),
    "frozen": ("freeze: stats", "#8e6bbf"),
}
LEFT, TOP, WIDTH, HEIGHT = 50, 30, 480, 260


def course(path):
    """[(step, mIoU)] of one run."""
    points = []
    for line in path.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "eval":
            points.append((event["step"], event["metrics"]["miou"]))
    return points


def read(folder):
    runs = {}
    for way in WAYS:
        complete = sorted(pathlib.Path(folder).glob(f"{way}-*/weights.safetensors"))
        runs[way] = [course(path.parent / "log.jsonl") for path in complete]
    return {way: courses for way, courses in runs.items() if courses}


def table(runs):
    print("| normalization | mIoU of each seed | mean |")
    print("|---|---|---|")
    for way, courses in runs.items():
        last = [c[-1][1] for c in courses]
        print(f"| {WAYS[way][0]} | {', '.join(f'{v:.3f}' for v in last)} "
              f"| **{statistics.mean(last):.3f}** |")


def svg(runs):
    steps = max(c[-1][0] for courses in runs.values() for c in courses)
    top = max(v for courses in runs.values() for c in courses for _, v in c)
    top = (int(top * 10) + 1) / 10

    def at(step, value):
        return f"{LEFT + WIDTH * step / steps:.1f},{TOP + HEIGHT * (1 - value / top):.1f}"

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 120} '
           f'{TOP + HEIGHT + 40}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="18" font-size="14">mIoU on the test scenes, three seeds each</text>']
    for tick in range(int(top * 10) + 1):
        y = TOP + HEIGHT * (1 - tick / 10 / top)
        out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" '
                   'stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick / 10:.1f}</text>')
    for step in range(0, steps + 1, max(1, steps // 6)):
        x = LEFT + WIDTH * step / steps
        out.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{step}</text>')
    out.append(f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 34}" text-anchor="middle">steps of '
               'eight images</text>')
    for place, (way, courses) in enumerate(runs.items()):
        name, color = WAYS[way]
        for c in courses:
            line = " ".join(at(step, value) for step, value in c)
            out.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.6"/>')
        y = TOP + 16 + 20 * place
        out.append(f'<line x1="{LEFT + WIDTH + 12}" x2="{LEFT + WIDTH + 34}" y1="{y}" y2="{y}" '
                   f'stroke="{color}" stroke-width="3"/>')
        out.append(f'<text x="{LEFT + WIDTH + 40}" y="{y + 4}">{name}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    runs = read(sys.argv[1])
    if not runs:
        sys.exit(f"no runs in {sys.argv[1]}")
    table(runs)
    picture = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else
                           pathlib.Path(__file__).parent / "miou.svg")
    picture.write_text(svg(runs))
    print(f"wrote {picture}")


if __name__ == "__main__":
    main()
