"""The plot of bench/peers: numbers per second over n, both axes logarithmic, as an SVG written by hand."""

import math

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 84, 220, 56, 62
# By name: colour (told apart by the colour-blind too), dashes, whether the line is one of ours.
STYLES = {
    "sieve": ("#0072b2", "", True),
    "trial": ("#d55e00", "", True),
    "forfactored": ("#009e73", "", False),
    "numpy": ("#cc79a7", "", False),
    "sigma": ("#009e73", "6 4", False),
    "root": ("#555555", "", False),
    "half": ("#555555", "2 4", False),
}
GAP = 19


def svg(lines):
    """The text of the plot. Each line is a title, a name, and numbers per second by n."""
    lines = [line for line in lines if line[2]]
    ns = [n for _, _, rates in lines for n in rates]
    values = [rate for _, _, rates in lines for rate in rates.values()]
    x = Scale(min(ns), max(ns), LEFT, WIDTH - RIGHT)
    y = Scale(min(values), max(values), HEIGHT - BOTTOM, TOP)
    title = "Numbers tested per second on one core, by the size of the numbers"
    out = opening(title, "Numbers tested per second, on one core")
    out += axes(x, y)
    for _, name, rates in lines:
        out += curve(name, [(x.at(n), y.at(rate)) for n, rate in sorted(rates.items())])
    out += legend(lines, y)
    return "\n".join(out + ["</svg>", ""])


def opening(title, heading=None):
    """How every plot begins; the heading is what is seen of its title."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="system-ui, Helvetica, Arial, \'DejaVu Sans\', sans-serif" font-size="13" fill="#222222">',
        f"<title>{title}</title>",
        # White below it, or it could not be read on a dark page.
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6" fill="#ffffff" stroke="#d0d0d0"/>',
        f'<text x="{LEFT}" y="32" font-size="16" font-weight="600">{heading or title}</text>',
    ]


class Scale:
    """From values to pixels, logarithmically, from one whole power of ten to another."""

    def __init__(self, least, most, start, end):
        self.low, self.high = math.floor(math.log10(least) + 1e-9), math.ceil(math.log10(most) - 1e-9)
        self.start, self.end = start, end

    def at(self, value):
        return self.start + (self.end - self.start) * (math.log10(value) - self.low) / (self.high - self.low)

    def powers(self):
        return range(self.low, self.high + 1)


def axes(x, y, along="n, the first number tested", up="numbers/s"):
    out = []
    for power in x.powers():
        at = x.at(10.0**power)
        out.append(rule(at, y.start, at, y.end))
        out.append(text(at, y.start + 22, ten_to(power), "middle"))
    for power in y.powers():
        at = y.at(10.0**power)
        out.append(rule(x.start, at, x.end, at))
        out.append(text(x.start - 9, at + 5, ten_to(power), "end"))
    out.append(f'<path d="M{x.start} {y.end}V{y.start}H{x.end}" fill="none" stroke="#444444"/>')
    out.append(text((x.start + x.end) / 2, HEIGHT - 16, along, "middle"))
    middle = (y.start + y.end) / 2
    out.append(f'<text transform="translate(24 {middle:.1f}) rotate(-90)" text-anchor="middle">{up}</text>')
    return out


def curve(name, points):
    ours = STYLES[name][2]
    return line(points, STYLES[name], 3.6 if ours else 2.6)


def line(points, style, radius):
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    out = [f'<path d="{path}" {stroke(*style)} stroke-linejoin="round"/>']
    return out + [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{style[0]}"/>' for x, y in points]


def legend(lines, y):
    """Beside the plot, in the order of the lines' right ends, each as near to its own as the others let it."""
    left = WIDTH - RIGHT + 18
    order = sorted(lines, key=lambda line: -line[2][max(line[2])])
    wanted = [y.at(line[2][max(line[2])]) for line in order]
    places = []
    for place in wanted:
        places.append(max(place, places[-1] + GAP if places else TOP))
    # What has been pushed below the plot pushes back.
    for i in reversed(range(len(places))):
        below = places[i + 1] - GAP if i + 1 < len(places) else HEIGHT - BOTTOM
        places[i] = min(places[i], below)
    out = []
    for (title, name, _), at in zip(order, places):
        colour, dashes, ours = STYLES[name]
        out.append(f'<path d="M{left} {at:.1f}h26" {stroke(colour, dashes, ours)}/>')
        out.append(f'<circle cx="{left + 13}" cy="{at:.1f}" r="{3.6 if ours else 2.6}" fill="{colour}"/>')
        weight = ' font-weight="600"' if ours else ""
        out.append(f'<text x="{left + 33}" y="{at + 4.5:.1f}"{weight}>{title}</text>')
    return out


def titles(rows, styles):
    """Beside the plot, the title of each row in the lines that fit, and where they end."""
    left, at, out = WIDTH - RIGHT + 18, TOP + 10, []
    for (title, _), style in zip(rows, styles):
        out.append(f'<path d="M{left} {at - 4.5:.1f}h26" {stroke(*style)}/>')
        for part in title.split(", "):
            weight = ' font-weight="600"' if style[2] else ""
            out.append(f'<text x="{left + 33}" y="{at:.1f}"{weight}>{part}</text>')
            at += GAP - 2
        at += 8
    return out, at


def stroke(colour, dashes, ours):
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'fill="none" stroke="{colour}" stroke-width="{2.6 if ours else 1.6}"{dashed}'


def rule(x1, y1, x2, y2):
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#e4e4e4"/>'


def text(x, y, content, anchor):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{content}</text>'


def ten_to(power):
    return f'10<tspan dy="-5" font-size="9">{power}</tspan>'
