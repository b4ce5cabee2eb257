"""The plot of bench/under-load: waiting and memory over the number of computes, all axes logarithmic, as SVG by hand."""

from plot import Scale, rule, stroke, ten_to, text

WIDTH, HEIGHT = 860, 400
TOP, BOTTOM = 72, 58
# From left to right: where a panel's axis begins and ends.
PANELS = [(74, 392), (506, 824)]
GOAL = "#777777"
COLOURS = ["#0072b2", "#d55e00", "#cc79a7"]


def svg(found):
    """The text of the plot; of each number of computes, what bench/load.rs says and `each`, the memory of a compute."""
    counts = [one["computes"] for one in found]
    waits = [[one["range_ms"][at] for one in found] for at in range(3)]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="system-ui, Helvetica, Arial, \'DejaVu Sans\', sans-serif" font-size="13" fill="#222222">',
        "<title>What a request waits and what memory manage has, by the number of computes</title>",
        # White below it, or it could not be read on a dark page.
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6" fill="#ffffff" stroke="#d0d0d0"/>',
    ]
    out += panel(PANELS[0], "From request to range, ms", counts, list(zip(["median", "p99", "longest"], waits)), 50)
    each = [("a compute", [one["each"] / 1024 for one in found])]
    return "\n".join(out + panel(PANELS[1], "Memory of manage for each compute, KiB", counts, each, 16) + ["</svg>", ""])


def panel(place, title, counts, lines, goal):
    """One plot: its lines, each a name and a value for every count, and a line for the goal."""
    left, right = place
    values = [value for _, line in lines for value in line] + [goal]
    x = Scale(min(counts), max(counts), left, right)
    y = Scale(min(values), max(values), HEIGHT - BOTTOM, TOP)
    out = [f'<text x="{left}" y="36" font-size="16" font-weight="600">{title}</text>']
    out += axes(x, y)
    out.append(f'<path d="M{left} {y.at(goal):.1f}H{right}" {stroke(GOAL, "6 4", False)}/>')
    out.append(text(left + 6, y.at(goal) - 6, f"goal at {max(counts):,}: {goal}", "start"))
    for colour, (name, line) in zip(COLOURS, lines):
        points = [(x.at(count), y.at(value)) for count, value in zip(counts, line)]
        path = "M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in points)
        out.append(f'<path d="{path}" {stroke(colour, "", True)} stroke-linejoin="round"/>')
        out += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.6" fill="{colour}"/>' for px, py in points]
    return out + legend(left, lines)


def axes(x, y):
    out = []
    for scale_powers, at_line in ((x.powers(), True), (y.powers(), False)):
        for power in scale_powers:
            at = (x if at_line else y).at(10.0**power)
            if at_line:
                out += [rule(at, y.start, at, y.end), text(at, y.start + 22, ten_to(power), "middle")]
            else:
                out += [rule(x.start, at, x.end, at), text(x.start - 9, at + 5, ten_to(power), "end")]
    out.append(f'<path d="M{x.start} {y.end}V{y.start}H{x.end}" fill="none" stroke="#444444"/>')
    return out + [text((x.start + x.end) / 2, HEIGHT - 14, "computes", "middle")]


def legend(left, lines):
    """Below the title."""
    out = []
    for nth, (colour, (name, _)) in enumerate(zip(COLOURS, lines)):
        at = left + 96 * nth
        out.append(f'<path d="M{at} 54h22" {stroke(colour, "", True)}/>')
        out.append(text(at + 28, 58, name, "start"))
    return out
