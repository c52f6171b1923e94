"""Settings of forecasting windows, applied at batch time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from raysq.config import Range, check_ranges
from raysq.errors import UsageError
from raysq.problems.forecasting import horizons, splits
from raysq.problems.forecasting.cyclical_features import check_calendar
from raysq.problems.setting_types import Count


@dataclass(frozen=True)
class ForecastingSettings:
    """Settings of forecasting windows.

    All of them are applied at batch time: changing one does not prepare the data again.

    A window is positioned at a row. It sees the `lookback` rows before that row, one in `step` of them. It forecasts
    the row `horizon` rows after the last row it sees (1: the very next row). Durations are given in rows, or in time
    ("6h", "5d", "3mo"), which is converted at the series' frequency. `resolve_settings` derives settings left out from
    the frequency.

    Attributes:
        targets: columns to forecast.
        features: columns that the model sees; empty for all.
        future: columns whose values are known as far as the forecasts reach, such as prices or holidays. A model sees
            each of them once more, shifted: beside each row, the value of the row that lies as far ahead of it as the
            farthest forecast lies ahead of the newest row.
        calendar: cyclical features of the time of day, week, month or year to add: any of "hour", "weekday",
            "monthday", "yearday" and "month".
        lookback: rows from the first row of a window to its position.
        step: take one row in so many.
        anchor: the end of the window from which these rows are counted. "newest" always sees the row just before the
            window's position. "oldest" counts from the first row, `range(row - lookback, row, step)`, as the generator
            of listing 6.33 does, and may therefore see none of the last `step - 1` rows.
        horizon: rows to forecast, counted from the last row seen; several values for several horizons at once, or a
            range "1:96" for all rows from one to another. If neither `horizon` nor `delay` is given, the row at the
            window's position is forecast.
        delay: rows to forecast, counted from the window's position (0), as in the book; instead of `horizon`.
        stride: use one window in so many.
        reversed: whether the latest row comes first.
        quantiles: quantiles to forecast, such as 0.1,0.5,0.9 (pinball loss); empty for one value.
        loss: loss of forecasts of one value: mean absolute or mean squared error. `resolve_settings` sets "mse" with
            `protocol="ltsf"`, as the models of its tables are trained.
        season: rows of a season, for the seasonal-naive baseline; 0 for none.
        split: rows or shares of train, val and test in time order, "200000/100000/rest" or "0.5/0.25/0.25", or the
            dates at which val and test begin, "2013-01-01/2014-01-01". Each series is split by itself. None for
            the known split of the data set, else 0.5/0.25/0.25.
        protocol: how the splits are used. With "inside", a window reads rows of its own split only. "ltsf" is the
            protocol of LTSF-Linear (Zeng et al. 2023, https://arxiv.org/abs/2205.13504), in which public tables of
            long-horizon forecasts are made. A window of val or test may see the `lookback` rows before its split, while
            the rows that it forecasts lie inside. The split, unless given, is that of the tables: 12, 4 and 4 months
            of 30 days for the series of the ETT data sets, known by their number of rows, and shares of 0.7, 0.1 and
            0.2 for others.
        known_splits: "ROWS:SPLIT", the split of a data set with exactly that many rows.
        unit: unit of the targets, for display; None takes it from the column's name, as in "T (degC)".

    Raises:
        UsageError: a value is out of range, or settings contradict each other.
    """

    targets: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    lookback: Count = 120
    step: Count = 1
    anchor: Literal["newest", "oldest"] = "oldest"  # `resolve_settings` sets "newest"
    horizon: tuple[int | str, ...] = ()
    delay: tuple[int | str, ...] = ()
    stride: Count = 1
    reversed: bool = False
    quantiles: tuple[float, ...] = ()
    loss: Literal["mae", "mse"] = "mae"
    season: Annotated[int, Range(least=0)] = 0
    split: str | None = None
    protocol: Literal["inside", "ltsf"] = "inside"
    known_splits: tuple[str, ...] = ()
    unit: str | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.step > self.lookback:
            raise UsageError(f"setting step ({self.step}) must not be larger than lookback ({self.lookback})")
        if self.horizon and self.delay:
            raise UsageError(
                "give either horizon, rows after the last row seen, or delay, rows after the first row not seen; "
                f"received horizon {','.join(map(str, self.horizon))} and delay {','.join(map(str, self.delay))}"
            )
        if min(self.ahead) < 0:
            raise UsageError(
                f"setting horizon ({self.horizons[0]}) ends inside the window, of which anchor=oldest sees nothing of "
                f"the last {-1 - self.last} rows: give anchor=newest, or a horizon from {-self.last} on"
            )
        if list(self.quantiles) != sorted(set(self.quantiles)) or not all(0 < q < 1 for q in self.quantiles):
            raise UsageError(
                f"setting quantiles must rise and lie between 0 and 1, such as 0.1,0.5,0.9; received "
                f"{','.join(map(str, self.quantiles))}"
            )
        if self.quantiles and self.loss != "mae":
            raise UsageError(
                f"setting loss={self.loss} is of forecasts of one value, and quantiles have the pinball loss"
            )
        if not self.targets:
            raise UsageError("setting targets names no column: say which columns to forecast")
        for name in ("targets", "features", "future"):
            twice = [column for column in getattr(self, name) if getattr(self, name).count(column) > 1]
            if twice:
                raise UsageError(f"setting {name} names {twice[0]!r} twice")
        for column in self.future:
            if column in self.targets:
                raise UsageError(f"setting future names {column!r}, which is a target: its future is forecast")
            if self.features and column not in self.features:
                raise UsageError(f"setting future names {column!r}, which features leaves out: name it there too")
        check_calendar(self.calendar)
        if self.split is not None:
            splits.check(self.split)

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

    @cached_property
    def ahead(self) -> Sequence[int]:
        """Rows to forecast, relative to the window's position (0): a range where the setting is one."""
        rows = horizons.expand(self.horizon, "horizon", 1)
        return horizons.expand(self.delay, "delay", 0) or _shift(rows, self.last) or (0,)

    @property
    def horizons(self) -> Sequence[int]:
        """Rows to forecast, counted from the last row seen: a range where the setting is one."""
        return _shift(self.ahead, -self.last)

    @property
    def is_range(self) -> bool:
        """Whether all rows from one to another are forecast."""
        return isinstance(self.ahead, range)

    @property
    def lead(self) -> int:
        """Rows by which columns of the future are shifted: from the last row seen to the farthest forecast."""
        return max(self.horizons)

    @property
    def rows_needed(self) -> int:
        """Rows that a forecast needs: its history, and with columns of the future those that it reaches."""
        return self.lookback + (max(self.ahead) + 1 if self.future else 0)

    @property
    def future_names(self) -> tuple[str, ...]:
        """Names of the inputs that are columns of the future."""
        return tuple(f"{name} ahead" for name in self.future)

    @property
    def outputs(self) -> int:
        """Number of values that a model predicts."""
        return len(self.ahead) * len(self.targets) * max(1, len(self.quantiles))

    @property
    def latest_steps(self) -> list[int]:
        """For each horizon the index of the step that persistence repeats: the latest."""
        return [self._index(self.last)] * len(self.ahead)

    @property
    def seasonal_steps(self) -> list[int] | None:
        """For each horizon the index of the step whole seasons earlier; None if the window lacks one."""
        if not self.season:
            return None
        # The latest visible row that lies a whole number of seasons before the row to forecast.
        rows = [ahead - self.season * math.ceil((ahead - self.last) / self.season) for ahead in self.ahead]
        return [self._index(row) for row in rows] if min(rows) >= self.offsets[0] else None

    def _index(self, row: int) -> int:
        """Return the index of the step that shows a row (relative to the window's position), or of the nearest step."""
        index = min(round((row - self.offsets[0]) / self.step), self.steps - 1)
        return self.steps - 1 - index if self.reversed else index


def _shift(rows: Sequence[int], by: int) -> Sequence[int]:
    if isinstance(rows, range):
        return range(rows.start + by, rows.stop + by)
    return tuple(row + by for row in rows)
