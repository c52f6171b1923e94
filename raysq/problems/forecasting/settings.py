"""Settings of forecasting windows, applied at batch time."""

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
    """Settings of forecasting windows.

    All of them are applied at batch time: changing one does not prepare the data again.

    A window is positioned at a row. It sees the `lookback` rows before that row, one in `step` of them. It forecasts
    the row `horizon` rows after the last row it sees (1: the very next row). Durations are given in rows, or in time
    ("6h", "5d", "3mo"), which is converted at the series' frequency. `resolve` derives settings left out from the
    frequency.

    Attributes:
        targets: columns to forecast.
        features: columns that the model sees; empty for all.
        calendar: cyclical features of the time of day, week, month or year to add: any of "hour", "weekday",
            "monthday", "yearday" and "month".
        lookback: rows from the first row of a window to its position.
        step: take one row in so many.
        anchor: the end of the window from which these rows are counted. "newest" always sees the row just before the
            window's position. "oldest" counts from the first row, `range(row - lookback, row, step)`, as the generator
            of listing 6.33 does, and may therefore see none of the last `step - 1` rows.
        horizon: rows to forecast, counted from the last row seen; several values for several horizons at once. If
            neither `horizon` nor `delay` is given, the row at the window's position is forecast.
        delay: rows to forecast, counted from the window's position (0), as in the book; instead of `horizon`.
        stride: use one window in so many.
        reversed: whether the latest row comes first.
        quantiles: quantiles to forecast, such as 0.1,0.5,0.9 (pinball loss); empty for one value (mean absolute
            error).
        season: rows of a season, for the seasonal-naive baseline; 0 for none.
        split: rows or shares of train, val and test in time order, "200000/100000/rest" or "0.5/0.25/0.25", or the
            dates at which val and test begin, "2013-01-01/2014-01-01". Each series is split by itself. None for
            the known split of the data set, else 0.5/0.25/0.25.
        known_splits: "ROWS:SPLIT", the split of a data set with exactly that many rows.
        unit: unit of the targets, for display; None takes it from the column's name, as in "T (degC)".

    Raises:
        UsageError: a value is out of range, or settings contradict each other.
    """

    targets: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    lookback: int = 120
    step: int = 1
    anchor: Literal["newest", "oldest"] = "oldest"  # the default of runs without this setting; `resolve` sets "newest"
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
        """Return the settings with durations in rows and defaults that suit the data set's frequency.

        Args:
            values: settings as the user gives them.
            dataset: a prepared series.

        Raises:
            UsageError: a duration cannot be parsed or is no whole number of rows, or a setting needs times and the rows
                are numbered.
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
        # Defaults suit the series of median length: series shorter than a window have no windows.
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
        """Number of rows that a model sees of a window."""
        return len(range(0, self.lookback, self.step))

    @property
    def offsets(self) -> range:
        """Rows that a model sees, oldest first, relative to the window's position (negative)."""
        if self.anchor == "oldest":
            return range(-self.lookback, 0, self.step)
        return range(-1 - (self.steps - 1) * self.step, 0, self.step)

    @property
    def last(self) -> int:
        """Latest row seen, relative to the window's position (negative)."""
        return self.offsets[-1]

    @property
    def ahead(self) -> tuple[int, ...]:
        """Rows to forecast, relative to the window's position (0)."""
        return self.delay or tuple(rows + self.last for rows in self.horizon) or (0,)

    @property
    def horizons(self) -> tuple[int, ...]:
        """Rows to forecast, counted from the last row seen."""
        return tuple(rows - self.last for rows in self.ahead)

    def bounds(self, dataset: Dataset) -> list[splits.Bounds]:
        """Return the first row and the end row of each split, for each series.

        Args:
            dataset: a prepared series.

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
        """Return the windows of each split.

        Args:
            dataset: a prepared series.

        Raises:
            DataError: a column is missing, no window fits into a split or has an observed target, or a target's
                category is missing on some rows.
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
        """Raise DataError for a target of a category that some rows lack: its value there is unknown."""
        unlabeled = dataset.manifest.report.get("unlabeled", {})
        for target in self.targets:
            category = target.rpartition("=")[0]
            if category in unlabeled:
                raise DataError(
                    f"target {target}: {unlabeled[category]['count']:,} rows have no {category}: fill these cells, or "
                    "leave the rows out of the file"
                )

    def inputs(self, dataset: Dataset) -> InputSpec:
        """Return the input spec for model builders.

        `extra` holds `reversed`, and for the untrained baselines `latest` and `seasonal`. These list for each horizon
        the index of the step to repeat; `seasonal` is None where the window holds no such step.
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
        """Return for each horizon the index of the step whole seasons earlier, or None if the window lacks one."""
        if not self.season:
            return None
        # The latest visible row that lies a whole number of seasons before the row to forecast.
        rows = [ahead - self.season * math.ceil((ahead - self.last) / self.season) for ahead in self.ahead]
        return [self._index(row) for row in rows] if min(rows) >= self.offsets[0] else None

    def _index(self, row: int) -> int:
        """Return the index of the step that shows a row (relative to the window's position), or of the nearest step."""
        index = min(round((row - self.offsets[0]) / self.step), self.steps - 1)
        return self.steps - 1 - index if self.reversed else index


def value_columns(dataset: Dataset) -> tuple[str, ...]:
    """Return the value columns of a prepared series."""
    return tuple(name for name in dataset.columns if name != "time")


def segments(dataset: Dataset) -> list[tuple[int, int]]:
    """Return the first row and the end row of each series: a single one unless the data set was prepared with an id."""
    series = dataset.manifest.report.get("series")
    if not series:
        return [(0, dataset.rows)]
    found, begin = [], 0
    for one in series:
        found.append((begin, begin + one["rows"]))
        begin += one["rows"]
    return found


def _needs_times(setting: str, value: Any) -> bool:
    """Return whether a setting needs times: a calendar, or a split by dates."""
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
