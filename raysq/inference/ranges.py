"""Predictions of ranges of rows within series, for problems whose predictions use the rows around their own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raysq.errors import DataError
from raysq.inference.predictor import Predictor
from raysq.problems.base import RowContext
from raysq.problems.capabilities import PredictionSize, Windowed

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1 << 16  # most rows at a time
_FEWEST = 1 << 10  # of predictions with many values
_VALUES = 1 << 24  # about so many predicted values at a time


@dataclass(frozen=True)
class Range:
    """Rows of one series to predict at.

    Attributes:
        series: entry of the series for the report of its rows.
        begin: first row of the series in the table.
        end: row after its last.
        low: first row to predict at.
        high: row after the last row to predict at; at most the second row after the series.
    """

    series: Mapping[str, Any]
    begin: int
    end: int
    low: int
    high: int


def rows_at_a_time(problem: Any) -> int:
    """Return how many rows to predict at a time, so that their predictions take little memory."""
    if not isinstance(problem, PredictionSize):
        return _ROWS
    return min(_ROWS, max(_FEWEST, _VALUES // problem.prediction_size()))


def ranges(problem: Windowed, report: Mapping[str, Any], rows: int, latest: bool) -> list[Range]:
    """Return the ranges of a table of series, each of which is predicted at a time; with `latest` one for each series.

    Args:
        problem: problem of the run.
        report: report of the table, which lists the series if there are several.
        rows: number of rows of the table.
        latest: whether only the latest rows are predicted.

    Raises:
        DataError: all series are too short.
    """
    before, _ = problem.history()
    size, found, begin, longest = rows_at_a_time(problem), [], 0, 0
    for series in report.get("series") or [{"id": None, "rows": rows}]:
        longest = max(longest, series["rows"])
        end = begin + series["rows"]
        last = end + 1  # the row after the last one can be predicted too; a short series has no predictions
        first = begin + before
        for low in range(first, last, max(1, last - first) if latest else size):
            named = {"id": "" if series["id"] is None else str(series["id"]), "keys": series.get("keys") or []}
            found.append(Range(named, begin, end, low, last if latest else min(low + size, last)))
        begin = end
    if not found:
        where = "longest series of the input" if report.get("series") else "input"
        raise DataError(f"a prediction needs {before:,} rows of history, the {where} has {longest:,}")
    return found


def predict_range(
    predictor: Predictor,
    part: Range,
    report: Mapping[str, Any],
    read: Callable[[int, int], "pa.Table"],
    latest: bool,
) -> "pa.Table":
    """Return the predictions of a range of rows.

    Args:
        predictor: the trained model.
        part: range of rows of one series. With `latest`, only the last row at which a prediction is possible counts,
            which is looked for from the end on.
        report: report of the whole table.
        read: function that returns the rows of the table from one row to another.
        latest: whether only the latest rows are predicted.
    """
    if not latest:
        return _predict(predictor, part, report, read, part.low, part.high, latest)
    high, count = part.high, 1
    while True:
        low = max(part.low, high - count)
        table = _predict(predictor, part, report, read, low, high, latest)
        if table.num_rows or low == part.low:
            return table
        high, count = low, rows_at_a_time(predictor.problem)


def predict_ranges(
    predictor: Predictor, table: "pa.Table", report: Mapping[str, Any], latest: bool
) -> "Iterator[pa.Table]":
    """Yield the predictions of a table in memory, all of them at once unless they are many."""
    problem = predictor.problem
    if not isinstance(problem, Windowed) or latest or table.num_rows <= rows_at_a_time(problem):
        yield predictor.predict_table(table, RowContext(report, latest=latest))
        return
    for part in ranges(problem, report, table.num_rows, latest):
        yield predict_range(predictor, part, report, lambda low, high: table.slice(low, high - low), latest)


def _predict(
    predictor: Predictor,
    part: Range,
    report: Mapping[str, Any],
    read: Callable[[int, int], "pa.Table"],
    low: int,
    high: int,
    latest: bool,
) -> "pa.Table":
    problem = predictor.problem
    assert isinstance(problem, Windowed)
    before, after = problem.history()
    begin, end = low - before, min(high + after, part.end)
    context = RowContext(
        {**report, "series": [{**part.series, "rows": end - begin}]},
        positions=(before, high - begin),
        offset=begin - part.begin,
        latest=latest,
    )
    return predictor.predict_table(read(begin, end), context)
