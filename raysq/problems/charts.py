"""What a problem wants shown in a report, as plain data: sections of charts, tables and text. Nothing here draws."""

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
        name: in the legend; empty for a line that the legend leaves out.
        x: numbers, or datetime64 in a chart over time.
        y: numbers; NaN parts the line.
        style: a "fine" line is thin and of the text's color, as for the truth beside a forecast; "quiet" ones are
            thin and gray, for the many behind the few.
        color: place in the palette; the line's place in the chart if left out.
    """

    name: str
    x: Any
    y: Any
    style: Style = "solid"
    color: int | None = None


@dataclass(frozen=True)
class Band:
    """An area between two lines, such as between two quantiles."""

    name: str
    x: Any
    low: Any
    high: Any
    color: int = 0


@dataclass(frozen=True)
class Mark:
    """A point, or with `y` left out a vertical line, with a label."""

    x: Any
    label: str
    y: float | None = None


@dataclass(frozen=True)
class LineChart:
    """Lines over numbers or over time.

    Attributes:
        title: above the chart.
        lines: later ones lie above earlier ones.
        x_label: what x is; empty over time, where the ticks say it.
        y_label: what y is, with its unit.
        bands: below the lines.
        marks: points and vertical lines with labels.
        levels: horizontal lines by name, such as the baseline's score.
        log_y: logarithmic y.
        whole_x: x are whole numbers.
        wide: takes the whole width of the page.
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
        title: above the chart.
        labels: one a bar.
        values: heights; NaN for no bar.
        x_label: what the labels are.
        y_label: what the values are, with their unit.
        name: of the values, in the legend.
        counts: how many examples are behind each bar.
        references: other values for each bar, drawn as a line across it, by name.
        wide: takes the whole width of the page.
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
    """How often values fall between edges.

    Attributes:
        title: above the chart.
        edges: one more than counts, ascending.
        counts: of values in each bin.
        x_label: what the values are, with their unit.
        marks: vertical lines with labels.
        y_label: what is counted.
        wide: takes the whole width of the page.
    """

    title: str
    edges: Numbers
    counts: Numbers
    x_label: str = ""
    marks: Sequence[Mark] = ()
    y_label: str = "count"
    wide: bool = False


@dataclass(frozen=True)
class Points:
    """A point for each pair of values.

    Attributes:
        title: above the chart.
        x: numbers, or texts for a place for each.
        y: numbers; None for a point whose y is not known, drawn as a cross at the upper edge.
        x_label: what x is.
        y_label: what y is.
        log_x: logarithmic x.
        order: the texts of x from left to right; as they come if left out.
        highlight: number of the point to mark.
        names: of each point, shown when the pointer rests on it.
        wide: takes the whole width of the page.
        named: whether names stand beside their points, where they cover no earlier one.
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
    """Counts of pairs of labels, such as the true and the predicted class: a cell for each pair.

    Attributes:
        title: above the chart.
        labels: of the rows, and of the columns.
        counts: of shape (labels, labels), by row and column.
        row_label: what the rows are.
        column_label: what the columns are.
        wide: takes the whole width of the page.
    """

    title: str
    labels: Sequence[str]
    counts: np.ndarray
    row_label: str = "true"
    column_label: str = "predicted"
    wide: bool = False


@dataclass(frozen=True)
class Weights:
    """Weights of pairs of words, such as what each word of a translation looks at: a cell for each pair.

    Attributes:
        title: above the chart.
        rows: a label for each row.
        columns: a label for each column; labels may come twice.
        values: of shape (rows, columns), from 0 to 1.
        row_label: what the rows are.
        column_label: what the columns are.
        wide: takes the whole width of the page.
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
        columns: headings.
        rows: cells; numbers are aligned and formatted, None is a dash.
        title: above the table.
        highlight: numbers of the rows to mark.
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
    """Texts from the data, each below a line that says what it is."""

    quotes: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Picture:
    """A picture of pixels.

    Attributes:
        pixels: uint8 of shape (height, width), or with 1 to 4 channels at the end: gray or colors, then opacity.
        caption: below it.
        says: what it shows, for those who do not see it and where the pointer rests on it.
        width: pixels on the page; as it is when 0.
        colored: whether pixels of shape (height, width) are numbers from 1 to 255 that are drawn in colors from dark
            to bright, and not at all where they are 0.
    """

    pixels: np.ndarray
    caption: str = ""
    says: str = ""
    width: int = 0
    colored: bool = False


@dataclass(frozen=True)
class Pictures:
    """Pictures beside each other, as many as a line holds.

    Attributes:
        title: above them.
        pictures: in order.
        rows: whether each stands below the one before it, with its caption at its side.
    """

    title: str
    pictures: Sequence[Picture]
    rows: bool = False


@dataclass(frozen=True)
class Figure:
    """A single number, shown large."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Figures:
    """Single numbers in a row."""

    figures: Sequence[Figure]


Chart = LineChart | Bars | Histogram | Points | Matrix | Weights
Item = Chart | Table | Text | Quotes | Figures | Pictures


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        title: its heading.
        items: what it shows, in order.
        note: a remark below the heading: how to read it, what was left out.
    """

    title: str
    items: Sequence[Item]
    note: str = ""


def digits3(value: float) -> str:
    """A number with three significant digits: 2.69, 12.0, 1,340, 2.10e-09."""
    decimals = 2 - math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 2
    if decimals > 7 or decimals < -10:
        return f"{value:.2e}"
    return f"{value:,.{max(0, decimals)}f}".replace("-", "\u2212")


_UNITS = {"degc": "°C", "deg c": "°C", "celsius": "°C", "degf": "°F", "degk": "K", "deg": "°"}


def unit_name(unit: str | None) -> str:
    """A unit as people write it: "degC" is "°C"; empty where there is none."""
    return _UNITS.get(unit.strip().lower(), unit) if unit else ""
