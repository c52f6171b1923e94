"""Styles of lines and points, distinguished by dash and shape as well as by color, and the legend."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raysq.report.markup import Markup, tag
from raysq.report.style import PALETTE

DASHES: tuple[tuple[float, ...], ...] = ((), (7, 4), (2, 3), (9, 3, 2, 3), (12, 4), (4, 2))
# Vega's names of shapes, and their outlines for the legend.
_SHAPES = {
    "circle": "M11 6a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
    "square": "M11.5 2.5h7v7h-7Z",
    "triangle-up": "M15 1.5l4.5 8h-9Z",
    "diamond": "M15 1l4.5 5l-4.5 5l-4.5 -5Z",
    "triangle-down": "M15 10.5l4.5 -8h-9Z",
    "cross": "M13.5 1.5h3v3h3v3h-3v3h-3v-3h-3v-3h3Z",
}


def color(index: int) -> str:
    """Return a color of the palette as a CSS variable. Indices wrap around."""
    return f"var(--k{index % PALETTE})"


@dataclass(frozen=True)
class LineStyle:
    """Style of a line: a CSS color, lengths of dashes and gaps and a width in pixels, and a shape of its points."""

    color: str
    dash: tuple[float, ...] = ()
    width: float = 2.0
    shape: str | None = None
    opacity: float = 1.0

    def mark(self, kind: str = "line") -> dict[str, Any]:
        """Return the style as a Vega-Lite mark of the type `kind`."""
        mark = {"type": kind, "stroke": self.color, "strokeWidth": self.width, "strokeCap": "round"}
        mark |= {"strokeDash": list(self.dash)} if self.dash else {}
        return mark | ({"opacity": self.opacity} if self.opacity < 1 else {})

    def sample(self) -> Markup:
        """Draw a short line of the style for the legend."""
        dash = " ".join(map(str, self.dash)) or None
        line = {"stroke": self.color, "stroke_width": self.width, "stroke_dasharray": dash, "opacity": self.opacity}
        shape = tag("path", d=_SHAPES[self.shape], fill=self.color) if self.shape else None
        return _sample(tag("path", d="M1 6H29", fill="none", **line), shape)


def shape(index: int) -> str:
    """Return the shape of a line's points, which is the same for lines of the same color index."""
    return tuple(_SHAPES)[index % len(_SHAPES)]


def area_sample(index: int, opacity: float = 1.0) -> Markup:
    """Draw a small area for the legend."""
    return _sample(tag("path", d="M2 1H28V11H2Z", fill=color(index), opacity=opacity))


def ring_sample() -> Markup:
    """Draw the ring that marks a point, for the legend."""
    return _sample(tag("circle", cx=15, cy=6, r=5, fill="none", stroke="var(--ink)", stroke_width=1.5))


def _sample(*parts: Markup | None) -> Markup:
    return tag("svg", *parts, viewBox="0 0 30 12", width=30, height=12, aria_hidden="true")


def legend(entries: Sequence[tuple[str, Markup]]) -> Markup | None:
    """Return a list of names with a sample of each, or None without entries."""
    return tag("ul", *(tag("li", sample, name) for name, sample in entries), class_="legend") if entries else None
