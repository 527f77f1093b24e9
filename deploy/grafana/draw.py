#!/usr/bin/env python3
"""Draws the panels of a dashboard as one SVG, from what a Prometheus has of the last seconds.

    draw.py --url http://localhost:19090 --dashboard deploy/grafana/dashboards/pipeline.json --seconds 120 OUT.svg

Panels before the first row are drawn, as Grafana would: the same queries, the same units. A panel without data says so. The
picture has its own colours for light and for dark. Ends with 1 if no panel has data, 2 if Prometheus does not answer.
"""

import argparse
import html
import json
import math
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

COLUMNS, WIDTH, HEIGHT, GAP = 3, 380, 230, 14
# Of the plot within its panel: left, top, right, bottom.
MARGIN = (58, 40, 12, 52)
POINTS = 120
# Told apart by those who do not see all colours (Okabe and Ito), on light and on dark.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
UNITS = {"s": "seconds", "reqps": "a second", "ops": "a second", "percentunit": "percent", "bytes": "bytes",
         "Bps": "bytes a second", "short": "number"}
STYLE = """
  .back { fill: #ffffff } .frame { fill: none; stroke: #d0d7de } .grid { stroke: #e4e8ec } text { fill: #24292f }
  .dim { fill: #57606a } .line { fill: none; stroke-width: 1.6; stroke-linejoin: round }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } .frame { stroke: #30363d } .grid { stroke: #21262d } text { fill: #e6edf3 } .dim { fill: #9198a1 }
  }
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--dashboard", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=900)
    parser.add_argument("--rate-interval", default="20s", help="in place of $__rate_interval: four scrapes at least")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    end = time.time()
    dashboard = json.loads(arguments.dashboard.read_text())
    try:
        drawn = [(panel, series_of(arguments, panel, end)) for panel in panels_of(dashboard)]
    except (urllib.error.URLError, TimeoutError) as error:
        print(f"{arguments.url} does not answer: {error}", file=sys.stderr)
        return 2
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(picture(dashboard["title"], drawn, arguments.seconds))
    empty = [panel["title"] for panel, series in drawn if not series]
    print(f"{arguments.out}: {len(drawn)} panels, without data: {', '.join(empty) or 'none'}")
    return 1 if len(empty) == len(drawn) else 0


def panels_of(dashboard):
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            return
        yield panel


def series_of(arguments, panel, end):
    """(name, [(seconds before the end, value)]) of each series of the panel."""
    found = []
    for target in panel["targets"]:
        query = target["expr"].replace("$__rate_interval", arguments.rate_interval)
        parameters = {"query": query, "start": end - arguments.seconds, "end": end,
                      "step": max(1, arguments.seconds // POINTS)}
        url = f"{arguments.url}/api/v1/query_range?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            result = json.load(answer)["data"]["result"]
        for each in result:
            points = [(float(at) - end, float(value)) for at, value in each["values"]]
            points = [point for point in points if math.isfinite(point[1])]
            if points:
                found.append((named(target["legendFormat"], each["metric"]), points))
    return found


def named(form, labels):
    for label, value in labels.items():
        form = form.replace("{{%s}}" % label, value)
    return form


# About how wide a letter of the legend is.
LETTER = 6.6


def picture(title, drawn, seconds):
    rows = math.ceil(len(drawn) / COLUMNS)
    width, height = COLUMNS * (WIDTH + GAP) + GAP, rows * (HEIGHT + GAP) + GAP + 34
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             f'font-family="system-ui, sans-serif" font-size="11" role="img">',
             f"<title>{escaped(title)}</title><style>{STYLE}</style>",
             f'<rect class="back" width="{width}" height="{height}"/>',
             text(GAP, 24, f"{title}, {seconds} seconds", size=15)]
    for number, (panel, series) in enumerate(drawn):
        x, y = GAP + number % COLUMNS * (WIDTH + GAP), 34 + GAP + number // COLUMNS * (HEIGHT + GAP)
        parts.append(f'<g transform="translate({x} {y})">{plot(panel, series, seconds)}</g>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def plot(panel, series, seconds):
    unit = panel["fieldConfig"]["defaults"]["unit"]
    left, top, right, bottom = MARGIN
    width, height = WIDTH - left - right, HEIGHT - top - bottom
    parts = [f'<rect class="frame" width="{WIDTH}" height="{HEIGHT}" rx="6"/>', text(12, 18, panel["title"], size=13),
             text(12, 32, UNITS.get(unit, unit), kind="dim")]
    if not series:
        return "".join([*parts, text(WIDTH / 2, HEIGHT / 2, "no data", kind="dim", anchor="middle")])
    step = nice(max(value for _, points in series for _, value in points) / 4)
    most = 4 * step
    for line in range(5):
        at = top + height * (1 - line / 4)
        parts.append(f'<line class="grid" x1="{left}" x2="{left + width}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(text(left - 6, at + 4, shown(line * step, unit), kind="dim", anchor="end"))
    for part in (0, 0.5, 1):
        before = round(seconds * (1 - part))
        parts.append(text(left + width * part, top + height + 16, f"−{before} s" if before else "now", kind="dim",
                          anchor=("start", "middle", "end")[int(part * 2)]))
    for number, (_, points) in enumerate(series):
        line = " ".join(f"{left + width * (1 + at / seconds):.1f},{top + height * (1 - value / most):.1f}"
                        for at, value in points)
        parts.append(f'<polyline class="line" stroke="{COLOURS[number % len(COLOURS)]}" points="{line}"/>')
    return "".join(parts + legend(series))


def legend(series):
    """As many names as there is room for on one line."""
    parts, x = [], 12
    longest = int((WIDTH - 60) / LETTER)
    for number, (name, _) in enumerate(series):
        name = name if len(name) <= longest else name[: longest - 1] + "…"
        room = 26 + LETTER * len(name)
        if x + room > WIDTH - 30 and number:
            parts.append(text(x, HEIGHT - 12, f"+{len(series) - number}", kind="dim"))
            break
        parts.append(f'<rect x="{x}" y="{HEIGHT - 20}" width="9" height="9" rx="2" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(text(x + 13, HEIGHT - 12, name))
        x += room
    return parts


def nice(value):
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    if value <= 0:
        return 0.25
    power = 10 ** math.floor(math.log10(value))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= value * 0.999)


def shown(value, unit):
    if unit == "percentunit":
        return f"{value * 100:g} %"
    for size, end in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{end}"
    return f"{value:.3g}"


def text(x, y, content, kind="", size=None, anchor="start"):
    attributes = (f' class="{kind}"' if kind else "") + (f' font-size="{size}"' if size else "")
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{attributes}>{escaped(content)}</text>'


def escaped(content):
    return html.escape(str(content), quote=True)


if __name__ == "__main__":
    sys.exit(main())
