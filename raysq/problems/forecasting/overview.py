"""What series look like before anything is trained: each column over all rows and over ten days, gaps, statistics."""

from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.charts import Band, Item, Line, LineChart, Section, Table, Text
from raysq.problems.forecasting.window_forecasts import local_times
from raysq.problems.overview_items import OUTERMOST, spread

_COLUMNS = 24  # most columns that are drawn
_POINTS = 600  # most points of a line over all rows
_DAYS = np.timedelta64(10, "D")
_ROWS = 240  # rows that stand for ten days where these have fewer than `_FEW`, or where rows have no time
_FEW, _MOST = 20, 3000


def overview(dataset: Dataset) -> list[Section]:
    """Return the sections of a data set of series."""
    names = [
        column["name"] for column in dataset.manifest.schema if column["type"] in ("float", "double") and column["name"]
    ]
    report = dataset.manifest.report
    series = report.get("series") or []
    count = int(series[0]["rows"]) if series else dataset.rows
    numbered = bool(report.get("numbered"))
    stamps = dataset.column("time").slice(0, count).astype("datetime64[us]")
    times = stamps.astype(np.int64) / 1e6 if numbered else local_times(dataset, stamps)
    values = {name: dataset.column(name).slice(0, count) for name in names[:_COLUMNS]}
    which = f" Of {len(series)} series, {series[0]['id']} is drawn." if len(series) > 1 else ""
    left = f" Drawn are the first {_COLUMNS} of {len(names)} columns." if len(names) > _COLUMNS else ""
    begin, end = _ten_days(stamps, numbered)
    sections = [
        Section("Columns", [_statistics(dataset, names)], "Statistics of all rows, in the units of the file."),
        Section(
            "All rows",
            [_whole(name, times, column, numbered) for name, column in values.items()],
            f"Means of neighboring rows where there are many, between their lowest and highest values.{which}{left}",
        ),
        Section(
            "Ten days",
            [
                LineChart(name, [Line(name, times[begin:end], column[begin:end])], *_axes(name, numbered), wide=False)
                for name, column in values.items()
            ],
            f"{end - begin:,} rows from the middle, each as it is.{which}{left}",
        ),
        Section("Values", _histograms(values), f"How often each value occurs. {OUTERMOST}{which}{left}"),
    ]
    if len(series) > 1:
        rows = [[str(each["id"]), int(each["rows"])] for each in series[:100]]
        sections.append(Section("Series", [Table(["series", "rows"], rows)], f"{len(series):,} series."))
    return [section for section in sections if section.items]


def _histograms(values: dict[str, np.ndarray]) -> list[Item]:
    charts = (spread(name, column, name, "rows") for name, column in values.items())
    return [chart for chart in charts if chart is not None]


def _statistics(dataset: Dataset, names: list[str]) -> Table:
    missing = dataset.manifest.report.get("missing") or {}
    rows: list[list[Any]] = []
    for name in names:
        column = dataset.column(name).slice(0, dataset.rows).astype(np.float64)
        finite = column[np.isfinite(column)]
        empty = dataset.rows - len(finite)
        if not len(finite):
            rows.append([name, None, None, None, None, None, empty])
            continue
        low, median, high = np.quantile(finite, (0, 0.5, 1)).tolist()
        rows.append([name, float(finite.mean()), float(finite.std()), low, median, high, empty])
    note = _found(missing)
    for row in rows:
        row.append(note.get(row[0], 0))
    return Table(
        ["column", "mean", "standard deviation", "lowest", "median", "highest", "missing", "missing in the file"], rows
    )


def _found(missing: Any) -> dict[str, int]:
    """Return the number of cells by column that were missing in the file, before repairs."""
    if not isinstance(missing, dict):
        return {}
    return {
        name: int(value["count"] if isinstance(value, dict) else value)
        for name, value in missing.items()
        if isinstance(value, (dict, int))
    }


def _axes(name: str, numbered: bool) -> tuple[str, str]:
    return ("row" if numbered else ""), name


def _whole(name: str, times: np.ndarray, column: np.ndarray, numbered: bool) -> Item:
    """Return a line of the means of neighboring rows, and the band between their lowest and highest values."""
    parts = np.array_split(np.arange(len(column)), min(_POINTS, len(column)))
    means, lows, highs = [], [], []
    for part in parts:
        block = column[part].astype(np.float64)
        block = block[np.isfinite(block)]
        means.append(block.mean() if len(block) else np.nan)
        lows.append(block.min() if len(block) else np.nan)
        highs.append(block.max() if len(block) else np.nan)
    x = times[[part[len(part) // 2] for part in parts]]
    if not np.isfinite(means).any():
        return Text(f"{name}: all cells are empty.")
    bands = [Band("lowest to highest", x, lows, highs)] if len(parts) < len(column) else []
    return LineChart(name, [Line("mean" if bands else name, x, means)], *_axes(name, numbered), bands=bands)


def _ten_days(stamps: np.ndarray, numbered: bool) -> tuple[int, int]:
    """Return the first and the end row of ten days from the middle, or of some rows where these are too few."""
    middle = len(stamps) // 2
    if not numbered:
        end = int(np.searchsorted(stamps[middle:], stamps[middle] + _DAYS)) + middle
        if end - middle >= _FEW:
            return middle, min(end, middle + _MOST)
    begin = max(0, middle - _ROWS // 2)
    return begin, min(len(stamps), begin + _ROWS)
