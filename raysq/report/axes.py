"""The frame of a chart: scales from values to pixels, grid, ticks and labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from raysq.report.markup import Markup, join, tag
from raysq.report.ticks import Ticks, linear_ticks, log_ticks, nice_range, time_ticks

ScaleKind = Literal["linear", "whole", "log", "time", "places"]
_CHARACTER = 6.9  # pixels, of 12 px text; generous, as fonts differ
_LINE = 15  # pixels from one line of text to the next


def text_width(text: str) -> float:
    """About how many pixels a text of the charts' size takes."""
    return _CHARACTER * len(text)


@dataclass(frozen=True)
class Scale:
    """From values in `[low, high]` to pixels from `begin` to `end`."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def __call__(self, values: Any) -> Any:
        low, high = self.low, self.high
        values = np.asarray(values, np.float64)
        if self.log:
            values, low, high = np.log(values), math.log(low), math.log(high)
        share = (values - low) / (high - low)
        return self.begin + share * (self.end - self.begin)

    def at(self, value: float) -> float:
        """Of a single value."""
        return float(self(value))


@dataclass(frozen=True)
class Axis:
    """What an axis shows.

    Attributes:
        low: lower end; in seconds since 1970 for time.
        high: upper end.
        kind: linear, whole numbers, logarithmic, time, or "places": 0, 1, 2 ... with a label each.
        label: what it is.
        places: the labels of the places.
    """

    low: float
    high: float
    kind: ScaleKind = "linear"
    label: str = ""
    places: Sequence[str] = ()

    def ticks(self, most: int) -> Ticks:
        """At most so many ticks."""
        if self.kind == "log":
            return log_ticks(self.low, self.high, most)
        if self.kind == "time":
            return time_ticks(self.low, self.high, most)
        if self.kind == "places":
            every = max(1, -(-len(self.places) // max(1, most)))
            chosen = range(0, len(self.places), every)
            return Ticks(tuple(float(n) for n in chosen), tuple(self.places[n] for n in chosen))
        return linear_ticks(self.low, self.high, most, whole=self.kind == "whole")


def padded(values: Any, *, log: bool = False, zero: bool = False) -> tuple[float, float]:
    """A range of a y axis that holds all finite values and ends at round numbers.

    Args:
        values: numbers; NaN and infinities are left out.
        log: for a logarithmic axis.
        zero: the range begins at (or ends at) zero.
    """
    values = np.asarray(values, np.float64).ravel()
    values = values[np.isfinite(values)]
    if log:
        values = values[values > 0]
        if not len(values):
            return 0.1, 1.0
        low, high = float(values.min()), float(values.max())
        margin = (high / low) ** 0.06 if high > low else 2.0
        return low / margin, high * margin
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if zero:
        low, high = min(0.0, low), max(0.0, high)
    return nice_range(low, high)


@dataclass(frozen=True)
class Frame:
    """A frame with its scales; `grid` is drawn below the content."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x: Scale
    y: Scale
    grid: Markup

    def svg(self, *content: object, label: str, css: str = "") -> Markup:
        """The picture, with a text for those who do not see it."""
        return picture(self.width, self.height, self.grid, *content, label=label, css=css)


def picture(width: float, height: float, *content: object, label: str, css: str = "") -> Markup:
    """An `svg` element that shrinks with the page and says what it shows."""
    return tag(
        "svg",
        *content,
        viewBox=f"0 0 {math.ceil(width)} {math.ceil(height)}",
        width=math.ceil(width),
        height=math.ceil(height),
        role="img",
        aria_label=label,
        class_=css or None,
    )


def frame(width: float, height: float, x: Axis, y: Axis, *, room_right: float = 0) -> Frame:
    """Lays out a frame: margins as the labels need them, as many ticks as fit beside each other.

    Args:
        width: of the picture, in pixels.
        height: of the picture.
        x: the axis below.
        y: the axis at the left; its label stands above it, where it is read without turning the head.
        room_right: pixels to keep free at the right, for labels.
    """
    y_ticks = y.ticks(max(3, int(height / 45)))
    left = max([text_width(label) for label in y_ticks.labels], default=0) + 10
    top = 8.0 + (_LINE + 3 if y.label else 0)
    bottom = 22.0 + (_LINE + 2 if x.label else 0)
    right = max(12.0, room_right)
    room = width - left - right
    x_ticks = _fitting(x, room)
    if x_ticks.labels:
        # Half of the last label may stand out at the right.
        right = max(right, text_width(x_ticks.labels[-1]) / 2 + 2)
    half = 0.5 if x.kind == "places" else 0.0
    x_scale = Scale(x.low - half, x.high + half, left, width - right, x.kind == "log")
    y_scale = Scale(y.low, y.high, height - bottom, top, y.kind == "log")
    parts: list[Markup] = []
    for value, label in zip(y_ticks.values, y_ticks.labels, strict=True):
        at = y_scale.at(value)
        parts += [
            tag("line", class_="g", x1=left, x2=width - right, y1=at, y2=at),
            tag("text", label, x=left - 6, y=at + 4, text_anchor="end"),
        ]
    base = height - bottom
    parts.append(tag("line", class_="x", x1=left, x2=width - right, y1=base, y2=base))
    for value, label in zip(x_ticks.values, x_ticks.labels, strict=True):
        at = x_scale.at(value)
        if x.kind != "places":
            parts.append(tag("line", class_="x", x1=at, x2=at, y1=base, y2=base + 4))
        parts.append(tag("text", label, x=at, y=base + 17, text_anchor="middle"))
    if y.label:
        parts.append(tag("text", y.label, x=0, y=12))
    if x.label:
        parts.append(tag("text", x.label, x=(left + width - right) / 2, y=height - 4, text_anchor="middle"))
    return Frame(width, height, left, right, top, bottom, x_scale, y_scale, join(*parts))


def _fitting(axis: Axis, room: float) -> Ticks:
    """The most ticks whose labels do not touch each other."""
    places = len(axis.places) if axis.kind == "places" else 12
    for most in range(max(2, places), 1, -1):
        ticks = axis.ticks(most)
        span = axis.high - axis.low + (1 if axis.kind == "places" else 0)
        scale = Scale(axis.low, axis.low + (span or 1.0), 0.0, room, axis.kind == "log")
        at = [scale.at(value) for value in ticks.values]
        wide = [text_width(label) for label in ticks.labels]
        gaps = zip(at, at[1:], wide, wide[1:], strict=False)
        if all(b - a >= (wa + wb) / 2 + 8 for a, b, wa, wb in gaps):
            return ticks
    return axis.ticks(2)


def seconds_of(x: Any) -> tuple[np.ndarray, bool]:
    """Values for an axis as float64, and whether they are moments (seconds since 1970 then)."""
    values = np.asarray(x)
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]").astype(np.int64) / 1e6, True
    return values.astype(np.float64), False
