"""Sections of a report as plain data: charts, tables, pictures and text. `raysq.report` draws them.

All charts have a `title`, labels of their axes (`x_label` and `y_label`, with the unit, or `row_label` and
`column_label`), and `wide`: whether the chart has the full width of the page. Colors are indices in the palette.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Numbers = Sequence[float] | np.ndarray
Style = Literal["solid", "dashed", "dotted", "fine", "quiet"]


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: label in the legend. A line with an empty name is not in the legend.
        x: numbers, or datetime64 in a chart over time.
        y: numbers; NaN interrupts the line.
        style: a "fine" line is thin and has the color of the text, for observed values beside a forecast. A "quiet"
            line is thin and gray, for many lines in the background.
        color: index in the palette. Defaults to the index of the line in the chart.
    """

    name: str
    x: Any
    y: Any
    style: Style = "solid"
    color: int | None = None


@dataclass(frozen=True)
class Band:
    """The area between two lines, such as between two quantiles.

    Attributes:
        x: numbers, or datetime64 in a chart over time.
    """

    name: str
    x: Any
    low: Any
    high: Any
    color: int = 0


@dataclass(frozen=True)
class Mark:
    """A labeled point, or a labeled vertical line if `y` is left out.

    Attributes:
        x: number, or datetime64 in a chart over time.
    """

    x: Any
    label: str
    y: float | None = None


@dataclass(frozen=True)
class LineChart:
    """Lines over numbers or over time.

    Attributes:
        x_label: label of the x axis. Empty over time, where the ticks are enough.
        levels: horizontal lines by name, such as the score of the baseline.
        marks: labeled points and vertical lines.
        whole_x: whether all x are whole numbers.
    """

    title: str
    lines: Sequence[Line]
    x_label: str = ""
    y_label: str = ""
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()
    levels: Mapping[str, float] = field(default_factory=dict)
    log_y: bool = False
    whole_x: bool = False
    wide: bool = True


@dataclass(frozen=True)
class Bars:
    """A bar for each label.

    Attributes:
        values: height of each bar; NaN for no bar.
        name: name of the values in the legend.
        counts: number of examples behind each bar.
        references: other values of each bar by name, drawn as a line across the bar.
    """

    title: str
    labels: Sequence[str]
    values: Numbers
    x_label: str = ""
    y_label: str = ""
    name: str = ""
    counts: Sequence[int] | None = None
    references: Mapping[str, Numbers] = field(default_factory=dict)
    wide: bool = False


@dataclass(frozen=True)
class Histogram:
    """Counts of values in bins.

    Attributes:
        edges: edges of the bins, ascending; one more than `counts`.
        marks: labeled vertical lines.
        y_label: label of the y axis: the noun of the things counted.
    """

    title: str
    edges: Numbers
    counts: Numbers
    x_label: str = ""
    marks: Sequence[Mark] = ()
    y_label: str = "count"
    wide: bool = False


@dataclass(frozen=True)
class Scatter:
    """A point for each pair of values.

    Attributes:
        x: numbers, or strings for a categorical axis.
        y: numbers. None for a point with an unknown y, which is drawn as a cross at the upper edge.
        order: categories of x from left to right. Defaults to the order of occurrence.
        highlight: index of the point to mark.
        names: name of each point, shown when the pointer rests on it.
        named: whether names are drawn beside their points where they cover no earlier name.
    """

    title: str
    x: Sequence[Any]
    y: Sequence[float | None]
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    order: Sequence[str] = ()
    highlight: int | None = None
    names: Sequence[str] = ()
    wide: bool = False
    named: bool = False


@dataclass(frozen=True)
class Matrix:
    """Counts of pairs of labels, such as true and predicted class, with a cell for each pair.

    Attributes:
        counts: counts by row and column, of shape (labels, labels).
    """

    title: str
    labels: Sequence[str]
    counts: np.ndarray
    row_label: str = "true"
    column_label: str = "predicted"
    wide: bool = False


@dataclass(frozen=True)
class Weights:
    """Weights of pairs of words, such as attention weights of a translation, with a cell for each pair.

    Attributes:
        columns: label of each column; labels may repeat.
        values: weights from 0 to 1, of shape (rows, columns).
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: np.ndarray
    row_label: str = ""
    column_label: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        rows: cells of each row. Numbers are aligned and formatted; None is shown as a dash.
        highlight: indices of the rows to mark.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    highlight: Sequence[int] = ()


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Quotes:
    """Texts from the data, each below a line that describes it.

    Attributes:
        quotes: description and text of each quote.
    """

    quotes: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Picture:
    """A raster picture.

    Attributes:
        pixels: uint8 of shape (height, width), or (height, width, channels) with 1 to 4 channels: gray or RGB, and an
            optional alpha channel.
        alt: alternative text, also shown when the pointer rests on the picture.
        width: width on the page in pixels; 0 for the width of `pixels`.
        colored: whether to draw pixels of shape (height, width) with a color map from dark (1) to bright (255). Pixels
            of value 0 are transparent.
    """

    pixels: np.ndarray
    caption: str = ""
    alt: str = ""
    width: int = 0
    colored: bool = False


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side, as many as fit into a line.

    Attributes:
        rows: whether to place each picture on a row of its own, with the caption at its side.
    """

    title: str
    pictures: Sequence[Picture]
    rows: bool = False


@dataclass(frozen=True)
class Figure:
    """A single number in large type."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Figures:
    """Single numbers in a row."""

    figures: Sequence[Figure]


Chart = LineChart | Bars | Histogram | Scatter | Matrix | Weights
Item = Chart | Table | Text | Quotes | Figures | Pictures


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        note: remark below the heading: how to read the section, or what it omits.
    """

    title: str
    items: Sequence[Item]
    note: str = ""


def digits3(value: float) -> str:
    """Format a number with three significant digits.

    Magnitudes below 1e-5 and from 1e13 are in scientific notation. Elsewhere the minus sign is U+2212.

    Example:
        >>> [digits3(value) for value in (2.6912, 12, 1340, 2.1e-9)]
        ['2.69', '12.0', '1,340', '2.10e-09']
    """
    decimals = 2 - math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 2
    if decimals > 7 or decimals < -10:
        return f"{value:.2e}"
    return f"{value:,.{max(0, decimals)}f}".replace("-", "\u2212")


_UNITS = {"degc": "°C", "deg c": "°C", "celsius": "°C", "degf": "°F", "degk": "K", "deg": "°"}


def unit_name(unit: str | None) -> str:
    """Return the common spelling of a unit, or "" if there is no unit.

    Example:
        >>> unit_name("degC")
        '°C'
    """
    return _UNITS.get(unit.strip().lower(), unit) if unit else ""
