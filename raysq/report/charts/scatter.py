"""Scatter charts of one value against another, which may be numbers or texts."""

from collections.abc import Sequence
from typing import Any

from raysq.display.numbers import number, short
from raysq.problems.charts import Scatter
from raysq.report.charts.line_styles import color
from raysq.report.charts.vega import CROSS, HALO, HOVER, TICKS, ZOOM, Drawing, categorical_axis, rounded, text_width

_SIZES = {"broad": 840, "narrow": 300}  # approximate width of the plot in pixels, on wide and narrow screens
_BROAD = 500


def draw_scatter(chart: Scatter, height: int) -> Drawing:
    """Convert a scatter chart with a plot of a height in pixels to Vega-Lite."""
    params, x, across = _axis(chart)
    rows = []
    for index, (at, value) in enumerate(zip(across, chart.y, strict=True)):
        name = chart.names[index] if chart.names else ""
        text = f"{name}: " if name else ""
        text += f"{short(chart.x[index])}, {'no score' if value is None else number(value)}"
        best = {"best": True} if index == chart.highlight else {}
        rows.append({"x": at, "y": None if value is None else rounded(value), "name": name, "text": text, **best})
    rows.sort(key=lambda row: "best" in row)  # draws the best point on top
    scores = [value for value in chart.y if value is not None]
    failed = len(chart.y) - len(scores)
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    margin = 0.0 if high > low else abs(low) * 0.1 or 1.0
    low, high = low - margin, high + margin
    # Points without a value are drawn above the others, outside the range.
    scale = {"domain": [low, high + (high - low) * 0.12 * bool(failed)], "zero": False, "nice": TICKS}
    y = {"field": "y", "type": "quantitative", "scale": scale, "axis": {"title": None, "tickCount": TICKS}}
    fill = {"condition": {"test": "datum.best", "value": color(1)}, "value": color(0)}
    size = {"condition": {"test": "datum.best", "value": 80}, "value": 40}
    dot = {"type": "point", "filled": True, "opacity": 1, "clip": True, **HOVER}
    encoding: dict[str, Any] = {"x": x, "y": y, "fill": fill, "size": size}
    layers: list[dict[str, Any]] = [{"transform": [{"filter": "isValid(datum.y)"}], "mark": dot, "encoding": encoding}]
    if chart.highlight is not None:
        ring = {"type": "point", "stroke": "var(--ink)", "strokeWidth": 1.5, "size": 220, "opacity": 1}
        layers.append({"transform": [{"filter": "datum.best"}], "mark": ring, "encoding": {"x": x, "y": y}})
    if failed:
        cross_at = {"x": x, "y": {"value": 6}}
        layers.append({"transform": [{"filter": "!isValid(datum.y)"}], "mark": CROSS, "encoding": cross_at})
    if chart.named:
        _choose_names(rows, height)
        for side, align in ((1, "left"), (-1, "right")):
            fits = f"(width > {_BROAD} ? datum.broad : datum.narrow) === {side}"
            name_mark = {"type": "text", "align": align, "dx": 6 * side, "clip": True, **HALO}
            named = {"x": x, "y": y, "text": {"field": "name"}}
            layers.append({"transform": [{"filter": fits}], "mark": name_mark, "encoding": named})
    live = {"mark": {"type": "point", "opacity": 0}, "params": [ZOOM], "encoding": {"x": x, "y": y}}
    numeric = x["type"] == "quantitative"
    spec = {"height": height, "params": params, "data": {"values": rows}, "title": chart.y_label, "layer": layers}
    label = _describe(chart, len(scores), failed)
    return Drawing({**spec, "usermeta": {"hover": {"text": ""}}}, label, [live] if numeric else [])


def _choose_names(rows: Sequence[dict[str, Any]], height: int) -> None:
    """Choose the side of each point's name by screen: right (1), left (-1), or none where it overlaps another."""
    scored = [row for row in rows if row["y"] is not None]
    shares = []
    for axis in "xy":
        values = [row[axis] for row in scored]
        low, span = min(values, default=0), (max(values, default=0) - min(values, default=0)) or 1
        shares.append([(value - low) / span for value in values])
    gap = 3.0  # keeps adjacent names apart
    for screen, width in _SIZES.items():
        occupied: list[tuple[float, float, float, float]] = []
        for row, across, up in zip(scored, *shares, strict=True):
            x, y, long = across * width, (1 - up) * height, text_width(row["name"])
            side = 1 if x + 6 + long <= width else -1
            left = x + 6 if side > 0 else x - 6 - long
            box = (left - gap, y - 7, left + long + gap, y + 7)
            if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in occupied):
                continue
            occupied.append(box)
            row[screen] = side


def _axis(chart: Scatter) -> tuple[list[dict[str, Any]], dict[str, Any], list[Any]]:
    """Return parameters, the x encoding, and the values as positions on it. Texts have one position each."""
    if chart.order or is_text(chart.x):
        texts = [short(value) for value in chart.x]
        labels = list(dict.fromkeys([*chart.order, *texts]))
        params, x = categorical_axis(labels, chart.x_label)
        return params, x, [labels.index(text) for text in texts]
    values = [rounded(float(value)) for value in chart.x]
    log = chart.log_x and min(chart.x, default=1) > 0
    scale = {"type": "log" if log else "linear", "nice": False, "padding": 14} | ({} if log else {"zero": False})
    axis = {"title": chart.x_label or None, "tickCount": {"expr": "ceil(width / 80)"}, "format": "~g" if log else None}
    return [], {"field": "x", "type": "quantitative", "scale": scale, "axis": axis}, values


def is_text(values: Sequence[Any]) -> bool:
    """Whether values are categorical on an axis, since some are not numbers."""
    return any(isinstance(value, (str, bool, list, tuple)) or value is None for value in values)


def _describe(chart: Scatter, scored: int, failed: int) -> str:
    label = f"Scatter chart: {chart.title}. {scored} points of {chart.y_label} against {chart.x_label}"
    if failed:
        label += f", {failed} without a value at the upper edge"
    if chart.highlight is not None:
        label += f"; the marked one at {short(chart.x[chart.highlight])}"
    return label + "."
