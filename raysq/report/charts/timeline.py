"""Timeline of a search: a bar for each stretch of a trial, by its number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raysq.display.numbers import seconds
from raysq.report.charts.line_styles import area_sample, color, legend
from raysq.report.charts.vega import HOVER, Drawing, rounded
from raysq.report.markup import Markup

_ROW = 16  # pixels of a trial
_LEAST, _MOST = 90, 560  # pixels of the plot
_UNITS = ((1, "seconds"), (60, "minutes"), (3600, "hours"))
_COLORS = {"others": 0, "best": 1, "failed": 3}


@dataclass(frozen=True)
class Timeline:
    """Data of a timeline.

    Attributes:
        trials: number of the trial of each bar.
        began: seconds from the start of the search to the beginning of each bar.
        ended: seconds to its end.
        groups: "others", "best" or "failed" for each bar.
    """

    trials: Sequence[int]
    began: Sequence[float]
    ended: Sequence[float]
    groups: Sequence[str]


def draw_timeline(chart: Timeline) -> Drawing:
    """Convert a timeline to Vega-Lite, with time from left to right and the first trial at the top."""
    order = sorted(set(chart.trials))
    height = min(max(_ROW * len(order), _LEAST), _MOST)
    last = max(chart.ended)
    unit, name = next(
        (u, n) for u, n in ((1, "seconds"), (60, "minutes"), (3600, "hours")) if last / u < 180 or u == 3600
    )
    rows = [
        {"t": order.index(trial), "x": rounded(begin / unit), "to": rounded(end / unit), "g": group, "n": index}
        for index, (trial, begin, end, group) in enumerate(
            zip(chart.trials, chart.began, chart.ended, chart.groups, strict=True)
        )
    ]
    axis = {"title": "trial", "labelExpr": "labels[datum.value]", "ticks": False, "grid": False, "titlePadding": 10}
    y = {"field": "t", "type": "ordinal", "scale": {"domain": list(range(len(order))), "padding": 0.25}, "axis": axis}
    x = {"type": "quantitative", "scale": {"domainMin": 0, "nice": False}, "axis": {"title": name, "tickCount": 6}}
    layers: list[dict[str, Any]] = []
    for group, index in _COLORS.items():
        mark = {"type": "bar", "fill": color(index), "minBandSize": 2, **HOVER}
        encoding = {"y": y, "x": {**x, "field": "x"}, "x2": {"field": "to"}}
        layers.append({"transform": [{"filter": {"field": "g", "equal": group}}], "mark": mark, "encoding": encoding})
    texts = [
        f"trial {trial}: {seconds(end - begin)} from {seconds(begin)}"
        for trial, begin, end in zip(chart.trials, chart.began, chart.ended, strict=True)
    ]
    spec = {
        "height": height,
        "params": [{"name": "labels", "value": [str(trial) for trial in order]}],
        "data": {"values": rows},
        "layer": layers,
        "usermeta": {"hover": {"n": ["", texts]}},
    }
    return Drawing(
        spec, f"Timeline of {len(order)} trials over {seconds(last)}: a bar for each time a trial was trained."
    )


def timeline_legend(chart: Timeline) -> Markup | None:
    """Return the legend of the groups that the chart has."""
    return legend([(group, area_sample(index)) for group, index in _COLORS.items() if group in chart.groups])
