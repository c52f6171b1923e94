"""Cyclical features of the calendar: the time of day, week, month and year as points on circles."""

from collections.abc import Sequence

import numpy as np

from raysq.config import nearest_name
from raysq.data.durations import DAY
from raysq.errors import UsageError

CALENDAR = ("hour", "weekday", "monthday", "yearday", "month")


def cyclical_features(timestamps: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return the positions of timestamps in the day, week, month and year.

    Args:
        timestamps: int64 microseconds since 1970, shape `(n,)`.
        names: any of `CALENDAR`.

    Returns:
        float32 of shape `(n, 2 * len(names))`: sine and cosine for each name, in the order of `feature_names`.

    Raises:
        UsageError: an unknown name, or a name given twice.
    """
    check_calendar(names)
    moments = np.asarray(timestamps, np.int64).astype("datetime64[us]")
    days, months, years = (moments.astype(f"datetime64[{unit}]") for unit in "DMY")
    features = np.empty((len(moments), 2 * len(names)), np.float32)
    for number, name in enumerate(names):
        if name == "hour":
            share = (moments - days).astype(np.int64) / (DAY * 1e6)
        elif name == "weekday":  # 1 January 1970 was a Thursday
            share = (days.astype(np.int64) + 3) % 7 / 7
        elif name == "monthday":
            share = (days - months.astype("datetime64[D]")).astype(np.int64) / _days_in(months, np.timedelta64(1, "M"))
        elif name == "yearday":
            share = (days - years.astype("datetime64[D]")).astype(np.int64) / _days_in(years, np.timedelta64(1, "Y"))
        else:
            share = months.astype(np.int64) % 12 / 12
        angle = 2 * np.pi * share
        features[:, 2 * number], features[:, 2 * number + 1] = np.sin(angle), np.cos(angle)
    return features


def feature_names(names: Sequence[str]) -> list[str]:
    """Return the names of the columns of `cyclical_features`."""
    return [f"{name} ({wave})" for name in names for wave in ("sin", "cos")]


def check_calendar(names: Sequence[str]) -> None:
    """Raise UsageError for a name that is not in `CALENDAR`, or is given twice."""
    for number, name in enumerate(names):
        if name not in CALENDAR:
            raise UsageError(f"calendar knows {', '.join(CALENDAR)}; received {name!r}: {nearest_name(name, CALENDAR)}")
        if name in names[:number]:
            raise UsageError(f"calendar names {name!r} twice")


def _days_in(units: np.ndarray, unit: np.timedelta64) -> np.ndarray:
    """Return the number of days in each month or year."""
    days: np.ndarray = (units + unit).astype("datetime64[D]") - units.astype("datetime64[D]")
    return days.astype(np.int64)
