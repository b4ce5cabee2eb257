"""plot.py SVG: draws the table that bench/draws/table.rs makes, read from standard input: draws a second over the number of
connections, both logarithmically."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Scale, axes, line, opening, titles  # noqa: E402

# Colour (told apart by the colour-blind too), dashes, whether it is ours; in the order of the table's rows.
STYLES = [("#0072b2", "", True), ("#d55e00", "", False), ("#0072b2", "6 4", True), ("#d55e00", "6 4", False),
          ("#0072b2", "2 4", True)]


def read(lines):
    """Of each row of rates its title, and the rates by connections."""
    rows = [[cell.strip().strip("*") for cell in row.strip().strip("|").split("|")] for row in lines if row[:1] == "|"]
    connections = [int(cell) for cell in rows[0][1:]]
    rates = [row for row in rows[2:] if row[0].endswith("draws a second")]
    return [(name.split("**")[0], dict(zip(connections, map(float, cells)))) for name, *cells in rates]


def svg(rows):
    values = [rate for _, rates in rows for rate in rates.values()]
    connections = [count for _, rates in rows for count in rates]
    x = Scale(min(connections), max(connections), LEFT, WIDTH - RIGHT)
    y = Scale(min(values), max(values), HEIGHT - BOTTOM, TOP)
    out = opening("Draws a second, by connections") + axes(x, y, "connections", "draws/s")
    for (_, rates), style in zip(rows, STYLES):
        out += line([(x.at(count), y.at(rate)) for count, rate in sorted(rates.items())], style, 3.2)
    return "\n".join(out + titles(rows, STYLES)[0] + ["</svg>", ""])


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(svg(read(sys.stdin)))
