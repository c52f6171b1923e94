"""The rows of a prepared series as a model sees them: normalised columns, and waves of the calendar."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from raysq import zones
from raysq.errors import DataError
from raysq.kinds.forecast import spans
from raysq.kinds.forecast.settings import WindowSettings, value_columns
from raysq.kinds.forecast.splits import Bounds
from raysq.shards import Dataset, merge


class Series:
    """The rows of a prepared series, normalised with mean and deviation of the training rows only.

    Attributes:
        names: what a model sees of a row: the feature columns, then the calendar's waves.
        mean, std: of the feature columns.
        target_mean, target_std: of the targets.
    """

    def __init__(self, dataset: Dataset, settings: WindowSettings, bounds: Sequence[Bounds]):
        self.columns = settings.features or value_columns(dataset)
        self.targets = settings.targets
        self.calendar = settings.calendar
        self.names = (*self.columns, *spans.wave_names(settings.calendar))
        self.rows = dataset.rows
        self._dataset = dataset
        self._zone = dataset.manifest.report.get("timezone")
        training = [one["train"] for one in bounds if one["train"][1] > one["train"][0]]
        if sum(end - begin for begin, end in training) < 2:
            raise DataError("the training split has fewer than 2 rows; change split")
        statistics = {name: _statistics(dataset, name, training) for name in {*self.columns, *self.targets}}
        self.mean, self.std = (np.array([statistics[name][part] for name in self.columns]) for part in (0, 1))
        self.target_mean, self.target_std = (
            np.array([statistics[name][part] for name in self.targets]) for part in (0, 1)
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the normalised series in memory."""
        return self.rows * (len(self.names) + (0 if self.place is not None else len(self.targets))) * 4

    @cached_property
    def place(self) -> int | None:
        """The place of the only target among the columns: then no array of its own is needed."""
        if len(self.targets) == 1 and self.targets[0] in self.columns:
            return self.columns.index(self.targets[0])
        return None

    def view(self, name: str) -> "View":
        """The "series" or the "targets" on disk, normalised when rows are taken."""
        return View(self, name)

    def take(self, name: str, rows: Any) -> np.ndarray:
        """Normalised rows of the "series" or the "targets", float32 of shape `rows.shape + (features,)`."""
        rows = np.asarray(rows)
        columns, mean, std = self._part(name)
        waves = self.calendar if name == "series" else ()
        out = np.empty((*rows.shape, len(columns) + 2 * len(waves)), np.float32)
        for number, column in enumerate(columns):
            out[..., number] = (self._dataset.column(column).take(rows) - mean[number]) / std[number]
        if waves:
            stamps = zones.to_wall(self._dataset.column("time").take(rows).view("int64").reshape(-1), self._zone)
            out[..., len(columns) :] = spans.calendar_waves(stamps, waves).reshape(*rows.shape, -1)
        return out

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """All rows normalised, float32 of shape `(rows, features)`: one private copy."""
        names = ("series",) if self.place is not None else ("series", "targets")
        return {name: self._whole(name) for name in names}

    def _part(self, name: str) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        if name == "series":
            return self.columns, self.mean, self.std
        return self.targets, self.target_mean, self.target_std

    def _whole(self, name: str) -> np.ndarray:
        columns, mean, std = self._part(name)
        waves = self.calendar if name == "series" else ()
        out = np.empty((self.rows, len(columns) + 2 * len(waves)), np.float32)
        for number, column in enumerate(columns):
            out[:, number] = (self._dataset.column(column).slice(0, self.rows) - mean[number]) / std[number]
        if waves:
            stamps = zones.to_wall(self._dataset.column("time").slice(0, self.rows).view("int64"), self._zone)
            out[:, len(columns) :] = spans.calendar_waves(stamps, waves)
        return out


class View:
    """Rows of a series that are read, and normalised, when they are taken."""

    def __init__(self, series: Series, name: str):
        self._series, self._name = series, name

    def take(self, rows: Any) -> np.ndarray:
        """Normalised rows, float32 of shape `rows.shape + (features,)`."""
        return self._series.take(self._name, rows)


def _statistics(dataset: Dataset, name: str, ranges: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Mean and deviation of a column over several ranges of rows."""
    if len(ranges) == 1:
        mean, std = dataset.statistics(name, *ranges[0])
    else:
        total = (0, 0.0, 0.0)
        for begin, end in ranges:
            mean, std = dataset.statistics(name, begin, end)
            total = merge(total, (end - begin, mean, std * std * (end - begin)))
        mean, std = total[1], float(np.sqrt(total[2] / total[0]))
    # A column that does not change over the training rows carries nothing: leave it at zero, not at infinity.
    return mean, std if std > 0 else 1.0
