"""Windows of a series: which rows each example reads, and the gather that builds a batch of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from raysq.errors import DataError, UsageError
from raysq.kinds.kind import Inputs
from raysq.shards import Dataset

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class WindowSettings:
    """What a window is. All of it is applied at batch time: changing it prepares nothing again.

    Attributes:
        targets: columns to predict.
        features: columns that the model sees; empty for all.
        lookback: rows back from which a window begins.
        step: take one row in so many.
        delay: rows ahead to predict.
        stride: use one window in so many.
        reversed: latest row first.
        split: rows or shares of train, val and test, in time order: "200000/100000/rest" or "0.5/0.25/0.25".
        known_splits: "ROWS:SPLIT", the split of a data set with exactly that many rows.
        unit: of the targets, for display; none reads it from the column's name, as in "T (degC)".
    """

    targets: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    lookback: int = 720
    step: int = 6
    delay: int = 144
    stride: int = 1
    reversed: bool = False
    split: str = "0.5/0.25/0.25"
    known_splits: tuple[str, ...] = ()
    unit: str | None = None

    def __post_init__(self) -> None:
        for name, least in (("lookback", 1), ("step", 1), ("delay", 0), ("stride", 1)):
            if getattr(self, name) < least:
                raise UsageError(f"setting {name} must be at least {least}, received {getattr(self, name)}")
        if self.step > self.lookback:
            raise UsageError(f"setting step ({self.step}) must not be larger than lookback ({self.lookback})")
        if not self.targets:
            raise UsageError("setting targets names no column: say which columns to predict")

    @property
    def steps(self) -> int:
        """Rows that a model sees of a window."""
        return len(range(0, self.lookback, self.step))

    def bounds(self, rows: int) -> dict[str, tuple[int, int]]:
        """First row and end row of each split."""
        splits = dict(known.split(":", 1) for known in self.known_splits)
        text = splits.get(str(rows), self.split)
        parts = text.split("/")
        try:
            if len(parts) != 3:
                raise ValueError
            if all("." in part or part == "rest" for part in parts[:2]):
                shares = [float(part) for part in parts[:2]]
                ends = [int(rows * shares[0]), int(rows * (shares[0] + shares[1]))]
                ends.append(rows if parts[2] == "rest" else int(rows * min(1.0, sum(shares) + float(parts[2])) + 0.5))
            else:
                sizes = [int(part) for part in parts[:2]]
                ends = [sizes[0], sum(sizes), rows if parts[2] == "rest" else sum(sizes) + int(parts[2])]
        except ValueError:
            raise UsageError(
                f"setting split must be rows or shares of train/val/test such as 0.5/0.25/0.25 or "
                f"200000/100000/rest, received {text!r}"
            ) from None
        begins = [0, ends[0], ends[1]]
        if ends[2] > rows or any(end < begin for begin, end in zip(begins, ends, strict=True)):
            raise DataError(f"split {text} does not fit {rows:,} rows")
        return dict(zip(SPLITS, zip(begins, ends, strict=True), strict=True))

    def open(self, dataset: Dataset) -> dict[str, "Windows"]:
        """The windows of each split of a data set.

        Raises:
            DataError: a column is not there, or a split has no room for a window.
        """
        series = Series(dataset, self)
        windows = {name: Windows(series, self, begin, end) for name, (begin, end) in self.bounds(dataset.rows).items()}
        if not len(windows["train"]) or not len(windows["val"]):
            rows = {name: w.end - w.begin for name, w in windows.items()}
            raise DataError(
                f"no window fits: one needs {self.lookback + self.delay + 1:,} rows (lookback {self.lookback:,}, "
                f"delay {self.delay:,}), the splits have {rows['train']:,} / {rows['val']:,} / {rows['test']:,}; "
                f"lower lookback or delay, or give more data"
            )
        return windows

    def inputs(self, dataset: Dataset) -> Inputs:
        """What a model builder is told."""
        names = self.features or dataset_columns(dataset)
        missing = [name for name in self.targets if name not in names]
        if missing:
            raise DataError(f"target {missing[0]!r} is not among the features {', '.join(names)}")
        return Inputs(
            shape=(self.steps, len(names)),
            outputs=len(self.targets),
            names=names,
            targets=tuple(names.index(name) for name in self.targets),
            extra={"reversed": self.reversed},
        )


def dataset_columns(dataset: Dataset) -> tuple[str, ...]:
    """The value columns of a prepared series."""
    return tuple(name for name in dataset.columns if name != "time")


class Series:
    """The rows of a prepared series, normalised with mean and deviation of the training rows only."""

    def __init__(self, dataset: Dataset, settings: WindowSettings):
        self.names = settings.features or dataset_columns(dataset)
        self.rows = dataset.rows
        self._columns = [dataset.column(name) for name in self.names]
        begin, end = settings.bounds(dataset.rows)["train"]
        if end - begin < 2:
            raise DataError(f"the training split has {end - begin} rows; change split")
        pairs = [dataset.statistics(name, begin, end) for name in self.names]
        self.mean = np.array([mean for mean, _ in pairs])
        # A column that does not change over the training rows carries nothing: leave it at zero, not at infinity.
        self.std = np.array([std if std > 0 else 1.0 for _, std in pairs])

    @property
    def nbytes(self) -> int:
        """Bytes of the normalised series in memory."""
        return self.rows * len(self.names) * 4

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Normalised rows, float32 of shape `rows.shape + (features,)`."""
        out = np.empty((*rows.shape, len(self.names)), np.float32)
        for number, column in enumerate(self._columns):
            out[..., number] = (column.take(rows) - self.mean[number]) / self.std[number]
        return out

    @cached_property
    def normalised(self) -> np.ndarray:
        """All rows normalised, float32 of shape `(rows, features)`: one private copy."""
        out = np.empty((self.rows, len(self.names)), np.float32)
        for number, column in enumerate(self._columns):
            out[:, number] = (column.slice(0, self.rows) - self.mean[number]) / self.std[number]
        return out


@dataclass(frozen=True)
class Windows:
    """The windows of rows `[begin, end)` of a series; neither x nor y looks past them.

    Window i stands at row `r = begin + lookback + i * stride`. Its x are rows `r - lookback, r - lookback + step,
    ...` up to r (not r itself), as in the generator of listing 6.33; its y are the targets at `r + delay`.
    """

    series: Series
    settings: WindowSettings
    begin: int
    end: int
    _targets: np.ndarray = field(init=False, repr=False)
    _offsets: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        s = self.settings
        missing = [name for name in s.targets if name not in self.series.names]
        if missing:
            raise DataError(f"target {missing[0]!r} is not among the columns {', '.join(self.series.names)}")
        offsets = np.arange(-s.lookback, 0, s.step)
        object.__setattr__(self, "_offsets", offsets[::-1].copy() if s.reversed else offsets)
        object.__setattr__(self, "_targets", np.array([self.series.names.index(name) for name in s.targets]))

    def __len__(self) -> int:
        room = self.end - self.begin - self.settings.lookback - self.settings.delay
        return max(0, -(-room // self.settings.stride))

    @property
    def nbytes(self) -> int:
        """Bytes that `arrays` takes on a device."""
        return self.series.nbytes

    @property
    def batch_bytes(self) -> int:
        """Bytes of one window."""
        return 4 * (self.settings.steps * len(self.series.names) + len(self._targets))

    def arrays(self) -> dict[str, np.ndarray]:
        """The normalised series, the same array for every split."""
        return {"series": self.series.normalised}

    def mapped(self) -> dict[str, Any]:
        """The series on disk, normalised when rows are taken."""
        return {"series": self.series}

    def rows(self, indices: Any) -> Any:
        """The row at which each window stands."""
        return indices * self.settings.stride + (self.begin + self.settings.lookback)

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        """Builds a batch.

        Args:
            indices: int vector of n window numbers (NumPy or TensorFlow).
            arrays: what `arrays` or `mapped` gave, or device copies.
            take: gathers rows of an array.

        Returns:
            x of shape `(n, steps, features)` and y of shape `(n, targets)`, float32.
        """
        rows = self.rows(indices)
        x = take(arrays["series"], rows[:, None] + self._offsets)
        ahead = take(arrays["series"], rows + self.settings.delay)
        # One slice a target: a gather along the last axis is slow on both sides.
        y = [ahead[:, target : target + 1] for target in self._targets]
        if len(y) == 1:
            return x, y[0]
        import keras

        return x, np.concatenate(y, 1) if isinstance(ahead, np.ndarray) else keras.ops.concatenate(y, 1)
