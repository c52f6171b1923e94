"""Line charts."""

import numpy as np

from raysq.kinds.charts import LineChart
from raysq.report.axes import Axis, Frame, ScaleKind, frame, padded, seconds_of, text_width
from raysq.report.markup import Markup, join, tag
from raysq.report.numbers import number
from raysq.report.strokes import Stroke, draw_line, legend, line_path, thinned
from raysq.report.ticks import utc

_DASH_OF = {"solid": 0, "dashed": 1, "dotted": 2, "fine": 0, "quiet": 0}
_MARKED = 40  # lines of at most so many points show each of them


def draw_lines(chart: LineChart, width: float, height: float) -> Markup:
    """The chart as one picture of that size in pixels."""
    time = any(seconds_of(line.x)[1] for line in chart.lines)
    every_x = np.concatenate([seconds_of(line.x)[0] for line in chart.lines] or [np.zeros(1)])
    every_x = every_x[np.isfinite(every_x)]
    low, high = (float(every_x.min()), float(every_x.max())) if len(every_x) else (0.0, 1.0)
    if low == high:
        margin = 43200.0 if time else 0.5
        low, high = low - margin, high + margin
    ys = [np.asarray(line.y, np.float64) for line in chart.lines]
    ys += [np.asarray(side, np.float64) for band in chart.bands for side in (band.low, band.high)]
    ys += [np.array(list(chart.levels.values()), np.float64)]
    bottom, top = padded(np.concatenate(ys), log=chart.log_y)
    kind: ScaleKind = "time" if time else "whole" if chart.whole_x else "linear"
    x_axis = Axis(low, high, kind, chart.x_label)
    drawn = frame(width, height, x_axis, Axis(bottom, top, "log" if chart.log_y else "linear", chart.y_label))
    parts: list[object] = []
    for band in chart.bands:
        x, floor = thinned(drawn.x(seconds_of(band.x)[0]), drawn.y(band.low), int(width))
        back, ceiling = thinned(drawn.x(seconds_of(band.x)[0]), drawn.y(band.high), int(width))
        if np.isfinite(floor).all() and np.isfinite(ceiling).all():
            outline = line_path(np.concatenate([x, back[::-1]]), np.concatenate([floor, ceiling[::-1]]))
            parts.append(tag("path", class_=f"a c{band.colour}", d=outline + "Z"))
    for place, (name, value) in enumerate(chart.levels.items()):
        at = drawn.y.at(value)
        right = width - drawn.right
        parts.append(
            tag("path", class_="h", stroke_dasharray="2 3", d=f"M{drawn.left:.1f} {at:.1f}L{right:.1f} {at:.1f}")
        )
        anchor, across = ("end", right - 2) if place % 2 == 0 else ("start", drawn.left + 4)
        parts.append(tag("text", f"{name} {number(value)}", class_="halo", x=across, y=at - 5, text_anchor=anchor))
    strokes = _strokes(chart)
    for line, stroke in zip(chart.lines, strokes, strict=True):
        x, y = thinned(drawn.x(seconds_of(line.x)[0]), drawn.y(_drawable(line.y, chart.log_y)), int(width * 1.5))
        parts.append(draw_line(x, y, stroke))
    parts += [_mark(drawn, mark.x, mark.y, mark.label) for mark in chart.marks]
    return drawn.svg(*parts, label=say_lines(chart), css="")


def lines_legend(chart: LineChart) -> Markup | None:
    """What each line and band is."""
    entries: list[tuple[str, object]] = [
        (line.name, stroke) for line, stroke in zip(chart.lines, _strokes(chart), strict=True) if line.name
    ]
    entries += [(band.name, f"a c{band.colour}") for band in chart.bands]
    return legend(entries) if len(entries) > 1 else None


def say_lines(chart: LineChart) -> str:
    """The chart in words: what is drawn, and each named line's range."""
    said = []
    for line in chart.lines:
        y = np.asarray(line.y, np.float64)
        y = y[np.isfinite(y)]
        if line.name and len(y):
            said.append(f"{line.name} from {number(float(y.min()))} to {number(float(y.max()))}")
    quiet = sum(1 for line in chart.lines if not line.name)
    said += [f"{quiet} more lines"] if quiet else []
    said += [f"{name} at {number(value)}" for name, value in chart.levels.items()]
    said += [mark.label for mark in chart.marks]
    over = ""
    if chart.lines and seconds_of(chart.lines[0].x)[1] and len(seconds_of(chart.lines[0].x)[0]):
        x = seconds_of(chart.lines[0].x)[0]
        over = f" from {utc(float(x.min())):%Y-%m-%d %H:%M} to {utc(float(x.max())):%Y-%m-%d %H:%M}"
    return f"Line chart: {chart.title}{over}. {chart.y_label}: {'; '.join(said)}."


def _strokes(chart: LineChart) -> list[Stroke]:
    strokes = []
    for place, line in enumerate(chart.lines):
        colour = place if line.colour is None else line.colour
        marked = len(seconds_of(line.x)[0]) <= _MARKED and line.style != "quiet"
        css = {"quiet": "q", "fine": "fine"}.get(line.style, "" if marked else "thin")
        strokes.append(Stroke(colour, _DASH_OF[line.style], colour if marked else None, css))
    return strokes


def _drawable(values: object, log: bool) -> np.ndarray:
    """The values, NaN where the axis has no place for them."""
    y = np.asarray(values, np.float64)
    return np.where(np.isfinite(y) & ((y > 0) | (not log)), y, np.nan)


def _mark(drawn: Frame, x: object, y: float | None, label: str) -> Markup:
    """A ring around a point, or a vertical line, with its label on the side that has room."""
    across = drawn.x.at(float(seconds_of([x])[0][0]))
    end = drawn.width - drawn.right
    wide = text_width(label)
    if y is None:
        left = across + wide + 8 > end
        text = tag(
            "text", label, x=across + (-6 if left else 6), y=drawn.top + 10, text_anchor="end" if left else "start"
        )
        line = tag(
            "line",
            class_="e",
            x1=across,
            x2=across,
            y1=drawn.top,
            y2=drawn.height - drawn.bottom,
            stroke_dasharray="3 3",
        )
        return join(line, text)
    down = drawn.y.at(y)
    start = min(max(across, drawn.left + wide / 2 + 2), end - wide / 2)
    below = down + 30 < drawn.height - drawn.bottom
    return join(
        tag("circle", class_="o", cx=across, cy=down, r=7),
        tag("text", label, class_="t halo", x=start, y=down + 22 if below else down - 13, text_anchor="middle"),
    )
