#!/usr/bin/env python3
"""Draws the latency of each second of a load test as SVG: plot.py commands.csv queries.csv > latency.svg

Reads what `vegeta encode -to=csv` writes: time in ns, status, latency in ns, … Two lines a file: the median and the
99th percentile, on a logarithmic scale.
"""

import collections
import csv
import math
import os
import sys

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 900, 420, 70, 40, 20, 50
COLOURS = ["#1f6fb2", "#c2571a", "#3c8d40", "#7b4fa3"]
STYLES = {50: "", 99: ' stroke-dasharray="5 3"'}


def by_second(path):
    seconds = collections.defaultdict(list)
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            seconds[int(row[0]) // 10**9].append(int(row[2]) / 1e6)
    first = min(seconds)
    return {second - first: sorted(values) for second, values in seconds.items()}


def percentile(values, percent):
    """The smallest value that is not below `percent` of all (nearest rank)."""
    return values[max(0, math.ceil(len(values) * percent / 100) - 1)]


def main():
    lines = []
    for path, colour in zip(sys.argv[1:], COLOURS):
        seconds = by_second(path)
        for percent in STYLES:
            points = [(second, percentile(values, percent)) for second, values in sorted(seconds.items())]
            name = os.path.basename(path).removesuffix(".csv")
            lines.append((f"{name}, {'median' if percent == 50 else f'{percent}th percentile'}", colour, percent, points))
    if not lines:
        sys.exit(__doc__)

    longest = max(second for *_, points in lines for second, _ in points) or 1
    values = [value for *_, points in lines for _, value in points]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)

    def x(second):
        return LEFT + (WIDTH - LEFT - RIGHT) * second / longest

    def y(milliseconds):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log10(milliseconds) - low) / (high - low)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="15">Latency by second, in milliseconds</text>',
    ]
    for power in range(low, high + 1):
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(10**power):.1f}" y2="{y(10**power):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(10**power) + 4:.1f}" text-anchor="end">{10**power:g}</text>')
    for second in range(0, longest + 1, max(1, longest // 6)):
        out.append(f'<text x="{x(second):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{second} s</text>')
    for n, (name, colour, percent, points) in enumerate(lines):
        path = " ".join(f"{x(second):.1f},{y(value):.1f}" for second, value in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{STYLES[percent]}/>')
        at = LEFT + n * 210
        out.append(f'<line x1="{at}" x2="{at + 24}" y1="{HEIGHT - 14}" y2="{HEIGHT - 14}" stroke="{colour}" stroke-width="2"{STYLES[percent]}/>')
        out.append(f'<text x="{at + 30}" y="{HEIGHT - 10}">{name}</text>')
    print("\n".join([*out, "</svg>"]))


if __name__ == "__main__":
    main()
