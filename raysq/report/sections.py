"""Render the sections of a problem, which are plain data, as HTML."""

import re
from collections.abc import Sequence
from typing import Any, assert_never

import numpy as np

from raysq.problems.charts import (
    Bars,
    Chart,
    Figures,
    Histogram,
    Item,
    LineChart,
    Matrix,
    Pictures,
    Quotes,
    Scatter,
    Section,
    Table,
    Text,
    Weights,
)
from raysq.report.charts.bars import bars_legend, counts_note, draw_bars, draw_histogram, histogram_legend
from raysq.report.charts.heatmap import draw_matrix, draw_weights
from raysq.report.charts.lines import axis_values, draw_lines, lines_legend
from raysq.report.charts.scatter import draw_scatter
from raysq.report.charts.vega import Drawing, live_chart, static_svg
from raysq.report.markup import Markup, join, tag
from raysq.report.pictures import draw_pictures
from raysq.report.tables import draw_table

_WIDE, _HALF, _NARROW = 920, 440, 360  # chart widths in pixels: full width, half width, narrow screens
_TALL, _LOW = 270, 230
_DATA_ROWS = 60  # charts with at most this many positions have their values in a table below


def draw_section(section: Section, *, level: int = 2) -> Markup:
    """Draw a section with its heading, note and items. Charts of half width are placed side by side."""
    return part(section.title, draw_items(section.items), note=section.note, level=level)


def part(title: str, *content: object, note: str = "", level: int = 2) -> Markup:
    """Wrap markup or text in a section of the page. Headings of level 2 appear in the table of contents."""
    remark = tag("p", note, class_="note") if note else None
    return tag("section", tag(f"h{level}", title, id=anchor(title) if level == 2 else None), remark, *content)


def anchor(title: str) -> str:
    """Return the id of a heading, for links within the page."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "part"


def draw_items(items: Sequence[Item]) -> Markup:
    """Draw items in order, with consecutive charts in a grid."""
    parts: list[Markup] = []
    row: list[Markup] = []

    def flush() -> None:
        if row:
            parts.append(tag("div", *row, class_="grid"))
            row.clear()

    for item in items:
        if isinstance(item, Chart):
            row.append(draw_chart(item))
        else:
            flush()
            parts.append(_draw_plain(item))
    flush()
    return join(*parts)


def _draw_plain(item: Item) -> Markup:
    if isinstance(item, Table):
        return draw_table(item)
    if isinstance(item, Figures):
        return draw_figures(item)
    if isinstance(item, Pictures):
        return draw_pictures(item)
    if isinstance(item, Quotes):
        pairs = (tag("div", tag("dt", head), tag("dd", text)) for head, text in item.quotes)
        return tag("dl", *pairs, class_="quotes")
    assert isinstance(item, Text)
    return tag("p", item.text)


def draw_figures(item: Figures) -> Markup:
    """Draw key figures in a row."""
    boxes = []
    for figure in item.figures:
        note = tag("dd", figure.note, class_="note") if figure.note else None
        boxes.append(tag("div", tag("dt", figure.label), tag("dd", figure.value), note))
    return tag("dl", *boxes, class_="figures")


def draw_chart(chart: Chart) -> Markup:
    """Draw a chart with its caption, its legend and, where they are few, its values as a table."""
    legend = note = None
    if isinstance(chart, LineChart):
        legend = lines_legend(chart)
    elif isinstance(chart, Bars):
        legend = bars_legend(chart)
        note = counts_note(chart.counts)
    elif isinstance(chart, Histogram):
        legend = histogram_legend(chart)
    below = (note and tag("span", note, class_="note"), _data(chart))
    return figure(chart.title, draw_responsive(_draw(chart), chart.wide), legend=legend, below=below, wide=chart.wide)


def draw_responsive(drawing: Drawing, wide: bool, *, width: int = _HALF) -> Markup:
    """Draw a chart with its specification for the page's script.

    A `wide` chart has the page's full width, and a second version for narrow screens. Others have a width in pixels.
    """
    if not wide:
        return tag("div", static_svg(drawing, width), live_chart(drawing, width), class_="chart")
    pictures = (
        tag("div", static_svg(drawing, _WIDE), class_="broad"),
        tag("div", static_svg(drawing, _NARROW), class_="narrow"),
    )
    return tag("div", *pictures, live_chart(drawing, _WIDE), class_="chart")


def figure(
    title: str, *pictures: Markup, legend: Markup | None = None, below: Sequence[object] = (), wide: bool = False
) -> Markup:
    """Combine pictures with a caption, a legend above them and further content below them in one figure."""
    caption = tag("figcaption", title) if title else None
    rest = (part or None for part in below)
    return tag("figure", caption, legend, *pictures, *rest, class_="wide" if wide else None)


def _draw(chart: Chart) -> Drawing:
    height = _TALL if chart.wide else _LOW
    if isinstance(chart, LineChart):
        return draw_lines(chart, height)
    if isinstance(chart, Bars):
        return draw_bars(chart, height)
    if isinstance(chart, Histogram):
        return draw_histogram(chart, height)
    if isinstance(chart, Matrix):
        return draw_matrix(chart)
    if isinstance(chart, Weights):
        return draw_weights(chart)
    if isinstance(chart, Scatter):
        return draw_scatter(chart, height)
    assert_never(chart)


def _data(chart: Chart) -> Markup | None:
    """Return the chart's values as a collapsed table, or None where there are too many or none to list."""
    columns: list[list[Any]]
    if isinstance(chart, Bars):
        heads = [chart.x_label or "label", chart.name or chart.y_label or "value", *chart.references]
        columns = [list(chart.labels), _cells(chart.values), *(_cells(v) for v in chart.references.values())]
        if chart.counts is not None:
            heads.append("examples")
            columns.append([int(count) for count in chart.counts])
    elif isinstance(chart, LineChart):
        named = [line for line in chart.lines if line.name]
        positions = [axis_values(line.x)[0] for line in named]
        moments = any(axis_values(line.x)[1] for line in named)
        if not named or moments or max(map(len, positions)) > _DATA_ROWS or len(named) > 8:
            return None
        x = sorted({float(value) for x in positions for value in x})
        heads = [chart.x_label or "x", *(line.name for line in named)]
        columns = [[int(value) if value == int(value) else value for value in x]]
        for line, x_values in zip(named, positions, strict=True):
            at = dict(zip(x_values.tolist(), _cells(line.y), strict=True))
            columns.append([at.get(value) for value in x])
    elif isinstance(chart, Matrix):
        heads = [chart.row_label, *chart.labels]
        columns = [list(chart.labels), *np.asarray(chart.counts, np.int64).T.tolist()]
    else:
        return None
    if len(columns[0]) > _DATA_ROWS:
        return None
    rows = list(zip(*columns, strict=True))
    return tag("details", tag("summary", "Numbers"), draw_table(Table(heads, rows)))


def _cells(values: object) -> list[Any]:
    """Return values as cells: counts as whole numbers, others as floats, and None for those that are missing."""
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        counts: list[Any] = array.tolist()
        return counts
    return [None if value != value else value for value in np.asarray(values, np.float64).tolist()]
