"""Heat maps of counts, such as a confusion matrix, and of weights, such as attention."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from raysq.problems.charts import Matrix, Weights
from raysq.report.charts.line_styles import color
from raysq.report.charts.vega import HOVER, Drawing, text_width

_LONGEST = 110  # maximum width of a label in pixels
_DARKEST = 0.55  # opacity at which text keeps a contrast of 4.5 to 1, in light and dark mode
_DARKEST_WEIGHT = 0.85  # opacity of cells without text
_UPRIGHT = 3  # maximum number of characters of column labels that are not rotated


def draw_matrix(chart: Matrix) -> Drawing:
    """Convert a matrix of counts to Vega-Lite. The color of a cell shows its share of the row."""
    counts = np.asarray(chart.counts, np.int64)
    sums = counts.sum(1)
    cells = []
    for row, column in np.argwhere(counts > 0).tolist():
        count = int(counts[row, column])
        share = count / int(sums[row])
        # The square root makes rare confusions visible beside the diagonal.
        shade = round(_DARKEST * math.sqrt(share), 2)
        text = f"{count:,} of {int(sums[row]):,} ({100 * share:.1f} %)"
        cells.append({"r": row, "c": column, "n": f"{count:,}", "o": shade, "text": text})
    labels = [str(label) for label in chart.labels]
    height = 24 if len(labels) > 6 else 44
    return _heatmap(chart, labels, labels, cells, height, _describe_matrix(chart, counts))


def draw_weights(chart: Weights) -> Drawing:
    """Convert a matrix of weights from 0 to 1 to Vega-Lite. The color of a cell shows its weight."""
    values = np.clip(np.asarray(chart.values, np.float64), 0.0, 1.0)
    cells = [
        {
            "r": row,
            "c": column,
            "o": round(_DARKEST_WEIGHT * values[row, column], 2),
            "text": f"{values[row, column]:.2f}",
        }
        for row, column in np.argwhere(values >= 0.005).tolist()
    ]
    best = [chart.columns[column] for column in values.argmax(1).tolist()] if values.size else []
    pairs = ", ".join(f"{row}: {column}" for row, column in zip(chart.rows, best, strict=False))
    label = f"Weights of {chart.row_label} by {chart.column_label}; the largest of each row: {pairs}."
    return _heatmap(chart, chart.rows, chart.columns, cells, 18, label)


def _heatmap(
    chart: Matrix | Weights, rows: Sequence[str], columns: Sequence[str], cells: list[Any], cell_height: int, label: str
) -> Drawing:
    turned = max(map(len, columns), default=0) > _UPRIGHT
    axis = {"labelColor": "var(--ink)", "labelLimit": _LONGEST, "domain": False, "ticks": False, "labelPadding": 4}
    across = {"orient": "top", "labelAngle": -65 if turned else 0, "labelAlign": "left" if turned else "center"}
    band = {"paddingInner": 0.04, "paddingOuter": 0}
    x = _axis(
        "c",
        "columns",
        len(columns),
        15 if turned else 7 * _UPRIGHT + 5,
        band,
        {**axis, **across, "title": f"{chart.column_label} \u2192"},
    )
    title = {"title": f"{chart.row_label} \u2193", "titleAngle": 0, "titleAlign": "right", "titleAnchor": "start"}
    # The title is above the row labels and to the left of the column labels.
    corner = {"titleX": -8, "titleY": -8, "titleBaseline": "bottom"}
    y = _axis("r", "rows", len(rows), 12, band, {**axis, **title, **corner})
    opacity = {"field": "o", "type": "quantitative", "scale": None}
    fill: dict[str, Any] = {"value": color(0)}
    if isinstance(chart, Matrix):
        fill = {"condition": {"test": "datum.r === datum.c", "value": color(0)}, "value": color(1)}
    encoding = {"x": x, "y": y, "fill": fill, "fillOpacity": opacity}
    layers: list[dict[str, Any]] = [{"mark": {"type": "rect", **HOVER}, "encoding": encoding}]
    room = max((text_width(cell["n"]) for cell in cells if "n" in cell), default=0.0) + 4
    if isinstance(chart, Matrix):
        # Counts that do not fit are shown in tables and on hover.
        fits = [{"filter": f"width / {max(1, len(columns))} >= {room}"}]
        layers.append(
            {"transform": fits, "mark": {"type": "text"}, "encoding": {"x": x, "y": y, "text": {"field": "n"}}}
        )
    params = [{"name": "rows", "value": list(rows)}, {"name": "columns", "value": list(columns)}]
    hover = {"r": [chart.row_label, list(rows)], "c": [chart.column_label, list(columns)], "text": ""}
    spec = {"height": cell_height * len(rows), "params": params, "data": {"values": cells}, "layer": layers}
    return Drawing({**spec, "view": {"fill": "var(--sheet)"}, "usermeta": {"hover": hover}}, label)


def _axis(
    field: str, names: str, count: int, room: float, band: dict[str, Any], axis: dict[str, Any]
) -> dict[str, Any]:
    """Encode rows or columns. Labels are left out at even intervals where they do not all fit."""
    every = f"max(1, ceil({room} * {count} / {'width' if field == 'c' else 'height'}))"
    labels = {"labelExpr": f"datum.value % {every} ? '' : {names}[datum.value]", "labelOverlap": False}
    scale = {**band, "domain": list(range(count))}
    return {"field": field, "type": "ordinal", "scale": scale, "axis": {**labels, **axis}}


def _describe_matrix(chart: Matrix, counts: np.ndarray) -> str:
    total = int(counts.sum())
    right = int(np.trace(counts))
    off = counts - np.diag(np.diag(counts))
    text = f"Matrix: {chart.title}. {right:,} of {total:,} lie on the diagonal"
    if off.any():
        row, column = divmod(int(off.argmax()), len(off))
        text += (
            f"; most others are {chart.row_label} {chart.labels[row]}, {chart.column_label} "
            f"{chart.labels[column]}: {int(off[row, column]):,}"
        )
    return text + "."
