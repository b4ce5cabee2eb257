"""plot.py SVG: draws the table that `pow load --difficulties` prints, read from standard input: replies a second over the
difficulty, the latter logarithmically, beside what the original's report says."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from plot import BOTTOM, GAP, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Scale, line, opening, rule, ten_to, text, titles  # noqa: E402

# Colour (told apart by the colour-blind too), dashes, whether it is ours; in the order of the table's rows.
STYLES = [("#0072b2", "", True), ("#d55e00", "", False), ("#0072b2", "6 4", True), ("#d55e00", "6 4", False)]


def read(lines):
    """Difficulties, and of each row of rates its title and the rates by difficulty; what isn't known, or 0, is left out."""
    rows = [[cell.strip().strip("*") for cell in line.strip().strip("|").split("|")] for line in lines if line[:1] == "|"]
    difficulties = [int(cell) for cell in rows[0][1:]]
    found, ours = [], None
    for name, *cells in rows[2:]:
        if name.endswith("replies a second"):
            ours = name.split("**")[0].rsplit(":", 1)[0]
        elif not name.startswith("the original, "):
            continue
        title = f"pow, {ours}" if name.endswith("replies a second") else name
        rates = {d: float(cell.strip("*").replace(",", "")) for d, cell in zip(difficulties, cells) if cell != "–"}
        found.append((title, {d: rate for d, rate in rates.items() if rate > 0}))
    return difficulties, found


def svg(difficulties, rows):
    values = [rate for _, rates in rows for rate in rates.values()]
    y = Scale(min(values), max(values), HEIGHT - BOTTOM, TOP)
    step = (WIDTH - RIGHT - LEFT) / max(1, len(difficulties) - 1)
    x = {difficulty: LEFT + step * nth for nth, difficulty in enumerate(difficulties)}
    out = opening("Proofs a second, by difficulty")
    out += axes(difficulties, x, y)
    for (_, rates), style in zip(rows, STYLES):
        out += line([(x[d], y.at(rate)) for d, rate in sorted(rates.items())], style, 3.2)
    out += legend(rows)
    return "\n".join(out + ["</svg>", ""])


def axes(difficulties, x, y):
    out = []
    for difficulty in difficulties:
        out.append(rule(x[difficulty], y.start, x[difficulty], y.end))
        out.append(text(x[difficulty], y.start + 22, difficulty, "middle"))
    for power in y.powers():
        at = y.at(10.0**power)
        out.append(rule(LEFT, at, WIDTH - RIGHT, at))
        out.append(text(LEFT - 9, at + 5, ten_to(power), "end"))
    out.append(f'<path d="M{LEFT} {y.end}V{y.start}H{WIDTH - RIGHT}" fill="none" stroke="#444444"/>')
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, "difficulty: zero digits that a hash begins with", "middle"))
    middle = (y.start + y.end) / 2
    out.append(f'<text transform="translate(24 {middle:.1f}) rotate(-90)" text-anchor="middle">replies/s</text>')
    return out


def legend(rows):
    left, (out, at) = WIDTH - RIGHT + 18, titles(rows, STYLES)
    for part in ("The original's figures are", "those of its report, from", "an unknown machine."):
        out.append(f'<text x="{left}" y="{at + GAP:.1f}" font-size="11" fill="#555555">{part}</text>')
        at += GAP - 4
    return out


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(svg(*read(sys.stdin)))
