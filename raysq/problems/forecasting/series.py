"""Rows of a prepared series as a model sees them: normalized columns and cyclical features of the calendar."""

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from raysq.data import time_zones
from raysq.data.columns import Column
from raysq.data.dataset import SHARD_ROWS, Dataset
from raysq.data.moments import merge, moments
from raysq.errors import DataError
from raysq.problems.forecasting import splits
from raysq.problems.forecasting.cyclical_features import cyclical_features, feature_names
from raysq.problems.forecasting.observed import Stretches
from raysq.problems.forecasting.readers.repair import WEIGHT
from raysq.problems.forecasting.settings import ForecastingSettings

DEFAULT_SPLIT = "0.5/0.25/0.25"


def value_columns(dataset: Dataset) -> tuple[str, ...]:
    """Return the value columns of a prepared series."""
    return tuple(name for name in dataset.columns if name not in ("time", WEIGHT))


def segments(dataset: Dataset) -> list[tuple[int, int]]:
    """Return the first row and the end row of each stretch of rows that windows do not leave.

    These are the stretches that the source says to train, to validate and to test on, else the series: a single one
    unless the data set was prepared with an id.
    """
    report = dataset.manifest.report
    series = report.get("stretches") or report.get("series") or [{"rows": dataset.rows}]
    ends = list(itertools.accumulate(entry["rows"] for entry in series))
    return list(zip([0, *ends[:-1]], ends, strict=True))


def series_numbers(dataset: Dataset) -> np.ndarray:
    """Return the number of the series of each of `segments`."""
    stretches = dataset.manifest.report.get("stretches")
    return np.array([stretch["series"] for stretch in stretches]) if stretches else np.arange(len(segments(dataset)))


def split_bounds(dataset: Dataset, settings: ForecastingSettings) -> list[splits.Bounds]:
    """Return the first row and the end row of each split, for each of `segments`.

    Raises:
        DataError: the split does not fit the data set, or the source says the parts itself.
    """
    if stretches := dataset.manifest.report.get("stretches"):
        if settings.split is not None:
            raise DataError(
                f"setting split={settings.split} divides rows, and data set {dataset.manifest.name} has parts that its "
                "source says: leave it out"
            )
        if settings.protocol != "inside":
            raise DataError(
                f"setting protocol={settings.protocol} lets windows see rows before their part, and data set "
                f"{dataset.manifest.name} has parts that its source says: leave it out"
            )
        if not any(stretch["part"] == "validation" for stretch in stretches):
            raise DataError(
                f"the source of data set {dataset.manifest.name} says of no row that it is to validate on",
                hint="prepare the data with val in the split column, or with --validation",
            )
        return [
            {
                split: (begin, end if stretch["part"] == part else begin)
                for split, part in zip(splits.SPLITS, ("train", "validation", "test"), strict=True)
            }
            for stretch, (begin, end) in zip(stretches, segments(dataset), strict=True)
        ]
    known_splits = dict(entry.split(":", 1) for entry in settings.known_splits)
    known = None if settings.protocol == "ltsf" else known_splits.get(str(dataset.rows)) or DEFAULT_SPLIT
    bounds = []
    for begin, end in segments(dataset):
        relative = splits.bounds(
            settings.split or known or splits.ltsf(end - begin),
            end - begin,
            lambda begin=begin, end=end: dataset.column("time").slice(begin, end).view("int64"),
            dataset.manifest.report.get("timezone"),
        )
        bounds.append({name: (begin + low, begin + high) for name, (low, high) in relative.items()})
    return bounds


class Series:
    """Rows of a prepared series, normalized by the mean and standard deviation of the training rows only.

    Attributes:
        bounds: first row and end row of each split, for each series.
        columns: the feature columns.
        names: names of the model's inputs: the feature columns, then the cyclical features, then the columns of the
            future, shifted.
        mean, std: statistics of the feature columns over observed training values, shape `(columns,)`.
        target_mean, target_std: statistics of the targets, shape `(targets,)`.

    Raises:
        DataError: the training split has fewer than 2 rows, or a column has no value in it.
    """

    def __init__(self, dataset: Dataset, settings: ForecastingSettings):
        self.bounds = split_bounds(dataset, settings)
        self.columns = settings.features or value_columns(dataset)
        self.targets = settings.targets
        self.calendar = settings.calendar
        self.future = settings.future
        self.names = (*self.columns, *feature_names(settings.calendar), *settings.future_names)
        self._lead = settings.lead
        self.rows = dataset.rows
        self._dataset = dataset
        self._zone = dataset.manifest.report.get("timezone")
        used = {*self.columns, *self.targets}
        stretches = {name: Stretches.of(dataset, name) for name in used}
        self._stretches = {name: ranges for name, ranges in stretches.items() if ranges is not None}
        training = [bounds["train"] for bounds in self.bounds if bounds["train"][1] > bounds["train"][0]]
        if sum(end - begin for begin, end in training) < 2:
            raise DataError("the training split has fewer than 2 rows; change split")
        statistics = {name: _statistics(dataset, name, stretches[name], training) for name in used}
        self.mean, self.std = np.array([statistics[name] for name in self.columns]).T
        self.target_mean, self.target_std = np.array([statistics[name] for name in self.targets]).T

    @cached_property
    def firsts(self) -> tuple[int, ...]:
        """First row of each series on which all columns have a value: values before it are never filled."""
        return tuple(
            max([begin, *(stretches.leading(begin) for stretches in self._stretches.values())])
            for begin, _ in segments(self._dataset)
        )

    @cached_property
    def begins(self) -> tuple[int, ...]:
        """First row of each of `segments`."""
        return tuple(begin for begin, _ in segments(self._dataset))

    @property
    def weights(self) -> Column | None:
        """Weight of each row as a target, or None where all weigh the same."""
        return self._dataset.column(WEIGHT) if WEIGHT in self._dataset.columns else None

    @cached_property
    def observed(self) -> np.ndarray | None:
        """Mask of the observed targets, uint8 of shape `(rows, targets)`; None if all are observed."""
        if not any(name in self._stretches for name in self.targets):
            return None
        mask = np.ones((self.rows, len(self.targets)), np.uint8)
        for number, name in enumerate(self.targets):
            if name in self._stretches:
                mask[self._stretches[name].inside(self.rows), number] = 0
        return mask

    @cached_property
    def foreseen(self) -> np.ndarray:
        """Mask of rows on which a target was filled from later values: a window ending there would see its future."""
        rows = np.zeros(self.rows, bool)
        for name in self.targets:
            if name in self._stretches:
                rows |= self._stretches[name].inside(self.rows, ahead=True)
        return rows

    @property
    def nbytes(self) -> int:
        """Bytes of the normalized series in memory."""
        return self.rows * (len(self.names) + (0 if self.target_slice is not None else len(self.targets))) * 4

    @cached_property
    def target_slice(self) -> slice | None:
        """The targets among the columns, where they are neighbors and need no array of their own; else None."""
        if self.targets[0] not in self.columns:
            return None
        first = self.columns.index(self.targets[0])
        last = first + len(self.targets)
        return slice(first, last) if tuple(self.columns[first:last]) == tuple(self.targets) else None

    def view(self, name: str) -> "View":
        """Return a view of the "series" or the "targets" on disk that normalizes rows when they are taken."""
        return View(self, name)

    def take(self, name: str, rows: Any) -> np.ndarray:
        """Return normalized rows of the "series" or the "targets".

        Args:
            name: "series" or "targets".
            rows: row numbers, of any shape.

        Returns:
            float32 of shape `rows.shape + (features,)`; 0 before the first value of a column.
        """
        rows = np.asarray(rows)
        columns, mean, std = self._part(name)
        calendar, future = (self.calendar, self.future) if name == "series" else ((), ())
        known = len(columns) + 2 * len(calendar)
        out = np.empty((*rows.shape, known + len(future)), np.float32)
        for number, column in enumerate(columns):
            out[..., number] = (self._dataset.column(column).take(rows) - mean[number]) / std[number]
            if column in self._stretches:
                np.nan_to_num(out[..., number], copy=False)
        if calendar:
            timestamps = time_zones.utc_to_local(
                self._dataset.column("time").take(rows).view("int64").reshape(-1), self._zone
            )
            out[..., len(columns) : known] = cyclical_features(timestamps, calendar).reshape(*rows.shape, -1)
        ahead = np.minimum(rows + self._lead, self.rows - 1)
        for number, column in enumerate(future):
            values = self._dataset.column(column).take(ahead)
            out[..., known + number] = self._normalized(column, values)
        return out

    def _normalized(self, column: str, values: np.ndarray) -> np.ndarray:
        """Return values of a feature column in units of its deviation; 0 before its first value."""
        at = self.columns.index(column)
        return np.asarray(np.nan_to_num((values - self.mean[at]) / self.std[at]))

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """All rows normalized, float32 of shape `(rows, features)`: one private copy."""
        names = ("series",) if self.target_slice is not None else ("series", "targets")
        return {name: self._whole(name) for name in names}

    def _part(self, name: str) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        if name == "series":
            return self.columns, self.mean, self.std
        return self.targets, self.target_mean, self.target_std

    def _whole(self, name: str) -> np.ndarray:
        columns, mean, std = self._part(name)
        calendar, future = (self.calendar, self.future) if name == "series" else ((), ())
        known = len(columns) + 2 * len(calendar)
        out = np.empty((self.rows, known + len(future)), np.float32)
        for number, column in enumerate(columns):
            out[:, number] = (self._dataset.column(column).slice(0, self.rows) - mean[number]) / std[number]
            if column in self._stretches:
                np.nan_to_num(out[:, number], copy=False)
        if calendar:
            timestamps = time_zones.utc_to_local(
                self._dataset.column("time").slice(0, self.rows).view("int64"), self._zone
            )
            out[:, len(columns) : known] = cyclical_features(timestamps, calendar)
        ahead = np.minimum(np.arange(self.rows) + self._lead, self.rows - 1)
        for number, column in enumerate(future):
            values = self._dataset.column(column).slice(0, self.rows)
            out[:, known + number] = self._normalized(column, values)[ahead]
        return out


class View:
    """Rows of a series that are read and normalized when they are taken."""

    def __init__(self, series: Series, name: str):
        self._series, self._name = series, name

    def take(self, rows: Any) -> np.ndarray:
        """Return normalized rows, float32 of shape `rows.shape + (features,)`."""
        return self._series.take(self._name, rows)


def _statistics(
    dataset: Dataset, name: str, stretches: Stretches | None, ranges: Sequence[tuple[int, int]]
) -> tuple[float, float]:
    """Return the mean and standard deviation of a column's observed values over several ranges of rows."""
    if stretches is not None:
        missing, column = stretches.inside(dataset.rows), dataset.column(name)
        total = (0, 0.0, 0.0)
        for begin, end in ranges:
            for low in range(begin, end, SHARD_ROWS):
                high = min(low + SHARD_ROWS, end)
                total = merge(total, moments(column.slice(low, high)[~missing[low:high]]))
        if not total[0]:
            raise DataError(f"column {name!r} has no value in the training rows; change split, or leave it out")
        mean, std = total[1], float(np.sqrt(total[2] / total[0]))
    elif len(ranges) == 1:
        mean, std = dataset.statistics(name, *ranges[0])
    else:
        total = (0, 0.0, 0.0)
        for begin, end in ranges:
            mean, std = dataset.statistics(name, begin, end)
            total = merge(total, (end - begin, mean, std * std * (end - begin)))
        mean, std = total[1], float(np.sqrt(total[2] / total[0]))
    # A column that is constant over the training rows has no deviation: divide by 1 to normalize it to 0.
    return mean, std if std > 0 else 1.0
