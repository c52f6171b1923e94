"""Time zones: conversion of moments in UTC to local times and back.

Moments are int64 microseconds since 1970. A zone is a name of the IANA database such as Europe/Berlin, or an offset
such as +02:00.
"""

import re
from typing import TYPE_CHECKING

import numpy as np

from raysq.errors import DataError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_OFFSET = re.compile(r"[+-]\d\d:\d\d")
_APART = 6 * 3_600_000_000  # microseconds; repeated hours of different clock changes are further apart


def validate_zone(zone: str, setting: str) -> None:
    """Raise `UsageError` unless a setting is the IANA name of a time zone or an offset."""
    import pandas as pd

    try:
        valid = bool(_OFFSET.fullmatch(zone)) or (zone[:1].isalpha() and pd.Timestamp(0, tz=zone) is not None)
    except (ValueError, KeyError, OSError):  # zoneinfo's error is a KeyError
        valid = False
    if not valid:
        raise UsageError(
            f"setting {setting} must be a time zone such as Europe/Berlin, or an offset such as +02:00; received "
            f"{zone!r}"
        )


def utc_to_local(moments: np.ndarray, zone: str | None) -> np.ndarray:
    """Convert moments to local times in a zone. None returns the moments unchanged."""
    if zone is None or zone == "UTC":
        return np.asarray(moments, np.int64)
    import pandas as pd

    index = pd.DatetimeIndex(np.asarray(moments, np.int64).astype("datetime64[us]"))
    return np.asarray(index.tz_localize("UTC").tz_convert(zone).tz_localize(None).asi8)


def local_to_utc(wall: np.ndarray, zone: str | None, second: bool = False) -> np.ndarray:
    """Convert local times in the zone to moments.

    Args:
        wall: local times. A time skipped by a clock change maps to the first moment after it.
        second: for repeated times, return the second moment.
    """
    wall = np.asarray(wall, np.int64)
    if zone is None or zone == "UTC":
        return wall
    import pandas as pd

    index = pd.DatetimeIndex(wall.astype("datetime64[us]"))
    ambiguous = np.full(len(wall), not second)  # for pandas: whether it is daylight saving time, which comes first
    return np.asarray(index.tz_localize(zone, ambiguous=ambiguous, nonexistent="shift_forward").tz_convert("UTC").asi8)


def localized(wall: np.ndarray, zone: str) -> tuple[np.ndarray, int]:
    """Convert the local times of rows to moments. The order of the rows disambiguates repeated hours.

    Returns:
        The moments, and the number of rows in repeated hours.

    Raises:
        DataError: a time does not exist in the zone.
    """
    first, second = local_to_utc(wall, zone), local_to_utc(wall, zone, second=True)
    never = np.flatnonzero(utc_to_local(first, zone) != wall)
    if len(never):
        stamp = str(wall[never[0]].astype("datetime64[us]"))[:19]
        raise DataError(
            f"stamp {stamp} is no time in {zone}, where clocks are put forward then ({len(never):,} such rows)",
            hint="if the times are those of winter all year, give --timezone with an offset such as +01:00",
        )
    twice = np.flatnonzero(first != second)
    moments = first
    if not len(twice):
        return moments, 0
    falling = len(wall) > 1 and np.median(np.diff(wall)) < 0  # rows are sorted from latest to earliest
    usual = float(np.median(np.abs(np.diff(wall)))) if len(wall) > 1 else 0.0
    by_time = twice[np.argsort(wall[twice], kind="stable")]
    for hour in np.split(by_time, np.flatnonzero(np.diff(wall[by_time]) > _APART) + 1):
        rows = np.sort(hour)[::-1] if falling else np.sort(hour)
        back = np.flatnonzero(np.diff(wall[rows]) <= 0)  # the clock is set back before that row
        if len(back):
            rows = rows[back[0] + 1 :]
        elif not _is_second(moments, second, rows, -1 if falling else 1, usual):
            continue
        moments[rows] = second[rows]
    return moments, len(twice)


def _is_second(first: np.ndarray, second: np.ndarray, rows: np.ndarray, ahead: int, usual: float) -> bool:
    """Whether rows that occur once lie in the second of two hours, judged by the step from the neighboring row."""
    for row, beside in ((rows[0], rows[0] - ahead), (rows[-1], rows[-1] + ahead)):
        if 0 <= beside < len(first):
            early, late = (abs(abs(float(moments[row] - first[beside])) - usual) for moments in (first, second))
            return late < early
    return False


def with_offsets(table: "pa.Table") -> "pa.Table":
    """Return the table with zoned timestamps as text with offsets, which csv files would otherwise lack."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz:
            column = table.column(index)
            moments = pc.fill_null(column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), 0).to_numpy()
            cells = pc.if_else(column.is_valid(), format_times(moments, field.type.tz), None)
            table = table.set_column(index, field.name, cells)
    return table


def format_times(moments: np.ndarray, zone: str, separator: str = " ") -> "pa.Array":
    """Format moments as ISO 8601 local times in the zone, with offsets."""
    import pyarrow as pa
    import pyarrow.compute as pc

    moments = np.asarray(moments, np.int64)
    wall = utc_to_local(moments, zone)
    in_seconds = not (wall % 1_000_000).any()
    written = pa.array(wall, pa.timestamp("us")).cast(pa.timestamp("s" if in_seconds else "us")).cast(pa.string())
    minutes, places = np.unique((wall - moments) // 60_000_000, return_inverse=True)
    offsets = [
        f"{'-' if minute < 0 else '+'}{abs(minute) // 60:02d}:{abs(minute) % 60:02d}" for minute in minutes.tolist()
    ]
    ends = pa.array(offsets, pa.string()).take(pa.array(places))
    return pc.binary_join_element_wise(pc.replace_substring(written, " ", separator), ends, "")
