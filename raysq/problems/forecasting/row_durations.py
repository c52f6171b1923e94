"""Durations as numbers of rows, and default windows for a frequency."""

import math
import re
from collections.abc import Sequence
from typing import Any

from raysq.data import durations
from raysq.data.durations import DAY, HOUR, MINUTE, MONTH, WEEK, YEAR
from raysq.errors import UsageError
from raysq.problems.forecasting.frequency import Frequency

VALID = "rows such as 12, or a span such as 90s, 30min, 1h30m, 6h, 5d, 2w, 3mo or 1y"

_STEPS = 120  # approximate time steps of a default window that has more rows than this
_WINDOWS = 5  # default windows that fit into a series, and one into a quarter of it; else they are made shorter


def parse(value: int | str, frequency: Frequency | None, setting: str) -> int:
    """Convert a duration to a number of rows.

    Args:
        value: rows (12, "12", "12 rows") or a duration ("90s", "30min", "1h30m", "6h", "5d", "1w", "3mo", "1y"). If
            only some days of the week have rows, only these days are counted, and a week is as many of them as it has.
        frequency: frequency of the series; None if it has none.
        setting: name of the setting, for the message.

    Raises:
        UsageError: the value is no duration or no whole number of rows, or it is a time and there is no frequency.
    """
    if not isinstance(value, str):
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not value >= 0 or value % 1:
            raise UsageError(f"{setting} must be {VALID}, received {value!r}")
        return int(value)
    text = re.sub(r"\s*rows?\s*$", "", value)
    duration = durations.parse(text)
    if duration is None or (text != value and duration.unit is not None):
        raise UsageError(f"{setting} must be {VALID}, received {value!r}")
    number, unit = duration
    if unit is None:
        if number != int(number):
            raise UsageError(f"{setting} must be a whole number of {VALID}, received {value!r}")
        return int(number)
    if frequency is None:
        raise UsageError(
            f"{setting}={value} needs a series with a cadence, and this one has none: give {setting} in rows"
        )
    if not number:
        return 0
    if frequency.numbered:
        raise UsageError(f"{setting}={value} needs times, and the rows of this series are numbered: give it in rows")
    every, length = format_rows(1, frequency), duration.seconds
    if (unit >= MONTH) != bool(frequency.months):
        hint = _instead(number, unit, frequency)
        raise UsageError(f"{setting}={value} is no fixed number of rows in a series with a row every {every}{hint}")
    a_week = _in_week(frequency)
    count = length / frequency.seconds
    if a_week is not None:
        count = number * a_week if unit == WEEK else length / DAY / frequency.every
    if a_week is not None and unit == DAY and not _daily(frequency):
        raise UsageError(f"{setting}={value}: the series has rows {frequency.words} only; give weeks (1w) or rows")
    if abs(count - round(count)) > 1e-6 * max(count, 1.0) or round(count) < 1:
        low, high = (format_rows(nearest, frequency) for nearest in (math.floor(count), math.ceil(count)))
        near = high if math.floor(count) < 1 else f"{low} or {high}"
        raise UsageError(f"{setting}={value} is not a multiple of the series' {every} between rows: take {near}")
    return round(count)


def format_rows(count: int, frequency: Frequency | None) -> str:
    """Format a number of rows as a duration: "24h", "5d", "90min", "12mo", or "10 rows". `parse` converts it back."""
    if frequency is None or frequency.numbered:
        return _count(count)
    if frequency.months:
        months = count * frequency.months
        return f"{months // 12}y" if frequency.months % 12 == 0 else f"{months}mo"
    a_week = _in_week(frequency)
    if a_week is not None:
        if count and (count / a_week).is_integer():
            return f"{round(count / a_week)}w"
        return f"{count * frequency.every}d" if _daily(frequency) else _count(count)
    length = count * frequency.seconds
    weekly = _divides(WEEK, frequency.seconds)
    for name, unit, shortest in (("w", WEEK, 0), ("d", DAY, 4 * DAY), ("h", HOUR, 0), ("min", MINUTE, 0)):
        if name == "w" and not weekly:
            continue
        if name == "d" and _divides(DAY, frequency.seconds):
            shortest = 0
        if _divides(unit, length) and length >= shortest and (length or _divides(unit, frequency.seconds)):
            return f"{round(length / unit)}{name}"
    return f"{length:.10g}s"


def _count(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _in_week(frequency: Frequency) -> float | None:
    """Return the rows of a week if only some of its days have rows, else None."""
    return None if frequency.days is None else sum(frequency.days) / frequency.every


def _daily(frequency: Frequency) -> bool:
    """Return whether rows lie on neighboring days, so that durations are given in days."""
    return frequency.seconds == DAY * frequency.every


def default_windows(frequency: Frequency | None, length: int | None = None) -> dict[str, int | None]:
    """Return `lookback`, `step`, `horizon` and `season` that suit a frequency, in rows.

    Args:
        frequency: frequency of the series; None if it has none.
        length: rows of the series (a typical one, if there are several). If the usual window is too long for it, a
            shorter one is returned. None for no limit.

    Returns:
        Rows by the name of the setting; `season` is None where there is none.
    """
    if frequency is None or frequency.numbered:
        return _fitting([(30, 1), (10, 1), (4, 1), (2, 1)], length, None)
    cadence_seconds = frequency.seconds
    if frequency.months:
        a_year = 12 / frequency.months
        season = int(a_year) if a_year == int(a_year) and a_year > 1 else None
        longest = 2 * season if season and season >= 12 else 12
        return _fitting([(longest, 1), (12, 1), (6, 1), (3, 1), (2, 1)], length, season)
    a_week = _in_week(frequency)
    if a_week is not None:
        season = int(a_week) if a_week.is_integer() and a_week > 1 else None
        usual = season or 7
        return _fitting([(4 * usual, 1), (2 * usual, 1), (usual, 1), (3, 1), (2, 1)], length, season)
    if cadence_seconds >= DAY:
        if cadence_seconds >= WEEK:
            year = round(52 * WEEK / cadence_seconds)
            season = year if cadence_seconds < 5 * WEEK and _divides(WEEK, cadence_seconds) else None
            return _fitting([(max(year, 12), 1), (12, 1), (6, 1), (3, 1), (2, 1)], length, season)
        season = round(WEEK / cadence_seconds) if _divides(cadence_seconds, WEEK) else None
        return _fitting([(28, 1), (14, 1), (7, 1), (3, 1), (2, 1)], length, season)
    day = max(round(DAY / cadence_seconds), 1)
    season = day if _divides(cadence_seconds, DAY) else None
    shares = [(5.0, 1.0), (1.0, 0.25), (0.25, 1 / 24), (1 / 24, 1 / 144)]
    pairs = [(max(round(lookback * day), 1), max(round(horizon * day), 1)) for lookback, horizon in shares]
    pairs[0] = (max(pairs[0][0], -(-24 // day) * day), pairs[0][1])  # at least 24 rows where steps are long
    pairs = [pair for pair in pairs if pair[0] >= 8] + [(10, 1), (4, 1), (2, 1)]
    return _fitting(pairs, length, season)


def _divides(unit: float, length: float) -> bool:
    return abs(length / unit - round(length / unit)) < 1e-9


def _instead(number: float, unit: float, frequency: Frequency) -> str:
    """Suggest a duration for months in a series of days, or for days in a series of months."""
    days = {YEAR: 365, MONTH: 30}.get(unit)
    length = number * (days * DAY if days else unit)
    a_week = _in_week(frequency)
    seconds = frequency.seconds if a_week is None else WEEK / a_week
    return f"; {format_rows(max(round(length / seconds), 1), frequency)} comes nearest"


def _fitting(pairs: Sequence[tuple[int, int]], length: int | None, season: int | None) -> dict[str, Any]:
    """Return the first (lookback, horizon) that fits the series `_WINDOWS` times, with its step and the season."""
    suitable = (pair for pair in pairs if length is None or (sum(pair) - 1) * _WINDOWS <= length)
    lookback, horizon = next(suitable, pairs[-1])
    divisors = [step for step in range(1, lookback + 1) if lookback % step == 0] if lookback > _STEPS else [1]
    step = min(divisors, key=lambda step: abs(step - lookback / _STEPS))
    return {"lookback": lookback, "step": step, "horizon": horizon, "season": season}
