"""Line charts."""

import numpy as np

from raysq.kinds.charts import LineChart
from raysq.report.axes import Axis, Frame, ScaleKind, frame, padded, seconds_of, text_width
from raysq.report.labels import Box, Labels
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
    curves = [
        thinned(drawn.x(seconds_of(line.x)[0]), drawn.y(_drawable(line.y, chart.log_y)), int(width * 1.5))
        for line in chart.lines
    ]
    right = width - drawn.right
    levels = {name: drawn.y.at(value) for name, value in chart.levels.items()}
    straight = [(np.array([drawn.left, right]), np.array([at, at])) for at in levels.values()]
    labels = Labels(Box(drawn.left, drawn.top - 6, right, height - drawn.bottom), [*curves, *straight])
    for at in levels.values():
        dashes = f"M{drawn.left:.1f} {at:.1f}L{right:.1f} {at:.1f}"
        parts.append(tag("path", class_="h", stroke_dasharray="2 3", d=dashes))
    parts += [draw_line(x, y, stroke) for (x, y), stroke in zip(curves, _strokes(chart), strict=True)]
    # Levels first: a mark's label may go farther away.
    parts += [_level(drawn, labels, at, f"{name} {number(chart.levels[name])}") for name, at in levels.items()]
    parts += [_mark(drawn, labels, mark.x, mark.y, mark.label) for mark in chart.marks]
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


def _level(drawn: Frame, labels: Labels, at: float, label: str) -> Markup:
    """The label of a horizontal line, at one of its ends if there is room, else between them."""
    half, right = text_width(label) / 2, drawn.width - drawn.right
    low, high = drawn.left + half + 4, right - half - 2
    candidates = [(end, at + down) for down in (-8, 15) for end in (high, low)]
    candidates += [(between, at + down) for between in np.linspace(high, low, 12) for down in (-8, 15)]
    middle, foot = labels.place(candidates, 2 * half)
    return tag("text", label, class_="halo", x=middle, y=foot, text_anchor="middle")


def _mark(drawn: Frame, labels: Labels, x: object, y: float | None, label: str) -> Markup:
    """A ring around a point, or a vertical line, with its label where there is room for it."""
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
    low, high = drawn.left + wide / 2 + 2, end - wide / 2
    beside = [(across + wide / 2 + 14, down + 4), (across - wide / 2 - 14, down + 4)]
    feet = [down + 22, down - 13] + [down + side for far in range(34, 400, 12) for side in (far + 4, -far + 4)]
    shifts = sorted([start, *np.linspace(low, high, 11).tolist()], key=lambda at: abs(at - start))
    candidates = [(start, foot) for foot in feet[:2]] + beside
    candidates += [(middle, foot) for foot in feet for middle in shifts]
    middle, foot = labels.place(candidates, wide)
    ring = tag("circle", class_="o", cx=across, cy=down, r=7)
    text = tag("text", label, class_="t halo", x=middle, y=foot, text_anchor="middle")
    box = Box.of_text(middle, foot, wide)
    if abs(foot - down) <= 30 and box.left - 16 <= across <= box.right + 16:
        return join(ring, text)
    # Far from its point: a fine line leads to it.
    to_x, to_y = min(max(across, box.left), box.right), box.bottom if foot < down else box.top
    labels.keep_free(np.array([across, to_x]), np.array([down, to_y]))
    return join(tag("line", class_="e", x1=across, y1=down, x2=to_x, y2=to_y), ring, text)
