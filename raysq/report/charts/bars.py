"""Bar charts and histograms."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from raysq.display.numbers import number
from raysq.problems.charts import Bars, Histogram
from raysq.report.charts.line_styles import DASHES, LineStyle, area_sample, color, legend
from raysq.report.charts.vega import HOVER, ONCE, TICKS, Drawing, categorical_axis, rounded
from raysq.report.markup import Markup

_THICKEST = 56  # maximum width of a bar in pixels


def draw_bars(chart: Bars, height: int) -> Drawing:
    """Convert a bar chart with a plot of a height in pixels to Vega-Lite."""
    columns: dict[str, Any] = {"y": np.asarray(chart.values, np.float64).tolist()}
    for index, values in enumerate(chart.references.values()):
        columns[f"r{index}"] = np.asarray(values, np.float64).tolist()
    if chart.counts is not None:
        columns["n"] = [int(count) for count in chart.counts]
    rows = [
        {"x": index} | {name: rounded(values[index]) for name, values in columns.items()}
        for index in range(len(chart.labels))
    ]
    params, x = categorical_axis(chart.labels, chart.x_label)
    y = {"type": "quantitative", "scale": {"nice": TICKS}, "axis": {"title": None, "tickCount": TICKS}}
    thick = f"min({_THICKEST}, bandwidth('x') * 0.8)"
    bar = {"type": "bar", "fill": color(0), "width": {"expr": thick}, **HOVER}
    layers = [{"mark": bar, "encoding": {"x": x, "y": {**y, "field": "y"}}}]
    for index in range(len(chart.references)):
        style = _reference(index)
        stroke = {**style.mark("point"), "shape": "stroke", "size": {"expr": f"pow({thick} * 1.2, 2)"}, "opacity": 1}
        layers.append({"mark": stroke, "encoding": {"x": x, "y": {**y, "field": f"r{index}"}}})
    hover: dict[str, Any] = {
        "x": [chart.x_label, list(map(str, chart.labels))],
        "y": chart.name or chart.y_label or "value",
    }
    hover |= {f"r{index}": name for index, name in enumerate(chart.references)} | {"n": "examples"}
    spec = {"height": height, "params": params, "data": {"values": rows}, "title": chart.y_label, "layer": layers}
    return Drawing({**spec, "usermeta": {"hover": hover}}, _describe(chart))


def _reference(index: int) -> LineStyle:
    return LineStyle(color(index + 1), DASHES[5] if index else (), 2.5)


def bars_legend(chart: Bars) -> Markup | None:
    """Return the legend of the bars and their reference lines, or None without reference lines."""
    if not chart.references:
        return None
    lines = [(name, _reference(index).sample()) for index, name in enumerate(chart.references)]
    return legend([(chart.name or chart.y_label, area_sample(0)), *lines])


def counts_note(counts: Sequence[int] | None) -> str:
    """Return a note on the number of examples behind each bar; empty without counts."""
    if counts is None or not len(counts):
        return ""
    few, many = min([count for count in counts if count], default=0), max(counts)
    return f"{many:,} examples behind each bar" if few == many else f"{few:,} to {many:,} examples behind each bar"


def _describe(chart: Bars) -> str:
    values = np.asarray(chart.values, np.float64)
    if not np.isfinite(values).any():
        return f"Bar chart: {chart.title}. No values."
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    return (
        f"Bar chart: {chart.title}. {chart.y_label} by {chart.x_label or 'label'}: lowest {number(float(values[low]))} "
        f"at {chart.labels[low]}, highest {number(float(values[high]))} at {chart.labels[high]}."
    )


def draw_histogram(chart: Histogram, height: int) -> Drawing:
    """Convert a histogram with a plot of a height in pixels to Vega-Lite."""
    edges = [rounded(edge) for edge in np.asarray(chart.edges, np.float64).tolist()]
    counts = np.asarray(chart.counts, np.float64)
    rows = [
        {"x": left, "to": right, "y": rounded(count)}
        for left, right, count in zip(edges, edges[1:], counts.tolist(), strict=False)
    ]
    scale = {"domain": [edges[0], edges[-1]], "nice": False, "zero": False}
    x = {"type": "quantitative", "scale": scale, "axis": {"title": chart.x_label or None, "tickCount": 7}}
    y = {"field": "y", "type": "quantitative", "scale": {"nice": TICKS}, "axis": {"title": None, "tickCount": TICKS}}
    sides = {"x": {**x, "field": "x", "bin": "binned"}, "x2": {"field": "to"}, "y": y}
    layers: list[dict[str, Any]] = [{"mark": {"type": "bar", "fill": color(0), **HOVER}, "encoding": sides}]
    for mark, style in zip(chart.marks, _mark_styles(chart), strict=True):
        at = {**x, "datum": rounded(float(mark.x))}
        layers.append({**ONCE, "mark": style.mark("rule"), "encoding": {"x": at}})
    names = [mark.label for mark in chart.marks if mark.label]
    label = (
        f"Histogram: {chart.title}. {int(counts.sum()):,} values from {number(float(chart.edges[0]))} to "
        f"{number(float(chart.edges[-1]))}{'; ' + '; '.join(names) if names else ''}."
    )
    hover = {"x": "from", "to": "to", "y": chart.y_label}
    spec = {"height": height, "data": {"values": rows}, "title": chart.y_label, "layer": layers}
    return Drawing({**spec, "usermeta": {"hover": hover}}, label)


def _mark_styles(chart: Histogram) -> list[LineStyle]:
    """Return a line style for each mark. A mark without a label has the style of the last label."""
    names = [mark.label for mark in chart.marks if mark.label]
    dashes = ((), (6, 3), (2, 3))
    order = [names.index(mark.label) if mark.label else len(names) - 1 for mark in chart.marks]
    return [LineStyle("var(--ink)", dashes[index % len(dashes)], 1.5) for index in order]


def histogram_legend(chart: Histogram) -> Markup | None:
    """Return the legend of the vertical lines, or None without labels."""
    styles = zip(chart.marks, _mark_styles(chart), strict=True)
    return legend([(mark.label, style.sample()) for mark, style in styles if mark.label])
