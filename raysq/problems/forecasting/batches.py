"""Batch source of windows: the rows that each example reads, and the gather that builds a batch of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raysq.problems.forecasting.series import Series
from raysq.problems.forecasting.settings import ForecastingSettings


@dataclass(frozen=True)
class Windows:
    """Windows of one split, as a `BatchSource`.

    Neither x nor y reaches beyond the rows of the split, nor from one series into another. A window is an example only
    if it sees no row before the first value of any column, does not end on a target filled from later values, and has
    at least one observed target. If some targets are unobserved, batches include a mask and `shares` has weights.

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
        return [max(begin, first) for (begin, _), first in zip(self.bounds, self.series.firsts, strict=True)]

    @cached_property
    def _counts(self) -> list[int]:
        return self._fitting([(begin, end) for begin, (_, end) in zip(self._begins, self.bounds, strict=True)])

    @property
    def room(self) -> int:
        """Number of windows that fit into the rows, including those left out."""
        return sum(self._fitting(self.bounds))

    def _fitting(self, ranges: Sequence[tuple[int, int]]) -> list[int]:
        needed = self.settings.lookback + max(self.settings.ahead)
        return [max(0, -(-(end - begin - needed) // self.settings.stride)) for begin, end in ranges]

    @cached_property
    def _standing(self) -> np.ndarray | None:
        """Return the row of each window; None if the rows are evenly spaced: one series and no window left out."""
        if len(self.bounds) == 1 and self.series.observed is None:
            return None
        parts = [
            begin + self.settings.lookback + self.settings.stride * np.arange(count)
            for begin, count in zip(self._begins, self._counts, strict=True)
        ]
        rows = np.concatenate(parts).astype(np.int64)
        if self.series.observed is not None:
            rows = rows[(self._known(rows) > 0) & ~self.series.foreseen[rows + self.settings.last]]
        return rows

    def _known(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of observed targets of the windows at these rows."""
        assert self.series.observed is not None
        counts = self.series.observed.sum(1, dtype=np.int32)
        known = np.zeros(len(rows), np.int32)
        for ahead in self.settings.ahead:  # one at a time: all at once would need memory for each window and horizon
            known += counts[rows + ahead]
        return known

    @cached_property
    def shares(self) -> np.ndarray | None:
        """Share of each window's targets that are observed, float32 of shape `(windows,)`; None if all are."""
        if self.series.observed is None or not len(self):
            return None
        outputs = len(self.settings.ahead) * len(self.settings.targets)
        known = self._known(self.rows(np.arange(len(self))))
        return None if known.min() == outputs else (known / outputs).astype(np.float32)

    def observed(self, indices: np.ndarray) -> np.ndarray:
        """Return the mask of observed outputs of windows.

        Args:
            indices: int vector of n window numbers.

        Returns:
            bool of shape `(n, horizons * targets)`.
        """
        ahead = self.rows(indices)[:, None] + np.array(self.settings.ahead)
        if self.series.observed is None:
            return np.ones((len(indices), ahead.shape[1] * len(self.settings.targets)), bool)
        return self.series.observed[ahead].reshape(len(indices), -1).astype(bool)

    def __len__(self) -> int:
        return sum(self._counts) if self._standing is None else len(self._standing)

    @property
    def nbytes(self) -> int:
        """Bytes that `arrays` takes on a device."""
        return self.series.nbytes + sum(array.nbytes for array in self._beside.values())

    @property
    def _beside(self) -> dict[str, np.ndarray]:
        """Return the arrays that a batch needs besides the series: window positions and the mask of targets."""
        found = {} if self._standing is None else {"standing": self._standing}
        mask = self.series.observed
        return found if mask is None or self.shares is None else {**found, "observed": mask}

    @property
    def batch_bytes(self) -> int:
        """Bytes of one window."""
        s = self.settings
        return 4 * (s.steps * len(self.series.names) + len(s.targets) * len(s.ahead))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the normalized series, shared by all splits, and the window positions and masks that a batch needs."""
        return {**self.series.arrays, **self._beside}

    def mapped(self) -> dict[str, Any]:
        """Return the series on disk, normalized when rows are taken."""
        beside = {name: _Rows(array) for name, array in self._beside.items()}
        return {"series": self.series.view("series"), "targets": self.series.view("targets"), **beside}

    def rows(self, indices: Any) -> np.ndarray:
        """Return the row of each window.

        Args:
            indices: window numbers.
        """
        if self._standing is not None:
            return self._standing[indices]
        return np.asarray(indices) * self.settings.stride + self._first

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
        rows = take(arrays["standing"], indices) if "standing" in arrays else indices * s.stride + self._first
        x = take(arrays["series"], rows[:, None] + self._offsets)
        place = self.series.place if "targets" not in arrays else None
        source = arrays["series"] if place is not None else arrays["targets"]
        parts, masks = [], []
        for ahead in s.ahead:
            y = take(source, rows + ahead)
            # Slice, because a gather along the last axis is slow on the host and in the graph.
            parts.append(y if place is None else y[:, place : place + 1])
            if "observed" in arrays:
                masks.append(take(arrays["observed"], rows + ahead))
        y = _joined(parts)
        if not masks:
            return x, y
        return x, y, _as_float(_joined(masks))


class _Rows:
    """Rows of an array in memory, with the interface of those on disk."""

    def __init__(self, array: np.ndarray):
        self._array = array

    def take(self, rows: Any) -> np.ndarray:
        return self._array[rows]


def _joined(parts: list[Any]) -> Any:
    """Concatenate columns, in NumPy or in the graph."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, 1)
    import keras

    return keras.ops.concatenate(parts, 1)


def _as_float(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return values.astype(np.float32)
    import keras

    return keras.ops.cast(values, "float32")
