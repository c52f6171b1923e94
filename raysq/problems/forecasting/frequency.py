"""Frequency of a series: equal steps, weeks with rows on some days only, or calendar months.

Timestamps are int64 microseconds since 1970. Days and months are those of the series' time zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raysq.data import time_zones
from raysq.data.durations import DAY, MONTH, WEEK
from raysq.errors import UsageError

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
VALID = (
    "an offset alias of pandas: 10min, h, D, W-SUN, MS, ME, QS-JAN, QE-DEC, YS-JAN, YE-DEC, BMS, BME, ..., B for "
    "Monday to Friday, or C: and the days of the week, such as C:Tue,Wed,Thu,Fri,Sat"
)

NUMBERED = "number"  # the alias of rows that have numbers instead of times
_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_UNITS = (("D", DAY), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6))
_MONTHS = {"M": 1, "Q": 3, "Y": 12}
_BUSINESS = (True,) * 5 + (False,) * 2
_US = 1_000_000
_DAY = 86_400 * _US
_MONDAY = 946_857_600 * _US  # 3 January 2000
_CLOCKS = 2 * 3600 * _US  # most that daylight saving time changes a step of a day or more


@dataclass(frozen=True)
class Frequency:
    """Step from a row of a series to the next.

    Attributes:
        seconds: most common step in seconds. For numbered rows, the step of their numbers. For calendar months, which
            have no fixed length, the number of months times `MONTH`.
        alias: offset alias of pandas for steps that follow a calendar, or `C:` and days of the week. `NUMBERED` for
            rows that have numbers instead of times. None for equal steps, and for the same day of every so many
            months.

    Example:
        >>> Frequency.parse("B").after(0, np.array([1, 2])).astype("datetime64[us]").astype("datetime64[D]")
        array(['1970-01-02', '1970-01-05'], dtype='datetime64[D]')
    """

    seconds: float
    alias: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Frequency":
        """Return the frequency that an alias names.

        Args:
            text: an offset alias of pandas, or "C:" and the days of the week that have rows.

        Raises:
            UsageError: an alias that is unknown to pandas or not supported.
        """
        import pandas as pd

        name, _, days = text.strip().partition(":")
        if name.upper() == "C":
            return cls._of_week(text, days)
        try:
            offset = pd.tseries.frequencies.to_offset(text.strip())
        except ValueError:
            offset = None
        if offset is None or offset.n < 1:
            raise UsageError(f"setting freq must be {VALID}; received {text!r}")
        alias = offset.freqstr
        if isinstance(offset, pd.offsets.Day):  # not a Tick since pandas 3
            return cls(DAY * offset.n)
        if isinstance(offset, pd.offsets.Tick):
            return cls(float(pd.Timedelta(offset).total_seconds()))
        if isinstance(offset, pd.offsets.Week):
            return cls(WEEK * offset.n, alias if offset.weekday is not None else None)
        kind = alias.lstrip("0123456789").split("-")[0]
        if kind == "B":
            return cls(DAY * offset.n, alias)
        if kind.removeprefix("B")[:1] in _MONTHS and kind.removeprefix("B")[1:] in ("S", "E"):
            return cls(_MONTHS[kind.removeprefix("B")[0]] * MONTH * offset.n, alias)
        raise UsageError(f"setting freq={text}: {type(offset).__name__} is not supported; it must be {VALID}")

    @classmethod
    def _of_week(cls, text: str, days: str) -> "Frequency":
        abbreviations = dict(zip((*WEEKDAYS, *_LONG_DAYS), WEEKDAYS * 2, strict=True))
        names = [abbreviations.get(day.strip().title()) for day in days.replace(" ", ",").split(",") if day.strip()]
        if not names or None in names or len(set(names)) < len(names):
            raise UsageError(
                f"setting freq={text}: C is followed by the days of the week that have rows, such as "
                "C:Tue,Wed,Thu,Fri,Sat"
            )
        return cls.of_week([day in names for day in WEEKDAYS])

    @classmethod
    def of_week(cls, days: "list[bool] | tuple[bool, ...]") -> "Frequency":
        """Return the frequency of rows on some days of the week, from Monday to Sunday."""
        opened = [number for number, has_rows in enumerate(days) if has_rows]
        if len(opened) == 7:
            return cls(DAY)
        if len(opened) == 1:
            return cls(WEEK, f"W-{WEEKDAYS[opened[0]].upper()}")
        steps = [(after - day - 1) % 7 + 1 for day, after in zip(opened, opened[1:] + opened[:1], strict=True)]
        usual = max(sorted(set(steps)), key=steps.count)
        if tuple(days) == _BUSINESS:
            return cls(DAY, "B")
        return cls(usual * DAY, "C:" + ",".join(WEEKDAYS[number] for number in opened))

    @classmethod
    def from_report(cls, report: Mapping[str, Any]) -> "Frequency | None":
        """Return the frequency that a data set's report states, or None for rows without a cadence."""
        return cls.restore(report.get("cadence_seconds"), report.get("frequency"), report.get("step"))

    @classmethod
    def restore(cls, cadence_seconds: float | None, alias: str | None, step: float | None) -> "Frequency | None":
        """Return the frequency that a report or a run's metadata state; None for rows without a cadence."""
        if alias == NUMBERED and step is not None:
            return cls(float(step), NUMBERED)
        if cadence_seconds is None:
            return None
        named = cls.parse(alias) if alias else None
        return named if named is not None and named.alias else cls(cadence_seconds)

    @property
    def name(self) -> str | None:
        """Alias for the manifest, including that of equal steps; None where pandas has none."""
        if self.alias or self.months:
            return self.alias
        for unit, length in _UNITS:
            count = self.seconds / length
            if count >= 1 and abs(count - round(count)) < 1e-6:
                return unit if round(count) == 1 else f"{round(count)}{unit}"
        return None

    @property
    def numbered(self) -> bool:
        """Whether rows have numbers instead of times."""
        return self.alias == NUMBERED

    @property
    def months(self) -> int:
        """Calendar months from row to row; 0 for other steps."""
        count = 0.0 if self.numbered else self.seconds / MONTH
        return round(count) if count > 0.99 and abs(count - round(count)) < 1e-9 else 0

    @cached_property
    def days(self) -> tuple[bool, ...] | None:
        """Days of the week that have rows, from Monday to Sunday, if only some have; None for other steps."""
        if self.alias is None:
            return None
        if self.alias.startswith("C:"):
            return tuple(day in self.alias[2:].split(",") for day in WEEKDAYS)
        return _BUSINESS if self.alias.lstrip("0123456789") == "B" else None

    @property
    def every(self) -> int:
        """Number of days with rows from one row to the next: more than 1 for multiples of "B" only."""
        return int(self.alias[:-1] or 1) if self.alias and self.alias.endswith("B") and self.days else 1

    @property
    def words(self) -> str:
        """Description that complements the length of a step, such as "Monday to Friday"; may be empty."""
        if self.days is not None:
            opened = [number for number, has_rows in enumerate(self.days) if has_rows]
            if opened == list(range(opened[0], opened[-1] + 1)):
                return f"{_LONG_DAYS[opened[0]]} to {_LONG_DAYS[opened[-1]]}"
            return f"on {', '.join(_LONG_DAYS[number] for number in opened)}"
        if not self.alias or not self.months:
            return ""
        business = "business " if self.alias.lstrip("0123456789").startswith("B") else ""
        return f"on the {'last' if 'E' in self.alias.split('-')[0] else 'first'} {business}day"

    @cached_property
    def _offset(self) -> Any:
        import pandas as pd

        return pd.tseries.frequencies.to_offset(self.alias)

    @property
    def of_calendar(self) -> bool:
        """Whether steps are whole days or months, whose lengths change with daylight saving time."""
        return self.months > 0 or (not self.numbered and self.seconds >= DAY and self.seconds % DAY == 0)

    def after(self, timestamp: int, counts: np.ndarray, zone: str | None = None) -> np.ndarray:
        """Return the timestamps of the rows at the given distances after a row.

        Args:
            timestamp: timestamp of the row, in UTC if there is a zone.
            counts: whole numbers of rows from 0.
            zone: time zone of the series.

        Returns:
            int64 microseconds, of the shape of `counts`.
        """
        timestamp, counts = int(timestamp), np.asarray(counts, np.int64)
        if zone is not None and self.of_calendar:
            wall = self.after(int(time_zones.utc_to_local(np.array([timestamp]), zone)[0]), counts)
            return np.where(counts > 0, time_zones.local_to_utc(wall, zone), timestamp)
        if self.days is not None:
            day = np.datetime64(timestamp, "us").astype("datetime64[D]")
            at = timestamp - int(day.astype("datetime64[us]").astype(np.int64))
            moved = np.busday_offset(day, counts * self.every, roll="backward", weekmask=self.days)
            return np.where(counts > 0, moved.astype("datetime64[us]").astype(np.int64) + at, timestamp)
        if self.alias is not None and self.months:
            import pandas as pd

            begin = pd.Timestamp(timestamp, unit="us")
            distinct, inverse = np.unique(counts, return_inverse=True)
            later = pd.DatetimeIndex([begin + int(count) * self._offset if count else begin for count in distinct])
            return np.asarray(later.as_unit("us").asi8)[inverse]
        if self.months:
            return _same_day(timestamp, counts * self.months)
        return timestamp + np.round(counts * (self.seconds * 1e6)).astype(np.int64)

    def count(self, first: int, last: int) -> int:
        """Return an upper bound of the number of rows from one timestamp to another."""
        seconds = WEEK / sum(self.days) * self.every if self.days is not None else self.seconds
        if self.days is not None or self.months:
            return int((last - first) / (seconds * 1e6) * 1.05) + 3
        return int((last - first) // round(seconds * 1e6)) + (2 if self.of_calendar else 1)

    def grid(self, first: int, last: int, zone: str | None = None) -> np.ndarray:
        """Return the timestamps of all rows from `first` to at most `last`.

        Args:
            first: timestamp of the first row.
            last: upper bound of the timestamps.
            zone: time zone of the series.
        """
        timestamps = self.after(first, np.arange(self.count(first, last)), zone)
        return timestamps[timestamps <= last]

    @cached_property
    def longest(self) -> tuple[int, ...]:
        """Longest step to the next row in microseconds, by the day of the week of the row.

        The eighth entry holds for any day. A step that is longer by more than `tolerance` is a gap.
        """
        if self.days is not None:
            begins = [_MONDAY + _DAY * day for day in range(7)]
            steps = [int(self.after(begin, np.ones(1, np.int64))[0]) - begin for begin in begins]
            return (*steps, max(steps))
        if self.months:
            return (int(max(self._steps)) + _CLOCKS,) * 8
        return (round(self.seconds * 1e6),) * 8

    @property
    def tolerance(self) -> int:
        """Microseconds by which daylight saving time may change a step of days.

        0 for months, whose `longest` and `shortest` already include them.
        """
        return _CLOCKS if self.of_calendar and not self.months else 0

    @cached_property
    def shortest(self) -> int:
        """Shortest step to the next row in microseconds."""
        if self.days is not None:
            return min(step for step, has_rows in zip(self.longest, self.days, strict=False) if has_rows)
        if self.months:
            return int(min(self._steps)) - _CLOCKS
        return round(self.seconds * 1e6)

    @cached_property
    def _steps(self) -> np.ndarray:
        """Return the steps of some decades of calendar months."""
        return np.diff(self.after(_MONDAY, np.arange(2, 600 // self.months + 4)))


def _same_day(timestamp: int, months: np.ndarray) -> np.ndarray:
    """Return the same day so many months later, or the last day of a month that is too short."""
    moment = np.datetime64(timestamp, "us")
    month = moment.astype("datetime64[M]")
    first = (month + months.astype("timedelta64[M]")).astype("datetime64[M]")
    days = (moment - month).astype("timedelta64[us]")
    last = (first + np.timedelta64(1, "M")).astype("datetime64[us]") - np.timedelta64(1, "D")
    same: np.ndarray = np.minimum(first.astype("datetime64[us]") + days, last + days % np.timedelta64(1, "D"))
    return same.astype(np.int64)
