"""Parallel coordinates: a line for each trial of a search, an axis for each setting, the score last."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raysq.report.axes import Axis, Scale, picture, text_width
from raysq.report.markup import Markup, coordinate, join, tag
from raysq.report.numbers import number, short
from raysq.report.points import axis_of
from raysq.report.sections import figure
from raysq.report.strokes import Stroke, cross, legend

_HEIGHT = 340.0
_WIDTH, _NARROW = 920.0, 360.0
_BETWEEN = 74.0  # from axis to axis where they lie below each other


@dataclass(frozen=True)
class Parallel:
    """What is drawn.

    Attributes:
        names: of the settings.
        rows: their values, a row for each trial, the best first.
        scores: of the trials, lower is better; None for those without one.
        log: names of settings with a logarithmic axis.
        choices: the choices of settings that have some, in order.
        score: name of the score.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]
    scores: Sequence[float | None]
    log: frozenset[str] = frozenset()
    choices: Mapping[str, Sequence[str]] | None = None
    score: str = "validation loss"


def draw_parallel(chart: Parallel) -> Markup:
    """The chart: axes upright on wide screens, lying below each other on narrow ones."""
    lines = [("best", Stroke(1, 0, 0, "top")), ("better half", Stroke(0)), ("others", Stroke(0, 0, None, "q"))]
    if any(score is None for score in chart.scores):
        lines.append(("failed: no score", Stroke(3, 2)))
    pictures = (_draw(chart, upright=True), _draw(chart, upright=False))
    return figure("Settings of each trial and its score", *pictures, legend=legend(lines))


def _draw(chart: Parallel, *, upright: bool) -> Markup:
    axes, columns = _columns(chart)
    count = len(axes)
    if upright:
        width, height = _WIDTH, _HEIGHT
        first = max(text_width(label) for label in axes[0].ticks(6).labels) + 16
        # Names stand centred on their axis, tick labels at its left.
        side = max(text_width(axes[-1].label) / 2, 20.0)
        at = [first + place * (width - first - side - 4) / max(1, count - 1) for place in range(count)]
        # Names that are wider than the way to the next axis take turns in two lines.
        room = (at[-1] - at[0]) / max(1, count - 1)
        turns = 2 if any(text_width(axis.label) + 8 > room for axis in axes) else 1
        begin, end = height - 34.0, 34.0 + 15 * (turns - 1)
    else:
        width, height = _NARROW, _BETWEEN * count + 12
        at = [26.0 + _BETWEEN * place for place in range(count)]
        turns = 1
        begin, end = 14.0, width - 14
    scales = []
    for axis in axes:
        half = 0.4 if axis.kind == "places" else 0.0
        scales.append(Scale(axis.low - half, axis.high + half, begin, end, axis.kind == "log"))
    parts: list[Markup] = []
    ranked = [place for place, score in enumerate(chart.scores) if score is not None]
    half_rank = set(ranked[: (len(ranked) + 1) // 2])
    order = [*(p for p, score in enumerate(chart.scores) if score is None), *reversed(ranked)]
    failed_at = begin + (20 if upright else -8)
    for place in order:
        stops = [(at[column], scales[column].at(columns[column][place])) for column in range(count - 1)]
        score = chart.scores[place]
        stops.append((at[-1], failed_at if score is None else scales[-1].at(score)))
        parts.append(_line(stops, upright, _stroke(place, score, ranked, half_rank), _title(chart, place)))
        if score is None:
            parts.append(cross(*(stops[-1] if upright else stops[-1][::-1])))
    # The axes above the lines, so that their labels can be read.
    axes_drawn = [
        _axis(axis, scale, where, upright, line=place % turns, score=place == count - 1)
        for place, (axis, scale, where) in enumerate(zip(axes, scales, at, strict=True))
    ]
    best = ranked[0] if ranked else None
    said = f"; best: {_title(chart, best)}" if best is not None else ""
    label = f"Parallel coordinates of {len(chart.rows)} trials over {', '.join(chart.names)} and {chart.score}{said}."
    return picture(width, height, *parts, *axes_drawn, label=label)


def _columns(chart: Parallel) -> tuple[list[Axis], list[list[float]]]:
    axes, columns = [], []
    for place, name in enumerate(chart.names):
        choices = (chart.choices or {}).get(name, ())
        axis, values = axis_of([row[place] for row in chart.rows], name, log=name in chart.log, order=choices)
        axes.append(axis)
        columns.append(values.tolist())
    known = [score for score in chart.scores if score is not None]
    axis, _ = axis_of(known or [0.0, 1.0], chart.score)
    axes.append(axis)
    return axes, columns


def _stroke(place: int, score: float | None, ranked: list[int], better: set[int]) -> Stroke:
    if score is None:
        return Stroke(3, 2)
    if place == ranked[0]:
        return Stroke(1, 0, 0, "top")
    return Stroke(0, 0, None, "thin") if place in better else Stroke(0, 0, None, "q")


def _line(stops: list[tuple[float, float]], upright: bool, stroke: Stroke, title: str) -> Markup:
    """Along a curve that leaves every axis at a right angle: lines that meet on an axis can be told apart."""
    points = stops if upright else [(b, a) for a, b in stops]
    path = [f"M{coordinate(points[0][0])} {coordinate(points[0][1])}"]
    for (x, y), (across, down) in itertools.pairwise(points):
        if upright:
            half = (x + across) / 2
            bend = f"C{coordinate(half)} {coordinate(y)} {coordinate(half)} {coordinate(down)}"
        else:
            half = (y + down) / 2
            bend = f"C{coordinate(x)} {coordinate(half)} {coordinate(across)} {coordinate(half)}"
        path.append(f"{bend} {coordinate(across)} {coordinate(down)}")
    dash = stroke.dasharray
    return tag("path", tag("title", title), class_=stroke.classes, stroke_dasharray=dash, d="".join(path))


def _title(chart: Parallel, place: int) -> str:
    settings = ", ".join(f"{name} {short(value)}" for name, value in zip(chart.names, chart.rows[place], strict=True))
    score = chart.scores[place]
    return f"{settings}: {'no score' if score is None else number(score)}"


def _axis(axis: Axis, scale: Scale, where: float, upright: bool, *, line: int, score: bool) -> Markup:
    """The axis with its name and ticks; labels have a halo of the page's colour."""
    low, high = min(scale.begin, scale.end), max(scale.begin, scale.end)
    ticks = axis.ticks(6 if upright else 5)
    parts: list[Markup] = []
    if upright:
        parts.append(tag("line", class_="x", x1=where, x2=where, y1=low, y2=high))
        parts.append(tag("text", axis.label, class_="b", x=where, y=14 + 15 * line, text_anchor="middle"))
    else:
        parts.append(tag("line", class_="x", y1=where, y2=where, x1=low, x2=high))
        # Good scores are at the left; there the name would lie on their lines.
        at, anchor = (high, "end") if score else (low, None)
        parts.append(tag("text", axis.label, class_="b halo", x=at, y=where - 8, text_anchor=anchor))
    for value, label in zip(ticks.values, ticks.labels, strict=True):
        place = scale.at(value)
        if upright:
            parts.append(tag("line", class_="x", x1=where - 4, x2=where, y1=place, y2=place))
            parts.append(tag("text", label, x=where - 6, y=place + 4, text_anchor="end", class_="halo"))
        else:
            parts.append(tag("line", class_="x", y1=where, y2=where + 4, x1=place, x2=place))
            parts.append(tag("text", label, x=place, y=where + 17, text_anchor="middle", class_="halo"))
    return join(*parts)
