"""Batch source of windows: the rows that each example reads, and the gather that builds a batch of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems.forecasting import row_durations, splits
from raysq.problems.forecasting.frequency import Frequency
from raysq.problems.forecasting.series import Series
from raysq.problems.forecasting.settings import ForecastingSettings


@dataclass(frozen=True)
class Windows:
    """Windows of one split, as a `BatchSource`.

    Neither x nor y reaches beyond the rows of the split, nor from one series into another. With
    `settings.protocol="ltsf"`, x may begin `lookback` rows before the split. A window is an example only if it sees no
    row before the first value of any column, does not end on a target filled from later values, and has at least one
    observed target. If some targets are unobserved, batches include a mask and `shares` has weights.

    Window i of rows `[begin, end)` is at row `r = begin + lookback + i * stride`. Its x are the rows at
    `r + settings.offsets`, all before r. Its y are the targets at `r + settings.ahead`.

    Attributes:
        series: rows of the series.
        settings: resolved settings, with all durations in rows.
        bounds: first row and end row of the split, for each series.
    """

    series: Series
    settings: ForecastingSettings
    bounds: tuple[tuple[int, int], ...]

    @cached_property
    def _offsets(self) -> np.ndarray:
        offsets = np.array(self.settings.offsets)
        return offsets[::-1].copy() if self.settings.reversed else offsets

    @cached_property
    def _begins(self) -> list[int]:
        """Return the first row of each series that a window may see."""
        return [max(begin, first) for (begin, _), first in zip(self._seen, self.series.firsts, strict=True)]

    @property
    def _seen(self) -> list[tuple[int, int]]:
        """Return the rows of each series that windows may see: those before an empty split are not among them."""
        if self.settings.protocol == "inside":
            return list(self.bounds)
        back = self.settings.lookback
        return [
            (max(segment, begin - back) if begin < end else begin, end)
            for (begin, end), segment in zip(self.bounds, self.series.begins, strict=True)
        ]

    @cached_property
    def _counts(self) -> list[int]:
        return self._fitting([(begin, end) for begin, (_, end) in zip(self._begins, self.bounds, strict=True)])

    @property
    def fitting(self) -> int:
        """Number of windows that fit into the rows, including those left out."""
        return sum(self._fitting(self._seen))

    def _fitting(self, ranges: Sequence[tuple[int, int]]) -> list[int]:
        needed = self.settings.lookback + max(self.settings.ahead)
        return [max(0, -(-(end - begin - needed) // self.settings.stride)) for begin, end in ranges]

    @cached_property
    def _positions(self) -> np.ndarray | None:
        """Return the row of each window; None if the rows are evenly spaced: one series and no window left out."""
        if len(self.bounds) == 1 and self.series.observed is None:
            return None
        parts = [
            begin + self.settings.lookback + self.settings.stride * np.arange(count)
            for begin, count in zip(self._begins, self._counts, strict=True)
        ]
        rows = np.concatenate(parts).astype(np.int64)
        if self.series.observed is not None:
            rows = rows[(self._observed_counts(rows) > 0) & ~self.series.foreseen[rows + self.settings.last]]
        return rows

    def _observed_counts(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of observed targets of the windows at these rows."""
        assert self.series.observed is not None
        return self._total_ahead(self.series.observed.sum(1, dtype=np.int64), rows)

    def _total_ahead(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the sum of a value of each row over the rows that the windows at these rows forecast."""
        ahead = self.settings.ahead
        if isinstance(ahead, range):
            sums = np.concatenate([np.zeros(1, values.dtype), np.cumsum(values, dtype=values.dtype)])
            return np.asarray(sums[rows + ahead.stop] - sums[rows + ahead.start])
        total = np.zeros(len(rows), values.dtype)
        for row in ahead:  # one at a time: all at once would need memory for each window and horizon
            total += values[rows + row]
        return total

    @cached_property
    def shares(self) -> np.ndarray | None:
        """Share of each window's targets that are observed, float32 of shape `(windows,)`; None if all are."""
        if self.series.observed is None or not len(self):
            return None
        outputs = len(self.settings.ahead) * len(self.settings.targets)
        observed = self._observed_counts(self.rows(np.arange(len(self))))
        return None if observed.min() == outputs else (observed / outputs).astype(np.float32)

    @cached_property
    def weights(self) -> np.ndarray | None:
        """Weight of each window, that of its target row or the mean of those; None where all weigh the same."""
        weights = self.series.weights
        if weights is None:
            return None
        of_rows = np.asarray(weights.slice(0, self.series.rows), np.float64)
        total = self._total_ahead(of_rows, self.rows(np.arange(len(self))))
        return np.asarray(total / len(self.settings.ahead), np.float32)

    def observed(self, indices: np.ndarray) -> np.ndarray:
        """Return the mask of observed outputs of n windows, bool of shape `(n, horizons * targets)`."""
        ahead = self.rows(indices)[:, None] + np.array(self.settings.ahead)
        if self.series.observed is None:
            return np.ones((len(indices), ahead.shape[1] * len(self.settings.targets)), bool)
        observed: np.ndarray = self.series.observed[ahead]
        return observed.reshape(len(indices), -1).astype(bool)

    def __len__(self) -> int:
        return sum(self._counts) if self._positions is None else len(self._positions)

    @property
    def nbytes(self) -> int:
        """Bytes that `arrays` takes on a device."""
        return self.series.nbytes + sum(array.nbytes for array in self._window_arrays.values())

    @property
    def _window_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that a batch needs besides the series: window positions and the mask of targets."""
        arrays = {} if self._positions is None else {"positions": self._positions}
        mask = self.series.observed
        return arrays if mask is None or self.shares is None else {**arrays, "observed": mask}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the normalized series, shared by all splits, and the window positions and masks that a batch needs."""
        return {**self.series.arrays, **self._window_arrays}

    def mapped(self) -> dict[str, Any]:
        """Return the series on disk, normalized when rows are taken."""
        arrays = {name: _Rows(array) for name, array in self._window_arrays.items()}
        return {"series": self.series.view("series"), "targets": self.series.view("targets"), **arrays}

    def rows(self, indices: Any) -> np.ndarray:
        """Return the row of each window."""
        rows: np.ndarray = (
            np.asarray(indices) * self.settings.stride + self._first
            if self._positions is None
            else self._positions[indices]
        )
        return rows

    @property
    def _first(self) -> int:
        return self._begins[0] + self.settings.lookback

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, ...]:
        """Build a batch.

        Args:
            indices: int vector of n window numbers (NumPy or TensorFlow).
            arrays: result of `arrays` or `mapped`, or device copies.
            take: function that gathers rows of an array.

        Returns:
            x of shape `(n, steps, features)` and y of shape `(n, horizons * targets)`, float32. If some targets are
            unobserved, also their mask, 1 (observed) or 0, float32 of the shape of y.
        """
        s = self.settings
        rows = take(arrays["positions"], indices) if "positions" in arrays else indices * s.stride + self._first
        x = take(arrays["series"], rows[:, None] + self._offsets)
        columns = self.series.target_slice if "targets" not in arrays else None
        source = arrays["series"] if columns is not None else arrays["targets"]
        width = len(s.ahead) * len(s.targets)

        def ahead(array: Any, columns: slice | None) -> Any:
            if isinstance(s.ahead, range):
                values = take(array, rows[:, None] + np.arange(s.ahead.start, s.ahead.stop))
                return _flatten(values if columns is None else values[..., columns], width)
            parts = [take(array, rows + row) for row in s.ahead]
            # Slice, because a gather along the last axis is slow on the host and in the graph.
            return _concatenate(parts if columns is None else [part[:, columns] for part in parts])

        y = ahead(source, columns)
        if "observed" not in arrays:
            return x, y
        return x, y, _to_float(ahead(arrays["observed"], None))


class _Rows:
    """Rows of an array in memory, with the interface of those on disk."""

    def __init__(self, array: np.ndarray):
        self._array = array

    def take(self, rows: Any) -> Any:
        return self._array[rows]


def _concatenate(parts: list[Any]) -> Any:
    """Concatenate columns, in NumPy or in the graph."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, 1)
    import keras

    return keras.ops.concatenate(parts, 1)


def _flatten(values: Any, width: int) -> Any:
    """Join all axes but the first, in NumPy or in the graph."""
    if isinstance(values, np.ndarray):
        return values.reshape(-1, width)
    import keras

    return keras.ops.reshape(values, (-1, width))


def _to_float(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return values.astype(np.float32)
    import keras

    return keras.ops.cast(values, "float32")


def open_splits(dataset: Dataset, settings: ForecastingSettings) -> dict[str, Windows]:
    """Return the windows of each split.

    Raises:
        DataError: a column is missing, no window fits into a split or has an observed target, or a target's category
            is missing on some rows.
    """
    _check_categories(dataset, settings)
    series = Series(dataset, settings)
    windows = {
        name: Windows(series, settings, tuple(bounds[name] for bounds in series.bounds)) for name in splits.SPLITS
    }
    for split in ("train", "val"):
        if not len(windows[split]) and windows[split].fitting:
            raise DataError(
                f"no window of the {split} split has a target of {', '.join(settings.targets)} that was observed: "
                "change split, or give more data"
            )
    if not len(windows["train"]) or not len(windows["val"]):
        rows = {name: max(end - begin for begin, end in split.bounds) for name, split in windows.items()}
        frequency = Frequency.from_report(dataset.manifest.report)
        lookback = f"{settings.lookback:,}"
        if frequency:
            lookback += f" = {row_durations.format_rows(settings.lookback, frequency)}"
        name, farthest = ("delay", settings.ahead) if settings.delay else ("horizon", settings.horizons)
        raise DataError(
            f"no window fits: one needs {settings.lookback + max(settings.ahead) + 1:,} rows (lookback {lookback}, "
            f"{name} {max(farthest):,}), the splits have {rows['train']:,} / {rows['val']:,} / "
            f"{rows['test']:,}; lower lookback or {name}, or give more data"
        )
    return windows


def _check_categories(dataset: Dataset, settings: ForecastingSettings) -> None:
    """Raise DataError for a target of a category that some rows lack: its value there is unknown."""
    unlabeled = dataset.manifest.report.get("unlabeled", {})
    for target in settings.targets:
        category = target.rpartition("=")[0]
        if category in unlabeled:
            raise DataError(
                f"target {target}: {unlabeled[category]['count']:,} rows have no {category}: fill these cells, or "
                "leave the rows out of the file"
            )
