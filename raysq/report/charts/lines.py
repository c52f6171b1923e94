"""Line charts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from raysq.display.numbers import number, utc
from raysq.problems.charts import Line, LineChart, Mark
from raysq.report.charts.line_styles import DASHES, LineStyle, area_sample, color, legend, ring_sample, shape
from raysq.report.charts.vega import HOVER, ONCE, TICKS, ZOOM, Drawing, rounded, time_labels
from raysq.report.markup import Markup

_DASH_OF = {"solid": 0, "dashed": 1, "dotted": 2, "fine": 0, "quiet": 0}
_MARKED = 40  # lines of at most this many points show each point
_POINTS = 1400  # maximum number of points of a line; more cannot be distinguished
_LEVEL = LineStyle("var(--soft)", DASHES[2], 1.25)
_UPRIGHT = LineStyle("var(--soft)", (3, 3), 1.25)


def draw_lines(chart: LineChart, height: int) -> Drawing:
    """Convert a line chart with a plot of a height in pixels to Vega-Lite."""
    rows: dict[tuple[float, int], dict[str, Any]] = {}
    curves = [_add(rows, f"l{index}", line.x, line.y, chart.log_y) for index, line in enumerate(chart.lines)]
    for index, band in enumerate(chart.bands):
        _add(rows, f"b{index}", band.x, band.low, chart.log_y)
        _add(rows, f"c{index}", band.x, band.high, chart.log_y)
    time = any(axis_values(line.x)[1] for line in chart.lines)
    (low, high), levels = _range(chart)
    every_x = [x for x, _ in rows] or [0.0, 1.0]
    x_domain = [min(every_x), max(every_x)]
    if x_domain[0] == x_domain[1]:
        margin = 43_200_000 if time else 0.5
        x_domain = [x_domain[0] - margin, x_domain[1] + margin]
    x_axis: dict[str, Any] = {"title": chart.x_label or None, "tickCount": {"expr": "ceil(width / 90)"}}
    x_axis |= time_labels() if time else _whole_ticks(*x_domain) if chart.whole_x else {}
    x_scale = {
        "domain": x_domain,
        "nice": False,
        "padding": 6 if time else 10,
        **({"type": "utc"} if time else {"zero": False}),
    }
    x = {"field": "x", "type": "temporal" if time else "quantitative", "scale": x_scale, "axis": x_axis}
    y_scale = {"domain": [low, high], "zero": False, "nice": TICKS}
    y_axis = {"title": None, "tickCount": TICKS, "grid": True}
    y = {"type": "quantitative", "scale": y_scale | ({"type": "log"} if chart.log_y else {}), "axis": y_axis}
    layers: list[dict[str, Any]] = []
    for index, band in enumerate(chart.bands):
        mark = {"type": "area", "fill": color(band.color), "opacity": 0.2, "clip": True}
        sides = {"y": {**y, "field": f"b{index}"}, "y2": {"field": f"c{index}"}}
        layers.append({**_only_rows_of(rows, f"b{index}"), "mark": mark, "encoding": {"x": x, **sides}})
    layers += [{**ONCE, "mark": _LEVEL.mark("rule"), "encoding": {"y": {**y, "datum": level}}} for level in levels]
    for index, (line, count) in enumerate(zip(chart.lines, curves, strict=True)):
        style = _style(line, index, count)
        mark = {**style.mark(), "clip": True}
        if style.shape:
            mark["point"] = {"shape": style.shape, "fill": style.color, "opacity": 1, "size": 50, "strokeWidth": 0}
        encoding = {"x": x, "y": {**y, "field": f"l{index}"}}
        layers.append({**_only_rows_of(rows, f"l{index}"), "mark": mark, "encoding": encoding})
    layers += [_mark(mark, x, y) for mark in chart.marks]
    hover = {"x": chart.x_label or "x"} | {f"l{n}": line.name for n, line in enumerate(chart.lines) if line.name}
    for n, band in enumerate(chart.bands):
        hover |= {f"b{n}": f"{band.name}, low", f"c{n}": f"{band.name}, high"}
    opacity = {"condition": {"param": "near", "empty": False, "value": 0.6}, "value": 0}
    near = {"type": "point", "fields": ["x"], "nearest": True, "on": "pointermove", "clear": "pointerout"}
    live = {
        "mark": {"type": "rule", "color": "var(--soft)", "clip": True, **HOVER},
        "params": [{"name": "near", "select": near}, ZOOM],
        "encoding": {"x": x, "y": {"value": 0}, "y2": {"value": height}, "opacity": opacity},
    }
    values = [rows[key] for key in sorted(rows)]
    spec = {"height": height, "data": {"values": values}, "title": chart.y_label, "layer": layers}
    return Drawing({**spec, "usermeta": {"hover": hover, "time": time}}, _describe(chart), [live] if values else [])


def _whole_ticks(low: float, high: float) -> dict[str, Any]:
    """Return about twenty ticks or fewer, at whole numbers."""
    step = next(
        step for power in range(16) for step in (10**power, 2 * 10**power, 5 * 10**power) if high - low <= 20 * step
    )
    ticks = range(-(-math.ceil(low) // step) * step, math.floor(high) + 1, step)
    return {"values": list(ticks), "format": ",d"}


def axis_values(x: Any) -> tuple[np.ndarray, bool]:
    """Return values as float64 for an axis, and whether they are moments, which become milliseconds since 1970."""
    values = np.asarray(x)
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]").astype(np.int64) / 1e3, True
    return values.astype(np.float64), False


def _add(rows: dict[tuple[float, int], dict[str, Any]], name: str, x: Any, y: Any, log: bool) -> int:
    """Add a curve to the rows of the chart, one row per x, and return the number of its points.

    Values that the axis cannot show become None.
    """
    values = np.asarray(y, np.float64)
    values = np.where(np.isfinite(values) & ((values > 0) | (not log)), values, np.nan)
    at, values = thinned(axis_values(x)[0], values, _POINTS)
    times: dict[float, int] = {}  # an x may repeat, such as the hour when clocks are set back
    for across, value in zip(at.tolist(), values.tolist(), strict=True):
        count = times[across] = times.get(across, -1) + 1
        rows.setdefault((across, count), {"x": rounded(across, 15)})[name] = rounded(value)
    return len(at)


def _only_rows_of(rows: dict[tuple[float, int], dict[str, Any]], name: str) -> dict[str, Any]:
    """Return a filter that leaves out the rows of other curves. Missing values of the curve remain as gaps."""
    if all(name in row for row in rows.values()):
        return {}
    return {"transform": [{"filter": f"isDefined(datum.{name})"}]}


def thinned(x: np.ndarray, y: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Thin a curve to about `most` points that look the same: lowest and highest of each stretch, and gaps."""
    if len(x) <= most:
        return x, y
    kept = {0, len(x) - 1}
    for rows in np.array_split(np.arange(len(x)), max(1, most // 2)):
        part = y[rows]
        if np.isnan(part).any():
            kept.add(int(rows[np.argmax(np.isnan(part))]))
        if not np.isnan(part).all():
            kept |= {int(rows[np.nanargmin(part)]), int(rows[np.nanargmax(part)])}
    order = sorted(kept)
    return x[order], y[order]


def _range(chart: LineChart) -> tuple[tuple[float, float], list[float]]:
    """Return the range of y and the levels to draw. Levels far away are left out, as they would flatten the curves."""
    curves = [line.y for line in chart.lines] + [side for band in chart.bands for side in (band.low, band.high)]
    every = np.concatenate([np.empty(0), *(np.asarray(y, np.float64) for y in curves)])
    every = every[np.isfinite(every) & ((every > 0) | (not chart.log_y))]
    if not len(every):
        every = np.array([0.1, 1.0])
    low, high = float(every.min()), float(every.max())
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    room = high - low
    shown = [level for level in chart.levels.values() if low - room <= level <= high + room]
    shown = [level for level in shown if level > 0 or not chart.log_y]
    return (min([low, *shown]), max([high, *shown])), shown


def _style(line: Line, index: int, count: int) -> LineStyle:
    if line.style == "quiet":
        return LineStyle("var(--quiet)", width=1.0, opacity=0.7)
    own = index if line.color is None else line.color
    marked = count <= _MARKED
    if line.style == "fine":
        return LineStyle("var(--ink)", width=1.1, shape=shape(own) if marked else None)
    return LineStyle(color(own), DASHES[_DASH_OF[line.style]], 2.0 if marked else 1.75, shape(own) if marked else None)


def _mark(mark: Mark, x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
    """Return a ring around a point, or a vertical line. Its label is in the legend, so that it covers no curve."""
    across = {**x, "datum": rounded(float(axis_values([mark.x])[0][0]), 15)}
    del across["field"]
    if mark.y is None:
        return {**ONCE, "mark": _UPRIGHT.mark("rule"), "encoding": {"x": across}}
    ring = {"type": "point", "shape": "circle", "stroke": "var(--ink)", "strokeWidth": 1.5, "size": 190, "opacity": 1}
    return {**ONCE, "mark": ring, "encoding": {"x": across, "y": {**y, "datum": mark.y}}}


def lines_legend(chart: LineChart) -> Markup | None:
    """Return the legend of lines, bands, levels and marks, or None for a single plain line."""
    entries = []
    for index, line in enumerate(chart.lines):
        if line.name:
            entries.append((line.name, _style(line, index, len(np.asarray(line.x))).sample()))
    entries += [(band.name, area_sample(band.color, 0.2)) for band in chart.bands]
    if len(entries) < 2 and not chart.levels and not chart.marks:
        return None
    (low, high), _ = _range(chart)
    for name, level in chart.levels.items():
        outside = ", above the chart" if level > high else ", below the chart" if level < low else ""
        entries.append((f"{name} {number(level)}{outside}", _LEVEL.sample()))
    entries += [(mark.label, _UPRIGHT.sample() if mark.y is None else ring_sample()) for mark in chart.marks]
    return legend(entries)


def _describe(chart: LineChart) -> str:
    parts = []
    for line in chart.lines:
        y = np.asarray(line.y, np.float64)
        y = y[np.isfinite(y)]
        if line.name and len(y):
            parts.append(f"{line.name} from {number(float(y.min()))} to {number(float(y.max()))}")
    quiet = sum(1 for line in chart.lines if not line.name)
    parts += [f"{quiet} more lines"] if quiet else []
    parts += [f"{name} at {number(value)}" for name, value in chart.levels.items()]
    parts += [mark.label for mark in chart.marks]
    return f"Line chart: {chart.title}{_period(chart.lines)}. {chart.y_label}: {'; '.join(parts)}."


def _period(lines: Sequence[Line]) -> str:
    x, time = axis_values(lines[0].x) if lines else (np.empty(0), False)
    if not time or not len(x):
        return ""
    return f" from {utc(float(x.min()) / 1e3):%Y-%m-%d %H:%M} to {utc(float(x.max()) / 1e3):%Y-%m-%d %H:%M}"
