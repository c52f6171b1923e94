"""Scatter charts: one value against another, numbers or texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from raysq.kinds.charts import Points
from raysq.report.axes import Axis, Frame, frame, padded, text_width
from raysq.report.markup import Markup, tag
from raysq.report.numbers import number, short
from raysq.report.strokes import cross


def draw_points(chart: Points, width: float, height: float) -> Markup:
    """The chart as one picture of that size in pixels."""
    x_axis, x = axis_of(chart.x, chart.x_label, log=chart.log_x, order=chart.order)
    known = [value for value in chart.y if value is not None]
    bottom, top = padded(known)
    failed = len(chart.y) - len(known)
    # Those without a value stand above the others, outside the range.
    y_axis = Axis(bottom, top + (top - bottom) * 0.12 if failed else top, label=chart.y_label)
    drawn = frame(width, height, x_axis, y_axis)
    across = drawn.x(x).tolist()
    parts: list[object] = []
    # The best one last, so that it lies on top.
    order = sorted(range(len(x)), key=lambda place: place == chart.highlight)
    for place in order:
        value = chart.y[place]
        name = f"{chart.names[place]}: " if chart.names else ""
        title = tag("title", f"{name}{short(chart.x[place])}, {'no score' if value is None else number(value)}")
        if value is None:
            parts.append(tag("g", title, cross(across[place], drawn.top + 5)))
            continue
        best = place == chart.highlight
        down = drawn.y.at(value)
        parts.append(tag("circle", title, class_=f"p c{int(best)}", cx=across[place], cy=down, r=5.0 if best else 3.5))
        if best:
            parts.append(tag("circle", class_="o", cx=across[place], cy=down, r=8))
    if chart.named:
        parts += _names(chart, drawn, across)
    label = f"Scatter chart: {chart.title}. {len(known)} points of {chart.y_label} against {chart.x_label}"
    if failed:
        label += f", {failed} without a value at the upper edge"
    if chart.highlight is not None:
        label += f"; the marked one at {short(chart.x[chart.highlight])}"
    return drawn.svg(*parts, label=label + ".")


def _names(chart: Points, drawn: Frame, across: Sequence[float]) -> list[Markup]:
    """Names beside their points, left of them where the frame ends; those that would cover an earlier one are left
    out."""
    parts: list[Markup] = []
    gap = 3.0  # so that two names in a row do not read as one
    taken: list[tuple[float, float, float, float]] = []
    for name, x, value in zip(chart.names, across, chart.y, strict=True):
        if value is None:
            continue
        y, long = drawn.y.at(value), text_width(name)
        left = x + 6 if x + 6 + long <= drawn.width - 2 else x - 6 - long
        box = (left - gap, y - 6, left + long + gap, y + 6)
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            continue
        taken.append(box)
        parts.append(tag("text", name, class_="t halo", x=left, y=y + 4))
    return parts


def axis_of(
    values: Sequence[Any], label: str, *, log: bool = False, order: Sequence[str] = ()
) -> tuple[Axis, np.ndarray]:
    """The axis that suits values, and the values as numbers on it: texts get a place each."""
    if order or any(isinstance(value, (str, bool, list, tuple)) or value is None for value in values):
        texts = [short(value) for value in values]
        places = list(dict.fromkeys([*order, *texts]))
        return Axis(0, len(places) - 1, "places", label, places), np.array([places.index(t) for t in texts], float)
    numbers = np.asarray(values, np.float64)
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    if log and low > 0:
        margin = (high / low) ** 0.05 if high > low else 2.0
        return Axis(low / margin, high * margin, "log", label), numbers
    margin = (high - low) * 0.05 or abs(low) * 0.1 or 0.5
    return Axis(low - margin, high + margin, "linear", label), numbers
