"""Weights of pairs of words: a cell for each pair, the darker the larger."""

import numpy as np

from raysq.kinds.charts import Weights
from raysq.report.axes import picture, text_width
from raysq.report.markup import Markup, join, tag

_HEIGHT, _WIDEST = 18.0, 36.0  # pixels of a cell
_LONGEST = 110.0  # pixels of a label
_DARKEST = 0.85


def draw_weights(chart: Weights, width: float) -> Markup:
    """The weights as one picture of that width in pixels; as high as its cells need. Labels that do not fit are cut."""
    values = np.clip(np.asarray(chart.values, np.float64), 0.0, 1.0)
    rows, columns = [_cut(label) for label in chart.rows], [_cut(label) for label in chart.columns]
    heads = (f"{chart.row_label} \u2193", f"{chart.column_label} \u2192")
    left = max(map(text_width, (*rows, heads[0]))) + 10
    top = max(map(text_width, columns), default=0.0) * 0.8 + 26
    cell = min(_WIDEST, (width - left - top * 0.6) / max(1, len(columns)))
    parts: list[Markup] = [
        tag("text", heads[0], x=0, y=top - 8),
        tag("text", heads[1], x=left, y=12),
        tag("rect", class_="cell", x=left, y=top, width=len(columns) * cell, height=len(rows) * _HEIGHT),
    ]
    for place, name in enumerate(columns):
        at = left + (place + 0.5) * cell
        turned = f"rotate(-50 {at:.1f} {top - 6:.1f})"
        parts.append(tag("text", name, class_="t", x=at, y=top - 6, transform=turned))
    for place, name in enumerate(rows):
        middle = top + (place + 0.5) * _HEIGHT + 4
        parts.append(tag("text", name, class_="t", x=left - 8, y=middle, text_anchor="end"))
    for row, column in np.argwhere(values >= 0.005).tolist():
        share = float(values[row, column])
        says = f"{chart.rows[row]}, {chart.columns[column]}: {share:.2f}"
        box = {"x": left + column * cell, "y": top + row * _HEIGHT, "width": cell - 1, "height": _HEIGHT - 1}
        drawn = tag("rect", class_="p c0", fill_opacity=f"{_DARKEST * share:.2f}", **box)
        parts.append(tag("g", tag("title", says), drawn))
    return picture(width, top + len(rows) * _HEIGHT + 1, join(*parts), label=_say(chart, values))


def _cut(text: str) -> str:
    most = max(1, int(_LONGEST / text_width("x")))
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def _say(chart: Weights, values: np.ndarray) -> str:
    best = [chart.columns[column] for column in values.argmax(1).tolist()] if values.size else []
    pairs = ", ".join(f"{row}: {column}" for row, column in zip(chart.rows, best, strict=False))
    return f"Weights of {chart.row_label} by {chart.column_label}; the largest of each row: {pairs}."
