"""Windows of a series: which rows each example reads, and the gather that builds a batch of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raysq.kinds.forecast.series import Series
from raysq.kinds.forecast.settings import WindowSettings


@dataclass(frozen=True)
class Windows:
    """The windows of one split; neither x nor y looks past its rows, nor from one series into another.

    Window i of rows `[begin, end)` stands at row `r = begin + lookback + i * stride`. Its x are the rows at
    `r + settings.offsets`, all before r; its y are the targets at `r + settings.ahead`.

    Attributes:
        series: the rows.
        settings: with everything in rows.
        bounds: first row and end row of the split, for each series.
    """

    series: Series
    settings: WindowSettings
    bounds: tuple[tuple[int, int], ...]

    @cached_property
    def _offsets(self) -> np.ndarray:
        offsets = np.array(self.settings.offsets)
        return offsets[::-1].copy() if self.settings.reversed else offsets

    @cached_property
    def _counts(self) -> list[int]:
        needed = self.settings.lookback + max(self.settings.ahead)
        return [max(0, -(-(end - begin - needed) // self.settings.stride)) for begin, end in self.bounds]

    @cached_property
    def _standing(self) -> np.ndarray | None:
        """The row at which each window stands, where they lie in several series; else a line is enough."""
        if len(self.bounds) == 1:
            return None
        firsts = [begin + self.settings.lookback for begin, _ in self.bounds]
        parts = [
            first + self.settings.stride * np.arange(count) for first, count in zip(firsts, self._counts, strict=True)
        ]
        return np.concatenate(parts).astype(np.int64)

    def __len__(self) -> int:
        return sum(self._counts)

    @property
    def nbytes(self) -> int:
        """Bytes that `arrays` takes on a device."""
        return self.series.nbytes + (0 if self._standing is None else self._standing.nbytes)

    @property
    def batch_bytes(self) -> int:
        """Bytes of one window."""
        s = self.settings
        return 4 * (s.steps * len(self.series.names) + len(s.targets) * len(s.ahead))

    def arrays(self) -> dict[str, np.ndarray]:
        """The normalised series, the same array for every split."""
        standing = {} if self._standing is None else {"standing": self._standing}
        return {**self.series.arrays, **standing}

    def mapped(self) -> dict[str, Any]:
        """The series on disk, normalised when rows are taken."""
        standing = {} if self._standing is None else {"standing": self._standing}
        return {"series": self.series.view("series"), "targets": self.series.view("targets"), **standing}

    def rows(self, indices: Any) -> np.ndarray:
        """The row at which each window stands."""
        if self._standing is not None:
            return self._standing[indices]
        return np.asarray(indices) * self.settings.stride + self._first

    @property
    def _first(self) -> int:
        return self.bounds[0][0] + self.settings.lookback

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        """Builds a batch.

        Args:
            indices: int vector of n window numbers (NumPy or TensorFlow).
            arrays: what `arrays` or `mapped` gave, or device copies.
            take: gathers rows of an array.

        Returns:
            x of shape `(n, steps, features)` and y of shape `(n, horizons * targets)`, float32.
        """
        s = self.settings
        rows = take(arrays["standing"], indices) if "standing" in arrays else indices * s.stride + self._first
        x = take(arrays["series"], rows[:, None] + self._offsets)
        place = self.series.place if "targets" not in arrays else None
        source = arrays["series"] if place is not None else arrays["targets"]
        parts = []
        for ahead in s.ahead:
            y = take(source, rows + ahead)
            # A slice: a gather along the last axis is slow on both sides.
            parts.append(y if place is None else y[:, place : place + 1])
        if len(parts) == 1:
            return x, parts[0]
        import keras

        return x, np.concatenate(parts, 1) if isinstance(x, np.ndarray) else keras.ops.concatenate(parts, 1)
