"""Lines and markers, told apart by dash and shape as well as by colour, and the legend that explains them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysq.report.markup import Markup, coordinate, join, tag
from raysq.report.style import DASHES, MARKERS, PALETTE


@dataclass(frozen=True)
class Stroke:
    """How a line is drawn.

    Attributes:
        colour: place in the palette.
        dash: place among the dashes.
        marker: place among the markers, or None.
        css: further classes: "q" quiet, "top" thick, "thin".
    """

    colour: int = 0
    dash: int = 0
    marker: int | None = None
    css: str = ""

    @property
    def classes(self) -> str:
        """The classes of the line."""
        return " ".join(part for part in ("l", f"c{self.colour % PALETTE}", self.css) if part)

    @property
    def dasharray(self) -> str | None:
        """The dash pattern, or None for a solid line."""
        return DASHES[self.dash % len(DASHES)]


def line_path(x: np.ndarray, y: np.ndarray) -> str:
    """The path through the points, in pixels; parted where y is not finite."""
    parts = []
    pen = False
    for across, down in zip(x.tolist(), y.tolist(), strict=True):
        if down != down:
            pen = False
            continue
        parts.append(f"{'L' if pen else 'M'}{coordinate(across)} {coordinate(down)}")
        pen = True
    return "".join(parts)


def thinned(x: np.ndarray, y: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most about `most` points that look the same: of each stretch the lowest and the highest, in order."""
    if len(x) <= most:
        return x, y
    bins = np.array_split(np.arange(len(x)), max(1, most // 2))
    kept: list[int] = []
    for rows in bins:
        part = y[rows]
        if np.isnan(part).all():
            kept.append(int(rows[0]))
        else:
            kept += sorted({int(rows[np.nanargmin(part)]), int(rows[np.nanargmax(part)])})
            if np.isnan(part).any():
                kept.append(int(rows[np.argmax(np.isnan(part))]))
    kept = sorted({0, *kept, len(x) - 1})
    return x[kept], y[kept]


def draw_line(x: np.ndarray, y: np.ndarray, stroke: Stroke) -> Markup:
    """A line through points in pixels, with markers where the stroke has them."""
    line = tag("path", class_=stroke.classes, stroke_dasharray=stroke.dasharray, d=line_path(x, y))
    if stroke.marker is None:
        return line
    places = [(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True) if b == b]
    return join(line, *(marker(stroke.marker, a, b, stroke.colour, css=stroke.css) for a, b in places))


def marker(shape: int, x: float, y: float, colour: int, size: float = 3.5, css: str = "") -> Markup:
    """A filled circle, square, triangle, diamond, triangle upside down or cross."""
    classes = " ".join(part for part in ("p", f"c{colour % PALETTE}", css) if part)
    shape %= MARKERS
    if shape == 0:
        return tag("circle", class_=classes, cx=x, cy=y, r=size)
    if shape == 1:
        return tag("rect", class_=classes, x=x - size * 0.9, y=y - size * 0.9, width=size * 1.8, height=size * 1.8)
    s = size * 1.3
    corners = {
        2: ((0, -s), (s, s * 0.8), (-s, s * 0.8)),
        3: ((0, -s), (s, 0), (0, s), (-s, 0)),
        4: ((0, s), (s, -s * 0.8), (-s, -s * 0.8)),
        5: ((-s, -s), (-s / 3, 0), (-s, s), (0, s / 3), (s, s), (s / 3, 0), (s, -s), (0, -s / 3)),
    }[shape]
    points = " ".join(f"{coordinate(x + dx)},{coordinate(y + dy)}" for dx, dy in corners)
    return tag("polygon", class_=classes, points=points)


def cross(x: float, y: float, size: float = 3.5, css: str = "x") -> Markup:
    """An x, for what has no value."""
    a, b, c, d = (coordinate(value) for value in (x - size, y - size, x + size, y + size))
    return tag("path", class_=css, fill="none", d=f"M{a} {b}L{c} {d}M{c} {b}L{a} {d}")


def legend(entries: Sequence[tuple[str, Any]]) -> Markup | None:
    """A list of names with a sample of each: a Stroke, or the class of an area; None where there is nothing to say."""
    if not entries:
        return None
    return tag("ul", *(tag("li", _sample(how), name) for name, how in entries), class_="legend")


def _sample(how: Any) -> Markup:
    if isinstance(how, Stroke):
        ends = np.array([1.0, 29.0])
        middle = np.array([6.0, 6.0])
        drawn = join(
            draw_line(ends, middle, Stroke(how.colour, how.dash, None, how.css)),
            marker(how.marker, 15.0, 6.0, how.colour, css=how.css) if how.marker is not None else None,
        )
    else:
        drawn = tag("rect", x=2, y=1, width=26, height=10, class_=how)
    return tag("svg", drawn, viewBox="0 0 30 12", width=30, height=12, aria_hidden="true")
