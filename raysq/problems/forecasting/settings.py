"""What a window of a series is: the batch-time settings of a forecast."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from raysq.config import nearest_name
from raysq.data.dataset import Dataset
from raysq.errors import DataError, UsageError
from raysq.problems.base import InputSpec
from raysq.problems.forecasting import row_durations, splits
from raysq.problems.forecasting.frequency import Frequency

if TYPE_CHECKING:
    from raysq.problems.forecasting.batches import Windows

DEFAULT_SPLIT = "0.5/0.25/0.25"


@dataclass(frozen=True)
class ForecastingSettings:
    """What a window is. All of it is applied at batch time: changing it prepares nothing again.

    A window stands at a row: it sees the `lookback` rows before that row, one in `step` of them, and forecasts the row
    `horizon` rows after the last one that it sees (1: the very next). Spans are given in rows, or in time ("6h", "5d",
    "3mo"), which is read at the series' frequency; what is not given follows from it.

    Attributes:
        targets: columns to forecast.
        features: columns that the model sees; empty for all.
        calendar: waves of the time of day, week, month or year beside the features: of "hour", "weekday",
            "monthday", "yearday" and "month".
        lookback: rows back from which a window begins.
        step: take one row in so many.
        anchor: the end of the window that these rows are counted from. "newest" always sees the row before the
            window's own; "oldest" counts from the first, `range(row - lookback, row, step)`, as the generator of
            listing 6.33 does, and so may see nothing of the last `step - 1` rows.
        horizon: rows to forecast, counted from the last row seen; several for several horizons at once. The row at
            which the window stands if neither this nor `delay` is given.
        delay: the same, counted from the row at which the window stands (0), as in the book; instead of `horizon`.
        stride: use one window in so many.
        reversed: latest row first.
        quantiles: to forecast, such as 0.1,0.5,0.9 (pinball loss); empty for one value (mean absolute error).
        season: rows of a season, for the seasonal-naive reference; 0 for none.
        split: rows or shares of train, val and test in time order, "200000/100000/rest" or "0.5/0.25/0.25", or the
            dates at which val and test begin, "2013-01-01/2014-01-01"; of each series, where there are several. None
            for the known split of the data set, else 0.5/0.25/0.25.
        known_splits: "ROWS:SPLIT", the split of a data set with exactly that many rows.
        unit: of the targets, for display; none reads it from the column's name, as in "T (degC)".
    """

    targets: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    lookback: int = 120
    step: int = 1
    anchor: Literal["newest", "oldest"] = "oldest"  # of runs that do not say it; `resolve` says "newest"
    horizon: tuple[int, ...] = ()
    delay: tuple[int, ...] = ()
    stride: int = 1
    reversed: bool = False
    quantiles: tuple[float, ...] = ()
    season: int = 0
    split: str | None = None
    known_splits: tuple[str, ...] = ()
    unit: str | None = None

    either: ClassVar[tuple[tuple[str, ...], ...]] = (("horizon", "delay"),)

    def __post_init__(self) -> None:
        for name, least in (("lookback", 1), ("step", 1), ("stride", 1), ("season", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"setting {name} must be at least {least}, received {getattr(self, name)}")
        if self.step > self.lookback:
            raise UsageError(f"setting step ({self.step}) must not be larger than lookback ({self.lookback})")
        if self.horizon and self.delay:
            raise UsageError(
                "give either horizon, rows after the last row seen, or delay, rows after the first row not seen; "
                f"received horizon {','.join(map(str, self.horizon))} and delay {','.join(map(str, self.delay))}"
            )
        for name, least in (("horizon", 1), ("delay", 0)):
            rows = getattr(self, name)
            if rows and (min(rows) < least or list(rows) != sorted(set(rows))):
                raise UsageError(
                    f"setting {name} must be one or several rising numbers of rows from {least} on, received "
                    f"{','.join(map(str, rows))}"
                )
        if min(self.ahead) < 0:
            raise UsageError(
                f"setting horizon ({self.horizon[0]}) ends inside the window, of which anchor=oldest sees nothing of "
                f"the last {-1 - self.last} rows: give anchor=newest, or a horizon from {-self.last} on"
            )
        if list(self.quantiles) != sorted(set(self.quantiles)) or not all(0 < q < 1 for q in self.quantiles):
            raise UsageError(
                f"setting quantiles must rise and lie between 0 and 1, such as 0.1,0.5,0.9; received "
                f"{','.join(map(str, self.quantiles))}"
            )
        if not self.targets:
            raise UsageError("setting targets names no column: say which columns to forecast")
        for name in ("targets", "features"):
            twice = [column for column in getattr(self, name) if getattr(self, name).count(column) > 1]
            if twice:
                raise UsageError(f"setting {name} names {twice[0]!r} twice")
        row_durations.check_calendar(self.calendar)
        if self.split is not None:
            splits.check(self.split)

    @classmethod
    def resolve(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The settings with spans of time as rows, and with what follows from the data set's frequency.

        Args:
            values: settings as a person may give them.
            dataset: a prepared series.

        Raises:
            UsageError: a span that is none, or no whole number of rows.
            DataError: a column that the data set does not have.
        """
        resolved = dict(values)
        frequency = Frequency.of(dataset.manifest.report)
        for name in ("lookback", "step", "stride", "season"):
            if resolved.get(name) not in (None, "none"):
                resolved[name] = row_durations.rows(resolved[name], frequency, name)
            elif name in resolved:
                del resolved[name]
        for name in ("horizon", "delay"):
            value = resolved.pop(name, None)
            if value in (None, "none", "", (), []):
                continue
            values_given = value.strip("[]").split(",") if isinstance(value, str) else value
            values_given = values_given if isinstance(values_given, (list, tuple)) else [values_given]
            resolved[name] = tuple(row_durations.rows(one, frequency, name) for one in values_given)
        resolved.setdefault("anchor", "newest")
        # Of several series the usual one decides: those that are shorter than a window give none.
        usual = median(end - begin for begin, end in segments(dataset))
        for name, value in row_durations.defaults(frequency, int(usual)).items():
            if name not in resolved and not (name == "horizon" and "delay" in resolved):
                resolved[name] = 0 if value is None else (value,) if name == "horizon" else value
        if "step" not in values and resolved["step"] > resolved["lookback"]:
            resolved["step"] = 1
        for name in ("targets", "features"):
            _check_columns(name, resolved.get(name), dataset)
        if dataset.manifest.report.get("numbered"):
            dated = [name for name in ("calendar", "split") if _needs_times(name, resolved.get(name))]
            if dated:
                raise UsageError(
                    f"setting {dated[0]}={resolved[dated[0]]} needs times, and the rows of {dataset.manifest.name} are "
                    f"numbered"
                )
        return resolved

    @property
    def steps(self) -> int:
        """Rows that a model sees of a window."""
        return len(range(0, self.lookback, self.step))

    @property
    def offsets(self) -> range:
        """The rows that a model sees, oldest first, counted from the row at which the window stands (negative)."""
        if self.anchor == "oldest":
            return range(-self.lookback, 0, self.step)
        return range(-1 - (self.steps - 1) * self.step, 0, self.step)

    @property
    def last(self) -> int:
        """The latest row seen, counted as `offsets`."""
        return self.offsets[-1]

    @property
    def ahead(self) -> tuple[int, ...]:
        """The rows to forecast, counted from the row at which the window stands (0)."""
        return self.delay or tuple(rows + self.last for rows in self.horizon) or (0,)

    @property
    def horizons(self) -> tuple[int, ...]:
        """The rows to forecast, counted from the last row seen."""
        return tuple(rows - self.last for rows in self.ahead)

    def bounds(self, dataset: Dataset) -> list[splits.Bounds]:
        """First row and end row of each split, for each series of a data set.

        Raises:
            DataError: the split does not fit.
        """
        known = dict(one.split(":", 1) for one in self.known_splits)
        text = self.split or known.get(str(dataset.rows)) or DEFAULT_SPLIT
        found = []
        for begin, end in segments(dataset):
            one = splits.bounds(
                text,
                end - begin,
                lambda begin=begin, end=end: dataset.column("time").slice(begin, end).view("int64"),
                dataset.manifest.report.get("timezone"),
            )
            found.append({name: (begin + low, begin + high) for name, (low, high) in one.items()})
        return found

    def open(self, dataset: Dataset) -> "dict[str, Windows]":
        """The windows of each split of a data set.

        Raises:
            DataError: a column is not there, or a split has no room for a window.
        """
        from raysq.problems.forecasting.batches import Windows
        from raysq.problems.forecasting.series import Series

        self._check_categories(dataset)
        bounds = self.bounds(dataset)
        series = Series(dataset, self, bounds)
        windows = {name: Windows(series, self, tuple(one[name] for one in bounds)) for name in splits.SPLITS}
        for split in ("train", "val"):
            if not len(windows[split]) and windows[split].room:
                raise DataError(
                    f"no window of the {split} split has a target of {', '.join(self.targets)} that was observed: "
                    "change split, or give more data"
                )
        if not len(windows["train"]) or not len(windows["val"]):
            rows = {name: max(end - begin for begin, end in one.bounds) for name, one in windows.items()}
            frequency = Frequency.of(dataset.manifest.report)
            span = f" = {row_durations.say(self.lookback, frequency)}" if frequency else ""
            name = "delay" if self.delay else "horizon"
            raise DataError(
                f"no window fits: one needs {self.lookback + max(self.ahead) + 1:,} rows (lookback "
                f"{self.lookback:,}{span}, {name} {max(getattr(self, name)):,}), the splits have {rows['train']:,} / "
                f"{rows['val']:,} / {rows['test']:,}; lower lookback or {name}, or give more data"
            )
        return windows

    def _check_categories(self, dataset: Dataset) -> None:
        """Refuse a target that is a value of a category which some rows lack: whether they have it is not known."""
        unlabeled = dataset.manifest.report.get("unlabeled", {})
        for target in self.targets:
            category = target.rpartition("=")[0]
            if category in unlabeled:
                raise DataError(
                    f"target {target}: {unlabeled[category]['count']:,} rows have no {category}: fill these cells, or "
                    "leave the rows out of the file"
                )

    def inputs(self, dataset: Dataset) -> InputSpec:
        """What a model builder is told.

        `extra` has `reversed`, and for the untrained references `latest` and `seasonal`: for each horizon the
        index of the step to repeat, or None where there is none in the window.
        """
        columns = self.features or value_columns(dataset)
        names = (*columns, *row_durations.wave_names(self.calendar))
        return InputSpec(
            shape=(self.steps, len(names)),
            outputs=len(self.ahead) * len(self.targets) * max(1, len(self.quantiles)),
            names=names,
            targets=tuple(names.index(name) for name in self.targets if name in names),
            extra={
                "reversed": self.reversed,
                "latest": [self._index(self.last)] * len(self.ahead),
                "seasonal": self.seasonal(),
            },
        )

    def seasonal(self) -> list[int] | None:
        """For each horizon the index of the step a whole number of seasons before it, or None without such steps."""
        if not self.season:
            return None
        # The latest row seen that lies whole seasons before the row to forecast.
        rows = [ahead - self.season * math.ceil((ahead - self.last) / self.season) for ahead in self.ahead]
        return [self._index(row) for row in rows] if min(rows) >= self.offsets[0] else None

    def _index(self, row: int) -> int:
        """The step of the window that shows a row (counted as `offsets`), or the nearest to it."""
        index = min(round((row - self.offsets[0]) / self.step), self.steps - 1)
        return self.steps - 1 - index if self.reversed else index


def value_columns(dataset: Dataset) -> tuple[str, ...]:
    """The value columns of a prepared series."""
    return tuple(name for name in dataset.columns if name != "time")


def segments(dataset: Dataset) -> list[tuple[int, int]]:
    """First row and end row of each series of a data set: one, unless it was prepared with an id."""
    series = dataset.manifest.report.get("series")
    if not series:
        return [(0, dataset.rows)]
    found, begin = [], 0
    for one in series:
        found.append((begin, begin + one["rows"]))
        begin += one["rows"]
    return found


def _needs_times(setting: str, value: Any) -> bool:
    """Whether the calendar is asked for, or a split by dates."""
    return bool(value) if setting == "calendar" else value is not None and splits.dates(str(value)) is not None


def _check_columns(setting: str, value: Any, dataset: Dataset) -> None:
    if isinstance(value, str):
        return  # coerced and checked later, when it is a list
    there = value_columns(dataset)
    for name in value or ():
        if name not in there:
            raise DataError(
                f"setting {setting}: data set {dataset.manifest.name} has no column {name!r}: "
                f"{nearest_name(name, there)}"
            )
