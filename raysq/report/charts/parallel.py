"""Parallel coordinates: a line per trial of a search and an axis per setting, with the score last."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raysq.display.numbers import number, short
from raysq.report.charts.line_styles import DASHES, LineStyle, color, legend
from raysq.report.charts.scatter import is_text
from raysq.report.charts.vega import CROSS, HALO, HOVER, Drawing, text_width
from raysq.report.markup import Markup

_HEIGHT = 290  # pixels, of vertical axes
_BETWEEN = 74  # pixels between horizontal axes
_FAILED = -0.07  # position below the score axis where lines of trials without a score end
# Curves that leave both axes at a right angle, so that lines that meet on an axis can be distinguished.
_CURVE = [
    {"calculate": "sequence(0, 1.01, 0.0625)", "as": "u"},
    {"flatten": ["u"]},
    {"calculate": "datum.a + datum.u", "as": "at"},
    {"calculate": "datum.from + (datum.to - datum.from) * datum.u * datum.u * (3 - 2 * datum.u)", "as": "v"},
]
_STYLES = {
    "failed: no score": LineStyle(color(3), DASHES[2]),
    "others": LineStyle("var(--quiet)", width=1.0, opacity=0.7),
    "better half": LineStyle(color(0), width=1.75),
    "best": LineStyle(color(1), width=3.0),
}


@dataclass(frozen=True)
class Parallel:
    """Data of a parallel coordinates chart.

    Attributes:
        names: Names of the settings.
        rows: Values of the settings, one row per trial, best first.
        scores: Scores of the trials, None for a trial without a score.
        log: Names of settings with a logarithmic axis.
        choices: Choices by setting, in order, for settings that have them.
        score: Name of the score.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]
    scores: Sequence[float | None]
    log: frozenset[str] = frozenset()
    choices: Mapping[str, Sequence[str]] | None = None
    score: str = "validation loss"


@dataclass(frozen=True)
class _Axis:
    """An axis: the position of each trial from 0 to 1, None for a trial without a value, and the ticks."""

    name: str
    at: Sequence[float | None]
    ticks: Sequence[tuple[float, str]]


def draw_parallel(chart: Parallel, *, upright: bool) -> Drawing:
    """Convert the chart to Vega-Lite, with vertical axes for wide screens or horizontal ones for narrow screens."""
    axes = _axes(chart)
    groups = _groups(chart)
    at = [[_FAILED if value is None else value for value in axis.at] for axis in axes]
    rows = [
        {"t": trial, "a": axis, "from": at[axis][trial], "to": at[axis + 1][trial], "g": groups[trial]}
        for trial in range(len(chart.rows))
        for axis in range(len(axes) - 1)
    ]
    count = len(axes)
    height = _HEIGHT if upright else _BETWEEN * (count - 1) + 1
    along, values = _scale(0, max(1, count - 1)), _scale(_FAILED if None in chart.scores else 0, 1)
    a, v = ("x", "y") if upright else ("y", "x")
    if not upright:
        along = {**along, "scale": {**along["scale"], "reverse": True}}
    where = {a: {**along, "field": "at"}, v: {**values, "field": "v"}}
    layers: list[dict[str, Any]] = []
    for group, style in _STYLES.items():
        of_group = {"transform": [{"filter": {"field": "g", "equal": group}}, *_CURVE]}
        encoding = {**where, "detail": {"field": "t"}, "order": {"field": "at", "type": "quantitative"}}
        layers.append({**of_group, "mark": {**style.mark(), **HOVER}, "encoding": encoding})
    end = {a: {**along, "datum": len(axes) - 1}, v: {**values, "field": "to"}}
    layers.append({"transform": [{"filter": f"datum.to === {_FAILED}"}], "mark": CROSS, "encoding": end})
    layers += _axis_layers(axes, along, values, upright)
    titles = [_title(chart, trial) for trial in range(len(chart.rows))]
    hover = {"t": ["", titles]}
    spec = {"height": height, "data": {"values": rows}, "layer": layers, "usermeta": {"hover": hover}}
    best = next((trial for trial, group in enumerate(groups) if group == "best"), None)
    winner = f"; best: {titles[best]}" if best is not None else ""
    label = f"Parallel coordinates of {len(chart.rows)} trials over {', '.join(chart.names)} and {chart.score}{winner}."
    return Drawing(spec, label)


def _scale(low: float, high: float) -> dict[str, Any]:
    scale = {"domain": [low, high], "nice": False, "zero": False}
    return {"type": "quantitative", "axis": None, "scale": scale}


def parallel_legend(chart: Parallel) -> Markup | None:
    """Return the legend of the lines."""
    entries = [(name, style.sample()) for name, style in reversed(_STYLES.items()) if name != "failed: no score"]
    if None in chart.scores:
        entries.append(("failed: no score", _STYLES["failed: no score"].sample()))
    return legend(entries)


def _in_turns(axes: Sequence[_Axis]) -> bool:
    return any(text_width(axis.name) + 8 > 800 / max(1, len(axes) - 1) for axis in axes)


def _axis_layers(axes: Sequence[_Axis], along: Any, values: Any, upright: bool) -> list[dict[str, Any]]:
    """Return the layers of axes, names and ticks. They are drawn over the lines to stay readable."""
    a, v = ("x", "y") if upright else ("y", "x")
    lines = [{"a": index, "from": 0, "to": 1} for index in range(len(axes))]
    turns = 2 if upright and _in_turns(axes) else 1
    names = [{"a": index, "name": axis.name, "turn": index % turns} for index, axis in enumerate(axes)]
    ticks = [{"a": n, "v": at, "name": label} for n, axis in enumerate(axes) for at, label in axis.ticks]
    ends = {a: {**along, "field": "a"}, v: {**values, "field": "from"}, f"{v}2": {"field": "to"}}
    rule = {"data": {"values": lines}, "mark": {"type": "rule", "color": "var(--soft)"}, "encoding": ends}
    tick_at = {"align": "right", "baseline": "middle", "dx": -6} if upright else {"baseline": "top", "dy": 6}
    tick = {a: {**along, "field": "a"}, v: {**values, "field": "v"}, "text": {"field": "name"}}
    text = {"type": "text", "color": "var(--soft)", **HALO, **tick_at}
    parts = [rule, {"data": {"values": ticks}, "mark": text, "encoding": tick}]
    for turn in range(turns):
        alignment = {"align": "center"} if upright else {"align": "left", "dy": -8}
        bold = {"type": "text", "fontWeight": "bold", "color": "var(--ink)", **HALO, **alignment}
        at = {a: {**along, "field": "a"}, v: {"value": -12 - 15 * turn if upright else 0}, "text": {"field": "name"}}
        shown = [row for row in names if row["turn"] == turn]
        parts.append({"data": {"values": shown}, "mark": bold, "encoding": at})
    return parts


def _axes(chart: Parallel) -> list[_Axis]:
    axes = []
    for index, name in enumerate(chart.names):
        values = [row[index] for row in chart.rows]
        choices = (chart.choices or {}).get(name, ())
        if choices or is_text(values):
            axes.append(_choice_axis(name, [short(value) for value in values], choices))
        else:
            axes.append(_number_axis(name, values, name in chart.log))
    axes.append(_number_axis(chart.score, chart.scores, False))
    return axes


def _choice_axis(name: str, texts: Sequence[str], choices: Sequence[str]) -> _Axis:
    labels = list(dict.fromkeys([*choices, *texts]))
    at = {label: (index + 0.5) / len(labels) for index, label in enumerate(labels)}
    every = max(1, math.ceil(len(labels) / 16))
    return _Axis(name, [at[text] for text in texts], [(at[label], label) for label in labels[::every]])


def _number_axis(name: str, values: Sequence[float | None], log: bool) -> _Axis:
    numbers = [value for value in values if value is not None] or [0.0, 1.0]
    low, high = min(numbers), max(numbers)
    log = log and low > 0
    if log:
        margin = (high / low) ** 0.05 if high > low else 2.0
        low, high = low / margin, high * margin
    else:
        margin = (high - low) * 0.05 or abs(low) * 0.1 or 0.5
        low, high = low - margin, high + margin

    def position(value: float) -> float:
        if log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    at = [None if value is None else round(position(value), 4) for value in values]
    marks = [
        low * (high / low) ** share if log else low + (high - low) * share for share in (0.05, 0.275, 0.5, 0.725, 0.95)
    ]
    labels = {label: float(label) for value in marks if low <= float(label := f"{value:.3g}") <= high}
    return _Axis(name, at, [(round(position(value), 4), label) for label, value in labels.items()])


def _groups(chart: Parallel) -> list[str]:
    ranked = [trial for trial, score in enumerate(chart.scores) if score is not None]
    better = set(ranked[: (len(ranked) + 1) // 2])
    return [
        "failed: no score"
        if score is None
        else "best"
        if trial == ranked[0]
        else "better half"
        if trial in better
        else "others"
        for trial, score in enumerate(chart.scores)
    ]


def _title(chart: Parallel, trial: int) -> str:
    settings = ", ".join(f"{name} {short(value)}" for name, value in zip(chart.names, chart.rows[trial], strict=True))
    score = chart.scores[trial]
    return f"{settings}: {'no score' if score is None else number(score)}"
