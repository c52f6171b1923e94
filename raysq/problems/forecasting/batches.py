"""Windows of a series: which rows each example reads, and the gather that builds a batch of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raysq.problems.forecasting.series import Series
from raysq.problems.forecasting.settings import ForecastingSettings


@dataclass(frozen=True)
class Windows:
    """The windows of one split; neither x nor y looks past its rows, nor from one series into another.

    Only windows are examples that see no row before the first value of a column, that do not end in a stretch of a
    target which was filled with what follows, and of whose targets at least one is of the source. Where not all are,
    the batch says which, and `shares` how many.

    Window i of rows `[begin, end)` stands at row `r = begin + lookback + i * stride`. Its x are the rows at
    `r + settings.offsets`, all before r; its y are the targets at `r + settings.ahead`.

    Attributes:
        series: the rows.
        settings: with everything in rows.
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
        """The first row of each series that a window may see."""
        return [max(begin, first) for (begin, _), first in zip(self.bounds, self.series.firsts, strict=True)]

    @cached_property
    def _counts(self) -> list[int]:
        return self._fitting([(begin, end) for begin, (_, end) in zip(self._begins, self.bounds, strict=True)])

    @property
    def room(self) -> int:
        """Windows that fit into the rows, with those that are left out."""
        return sum(self._fitting(self.bounds))

    def _fitting(self, ranges: Sequence[tuple[int, int]]) -> list[int]:
        needed = self.settings.lookback + max(self.settings.ahead)
        return [max(0, -(-(end - begin - needed) // self.settings.stride)) for begin, end in ranges]

    @cached_property
    def _standing(self) -> np.ndarray | None:
        """The row at which each window stands, where a line is not enough: of several series, or with some left out."""
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
        """How many targets of each window that stands at the rows are of the source."""
        assert self.series.observed is not None
        counts = self.series.observed.sum(1, dtype=np.int32)
        known = np.zeros(len(rows), np.int32)
        for ahead in self.settings.ahead:  # one by one: all at once would take memory for each window and horizon
            known += counts[rows + ahead]
        return known

    @cached_property
    def shares(self) -> np.ndarray | None:
        """The share of each window's targets that is of the source; None where all are."""
        if self.series.observed is None or not len(self):
            return None
        outputs = len(self.settings.ahead) * len(self.settings.targets)
        known = self._known(self.rows(np.arange(len(self))))
        return None if known.min() == outputs else (known / outputs).astype(np.float32)

    def observed(self, indices: np.ndarray) -> np.ndarray:
        """Which outputs of windows are of the source, bool of shape `(n, horizons * targets)`."""
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
        """What a batch needs beside the series: where windows stand, and which targets are of the source."""
        found = {} if self._standing is None else {"standing": self._standing}
        mask = self.series.observed
        return found if mask is None or self.shares is None else {**found, "observed": mask}

    @property
    def batch_bytes(self) -> int:
        """Bytes of one window."""
        s = self.settings
        return 4 * (s.steps * len(self.series.names) + len(s.targets) * len(s.ahead))

    def arrays(self) -> dict[str, np.ndarray]:
        """The normalized series, the same array for every split."""
        return {**self.series.arrays, **self._beside}

    def mapped(self) -> dict[str, Any]:
        """The series on disk, normalized when rows are taken."""
        beside = {name: _Rows(array) for name, array in self._beside.items()}
        return {"series": self.series.view("series"), "targets": self.series.view("targets"), **beside}

    def rows(self, indices: Any) -> np.ndarray:
        """The row at which each window stands."""
        if self._standing is not None:
            return self._standing[indices]
        return np.asarray(indices) * self.settings.stride + self._first

    @property
    def _first(self) -> int:
        return self._begins[0] + self.settings.lookback

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, ...]:
        """Builds a batch.

        Args:
            indices: int vector of n window numbers (NumPy or TensorFlow).
            arrays: what `arrays` or `mapped` gave, or device copies.
            take: gathers rows of an array.

        Returns:
            x of shape `(n, steps, features)` and y of shape `(n, horizons * targets)`, float32; where not all targets
            are of the source also which are, 1 and 0 of the shape of y.
        """
        s = self.settings
        rows = take(arrays["standing"], indices) if "standing" in arrays else indices * s.stride + self._first
        x = take(arrays["series"], rows[:, None] + self._offsets)
        place = self.series.place if "targets" not in arrays else None
        source = arrays["series"] if place is not None else arrays["targets"]
        parts, masks = [], []
        for ahead in s.ahead:
            y = take(source, rows + ahead)
            # A slice: a gather along the last axis is slow on both sides.
            parts.append(y if place is None else y[:, place : place + 1])
            if "observed" in arrays:
                masks.append(take(arrays["observed"], rows + ahead))
        y = _joined(parts)
        if not masks:
            return x, y
        return x, y, _as_float(_joined(masks))


class _Rows:
    """Rows of an array in memory, taken as those on disk are."""

    def __init__(self, array: np.ndarray):
        self._array = array

    def take(self, rows: Any) -> np.ndarray:
        return self._array[rows]


def _joined(parts: list[Any]) -> Any:
    """Columns beside each other, in NumPy or in the graph."""
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
