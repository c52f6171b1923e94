"""Bar charts and histograms."""

from collections.abc import Sequence

import numpy as np

from raysq.kinds.charts import Bars, Histogram
from raysq.report.axes import Axis, frame, padded, text_width
from raysq.report.markup import Markup, join, tag
from raysq.report.numbers import number
from raysq.report.strokes import Stroke, legend

_THICKEST = 56.0  # pixels of a bar where there are few


def draw_bars(chart: Bars, width: float, height: float) -> Markup:
    """The chart as one picture of that size in pixels."""
    values = np.asarray(chart.values, np.float64)
    bottom, top = padded(
        np.concatenate([values, *(np.asarray(v, float) for v in chart.references.values())]), zero=True
    )
    x = Axis(0, max(0, len(values) - 1), "places", chart.x_label, [str(label) for label in chart.labels])
    drawn = frame(width, height, x, Axis(bottom, top, label=chart.y_label))
    slot = (width - drawn.left - drawn.right) / max(1, len(values))
    thick = min(slot * 0.72, _THICKEST)
    parts: list[object] = []
    for place, value in enumerate(values.tolist()):
        if value != value:
            continue
        at, zero, down = drawn.x.at(place), drawn.y.at(0.0), drawn.y.at(value)
        count = f", {chart.counts[place]:,} examples" if chart.counts is not None else ""
        parts.append(
            tag(
                "rect",
                tag("title", f"{chart.labels[place]}: {number(value)}{count}"),
                class_="p c0",
                x=at - thick / 2,
                y=min(zero, down),
                width=thick,
                height=abs(zero - down),
            )
        )
    for order, heights in enumerate(chart.references.values()):
        for place, value in enumerate(np.asarray(heights, np.float64).tolist()):
            if value == value:
                at, down = drawn.x.at(place), drawn.y.at(value)
                parts.append(
                    tag(
                        "path",
                        class_=f"r c{order + 1}",
                        d=f"M{at - thick * 0.6:.1f} {down:.1f}L{at + thick * 0.6:.1f} {down:.1f}",
                        stroke_dasharray="4 2" if order else None,
                    )
                )
    return drawn.svg(*parts, label=_say_bars(chart))


def bars_legend(chart: Bars) -> Markup | None:
    """What the bars and the lines across them are."""
    if not chart.references:
        return None
    lines = [(name, Stroke(place + 1, 5 if place else 0)) for place, name in enumerate(chart.references)]
    return legend([(chart.name or chart.y_label, "p c0"), *lines])


def counts_note(counts: Sequence[int] | None) -> str:
    """How many examples are behind the bars, in words."""
    if counts is None or not len(counts):
        return ""
    few, many = min([count for count in counts if count], default=0), max(counts)
    return f"{many:,} examples behind each bar" if few == many else f"{few:,} to {many:,} examples behind each bar"


def _say_bars(chart: Bars) -> str:
    values = np.asarray(chart.values, np.float64)
    if not np.isfinite(values).any():
        return f"Bar chart: {chart.title}. No values."
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    return (
        f"Bar chart: {chart.title}. {chart.y_label} by {chart.x_label or 'label'}: lowest {number(float(values[low]))} "
        f"at {chart.labels[low]}, highest {number(float(values[high]))} at {chart.labels[high]}."
    )


def draw_histogram(chart: Histogram, width: float, height: float) -> Markup:
    """The chart as one picture of that size in pixels; the labels of marks stand in rows above each other."""
    edges, counts = np.asarray(chart.edges, np.float64), np.asarray(chart.counts, np.float64)
    rows = sum(1 for mark in chart.marks if mark.label)
    _, top = padded(counts, zero=True)
    # Room above the bars, so that labels do not lie on them.
    axis = Axis(0.0, top * (1 + 0.11 * rows), label=chart.y_label)
    drawn = frame(width, height, Axis(float(edges[0]), float(edges[-1]), label=chart.x_label), axis)
    parts: list[object] = []
    for count, left, right in zip(
        counts.tolist(), drawn.x(edges[:-1]).tolist(), drawn.x(edges[1:]).tolist(), strict=True
    ):
        if count:
            down = drawn.y.at(count)
            size = {"x": left + 0.4, "y": down, "width": max(0.5, right - left - 0.8), "height": drawn.y.at(0.0) - down}
            parts.append(tag("rect", class_="p c0", **size))
    base = height - drawn.bottom
    places = [drawn.x.at(float(mark.x)) for mark in chart.marks]
    labelled = [mark.label for mark in chart.marks if mark.label]
    for across, mark in zip(places, chart.marks, strict=True):
        row = labelled.index(mark.label) if mark.label else len(labelled) - 1
        high = drawn.top + 15 * row
        dash = "3 3" if mark.x else None
        parts.append(tag("line", class_="e", x1=across, x2=across, y1=high, y2=base, stroke_dasharray=dash))
        if not mark.label:
            continue
        wide = text_width(mark.label) + 8
        crossed = any(across < other < across + wide for other in places)
        back = across + wide > width or (crossed and across - wide > drawn.left)
        css, anchor = "t halo", "end" if back else "start"
        at = across + (-5 if back else 5)
        parts.append(tag("text", mark.label, class_=css, x=at, y=high + 10, text_anchor=anchor))
    said = "; ".join(labelled)
    label = (
        f"Histogram: {chart.title}. {int(counts.sum()):,} values from {number(float(edges[0]))} to "
        f"{number(float(edges[-1]))}{'; ' + said if said else ''}."
    )
    return drawn.svg(join(*parts), label=label)
