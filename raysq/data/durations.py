"""Durations in the notation of users: "90s", "30min", "1h30m", "5d", "2w", "3mo", "1y"."""

import re
from typing import NamedTuple

from raysq.errors import UsageError

MINUTE, HOUR = 60.0, 3600.0
DAY, WEEK = 86_400.0, 604_800.0
MONTH = 2_629_746.0  # seconds, one twelfth of the mean Gregorian year
YEAR = 12 * MONTH

UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("w", "week", "weeks"), WEEK),
    **dict.fromkeys(("mo", "month", "months"), MONTH),
    **dict.fromkeys(("y", "yr", "year", "years"), YEAR),
}
_PART = r"(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)"


class Duration(NamedTuple):
    """Number with a time unit.

    Attributes:
        unit: length of the unit in seconds, a value of `UNITS`; None for a bare number.
    """

    number: float
    unit: float | None

    @property
    def seconds(self) -> float:
        """Length in seconds. A bare number counts seconds."""
        return self.number * (1.0 if self.unit is None else self.unit)


def parse(text: str) -> Duration | None:
    """Parse a duration. Case is ignored, except that "M" is rejected because it means months in pandas.

    Args:
        text: a number with or without a unit ("90", "1.5h"), or several numbers with units ("1h30m"), which are added
            in the longest unit. Months and years cannot be added to units of fixed length.

    Returns:
        The duration, or None if the text is not a duration.

    Example:
        >>> parse("30m")
        Duration(number=30.0, unit=60.0)
        >>> parse("1h30m")
        Duration(number=1.5, unit=3600.0)
    """
    text = text.strip()
    if not re.fullmatch(rf"(?:{_PART}\s*)+", text):
        return None
    parts = []
    for number, name in re.findall(_PART, text):
        if name == "M" or (name and name.lower() not in UNITS):
            return None
        parts.append(Duration(float(number), UNITS[name.lower()] if name else None))
    if len(parts) == 1:
        return parts[0]
    units = [part.unit for part in parts if part.unit is not None]
    if len(units) < len(parts) or len({unit >= MONTH for unit in units}) > 1:
        return None
    return Duration(sum(part.seconds for part in parts) / max(units), max(units))


def seconds(value: float | str, option: str) -> float:
    """Parse an option that limits time.

    Args:
        value: seconds, or text such as "90", "30m", "2h" or "1h30m".

    Raises:
        UsageError: the value is not a duration, or not above 0.
    """
    duration = parse(str(value))
    if duration is None:
        raise UsageError(f"{option} is seconds, or written like 30m, 2h or 1h30m, received {value!r}")
    if not duration.seconds > 0:
        raise UsageError(f"{option} must be above 0, received {value!r}")
    return duration.seconds
