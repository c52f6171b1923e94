"""Graph of the cyclical features of the calendar, equal to `cyclical_features` of local times."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from raysq.data import time_zones
from raysq.data.durations import DAY
from raysq.problems.graph import GraphOps, Tensor

_US = 1_000_000
_DAY = int(DAY) * _US
FIRST, LAST = (int(np.datetime64(f"{year}-01-01", "us").astype(np.int64)) for year in (1900, 2100))
_GRID = 6 * 3600 * _US  # offsets of a zone do not change twice within so many microseconds
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_BEFORE = tuple(sum(_DAYS[:month]) for month in range(12))


def calendar_features(ops: GraphOps, moments: Tensor, names: Sequence[str], zone: str | None) -> Tensor:
    """Return sine and cosine of the position in the day, week, month and year, float32 of one more axis.

    Args:
        ops: operations of the format, which has whole numbers of 64 bits.
        moments: int64 microseconds since 1970, from the year 1900 to before 2100.
        names: any of `CALENDAR`.
        zone: time zone of the series, or None.
    """
    calendar = _Calendar(ops, _local(ops, moments, zone))
    waves = []
    for name in names:
        part, whole = calendar.position(name)
        share = ops.binary("divide", ops.cast(part, "float64"), ops.cast(whole, "float64"))
        angle = ops.binary("multiply", ops.constant(2 * math.pi, "float64"), share)
        waves += [ops.expand(ops.cast(ops.unary(wave, angle), "float32"), 2) for wave in ("sin", "cos")]
    return ops.concat(waves, 2)


def outside(ops: GraphOps, moments: Tensor) -> Tensor:
    """Return whether moments lie outside of the years that the table of a time zone covers."""
    return ops.binary(
        "or",
        ops.binary("less", moments, ops.constant(FIRST, "int64")),
        ops.binary("less", ops.constant(LAST - 1, "int64"), moments),
    )


class _Calendar:
    """Days, months and years of moments of local time."""

    def __init__(self, ops: GraphOps, moments: Tensor):
        self._ops = ops
        self._moments = moments
        self.days, self.time = self._divided(moments, _DAY)

    def _number(self, value: int) -> Tensor:
        return self._ops.constant(value, "int64")

    def _math(self, name: str, a: Tensor, b: int | Tensor) -> Tensor:
        return self._ops.binary(name, a, self._number(b) if isinstance(b, int) else b)

    def _divided(self, a: Tensor, b: int) -> tuple[Tensor, Tensor]:
        quotient = self._math("divide", a, b)
        return quotient, self._math("subtract", a, self._math("multiply", quotient, b))

    def position(self, name: str) -> tuple[Tensor, Tensor]:
        """Return the position in a unit of the calendar from 0 on, and the size of the unit."""
        if name == "hour":
            return self.time, self._number(_DAY)
        if name == "weekday":  # 1 January 1970 was a Thursday
            return self._divided(self._math("add", self.days, 3), 7)[1], self._number(7)
        month, day, leap = self._date()
        if name == "month":
            return month, self._number(12)
        february = self._ops.binary("equal", month, self._number(1))
        table = self._ops.constant(np.array(_DAYS), "int64")
        if name == "monthday":
            extra = self._ops.cast(self._ops.binary("and", february, leap), "int64")
            return day, self._math("add", self._ops.gather(table, month), extra)
        later = self._ops.binary("and", self._ops.binary("less", self._number(1), month), leap)
        before = self._ops.gather(self._ops.constant(np.array(_BEFORE), "int64"), month)
        of_year = self._math("add", self._math("add", before, day), self._ops.cast(later, "int64"))
        return of_year, self._math("add", self._ops.cast(leap, "int64"), 365)

    def _date(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return month and day from 0 on, and whether the year is a leap year.

        Years begin in March in between, as in H. Hinnant, "chrono-compatible low-level date algorithms".
        """
        shifted = self._math("add", self.days, 719_468)
        era, day_of_era = self._divided(shifted, 146_097)
        leaps = self._math("subtract", day_of_era, self._divided(day_of_era, 1460)[0])
        leaps = self._math("add", leaps, self._divided(day_of_era, 36_524)[0])
        leaps = self._math("subtract", leaps, self._divided(day_of_era, 146_096)[0])
        year_of_era = self._divided(leaps, 365)[0]
        days = self._math("multiply", year_of_era, 365)
        days = self._math("add", days, self._divided(year_of_era, 4)[0])
        days = self._math("subtract", days, self._divided(year_of_era, 100)[0])
        day_of_year = self._math("subtract", day_of_era, days)
        march = self._divided(self._math("add", self._math("multiply", day_of_year, 5), 2), 153)[0]
        first = self._divided(self._math("add", self._math("multiply", march, 153), 2), 5)[0]
        month = self._divided(self._math("add", march, 2), 12)[1]
        early = self._ops.cast(self._ops.binary("less", month, self._number(2)), "int64")
        year = self._math("add", self._math("add", self._math("multiply", era, 400), year_of_era), early)
        fourth, hundredth, four_hundredth = (
            self._ops.binary("equal", self._divided(year, by)[1], self._number(0)) for by in (4, 100, 400)
        )
        leap = self._ops.binary("and", fourth, self._ops.unary("not", hundredth))
        return month, self._math("subtract", day_of_year, first), self._ops.binary("or", leap, four_hundredth)


def _local(ops: GraphOps, moments: Tensor, zone: str | None) -> Tensor:
    if zone is None or zone == "UTC":
        return moments
    first, changes, steps = _offsets(zone)
    local = ops.binary("add", moments, ops.constant(first, "int64"))
    if not len(changes):
        return local
    before = ops.binary("less", ops.expand(moments, 2), ops.constant(changes, "int64"))
    after = ops.cast(ops.unary("not", before), "int64")
    total = ops.reduce("sum", ops.binary("multiply", after, ops.constant(steps, "int64")), 2)
    return ops.binary("add", local, total)


@cache
def _offsets(zone: str) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the first offset of a zone, the moments of its changes, and the change of the offset at each."""

    def offset(moments: np.ndarray) -> np.ndarray:
        return np.asarray(time_zones.utc_to_local(moments, zone) - moments)

    grid = np.arange(FIRST, LAST + _GRID, _GRID, dtype=np.int64)
    offsets = offset(grid)
    (places,) = np.nonzero(np.diff(offsets))
    low, high = grid[places], grid[places + 1]
    while len(low) and (high - low).max() > 1:
        middle = (low + high) // 2
        same = offset(middle) == offsets[places]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return int(offsets[0]), high, np.diff(offsets)[places]
