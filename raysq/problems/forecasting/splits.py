"""Splits of a series into rows to train, validate and test on: shares, rows or dates, in time order."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from raysq.data import time_zones
from raysq.errors import DataError, UsageError

SPLITS = ("train", "val", "test")
VALID = (
    "rows or shares of train/val/test such as 200000/100000/rest or 0.5/0.25/0.25, or the dates at which val and "
    "test begin such as 2013-01-01/2014-01-01"
)

LTSF_SHARES = (0.7, 0.2)  # of train and test; val is between them
_ETT = {17_420: 30 * 24, 69_680: 30 * 24 * 4}  # rows of a month of 30 days in series of so many rows

_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([T ]\d{2}(:\d{2}(:\d{2})?)?)?)?")

Bounds = dict[str, tuple[int, int]]


def check(text: str) -> None:
    """Raise UsageError unless the text is a split: rows, shares or dates. The message lists what is valid."""
    parts = _parts(text)
    if len(parts) == 2:
        if not all(_DATE.fullmatch(part) for part in parts):
            raise _wrong(text)
        dates(text)
        return
    if len(parts) != 3 or "rest" in parts[:2]:
        raise _wrong(text)
    try:
        numbers = [float(part) for part in parts if part != "rest"]
    except ValueError:
        raise _wrong(text) from None
    if min(numbers) < 0 or not all(np.isfinite(numbers)):
        raise _wrong(text)
    if _shares(parts):
        if sum(numbers) > 1 + 1e-9:
            raise UsageError(f"setting split takes shares that add up to at most 1, received {text!r}")
    elif any(number != int(number) for number in numbers):
        raise _wrong(text)


def dates(text: str) -> tuple[np.datetime64, np.datetime64] | None:
    """Return the timestamps at which val and test begin, or None if the split is in rows or shares.

    Raises:
        UsageError: a date does not exist, or val does not begin before test.
    """
    parts = _parts(text)
    if len(parts) != 2:
        return None
    try:
        val, test = (np.datetime64(part.replace(" ", "T"), "us") for part in parts)
    except ValueError:
        raise _wrong(text) from None
    if val >= test:
        raise UsageError(f"setting split: val must begin before test, received {text!r}")
    return val, test


def bounds(text: str, rows: int, timestamps: Any = None, zone: str | None = None) -> Bounds:
    """Return the first row and the end row of each split of one series.

    Args:
        text: a split that `check` accepts.
        rows: number of rows of the series.
        timestamps: function that returns the timestamps (int64 microseconds); called only for a split by dates.
        zone: time zone of the series, in which the dates are read; its timestamps are then in UTC.

    Returns:
        `(first row, end row)` by the name of the split.

    Raises:
        DataError: the split does not fit the rows, or its dates lie outside the series.
    """
    begins = dates(text)
    parts = _parts(text)
    if begins is not None:
        stamps = np.asarray(timestamps(), np.int64)
        moments = time_zones.local_to_utc(np.array(begins).astype(np.int64), zone)
        cuts = [int(cut) for cut in np.searchsorted(stamps, moments)]
        if not 0 < cuts[0] < cuts[1]:
            local = time_zones.utc_to_local(stamps[[0, -1]], zone).astype("datetime64[us]")
            first, last = (str(time)[:19] for time in local)
            raise DataError(f"split {text} leaves no row to train or to validate on: the series is {first} to {last}")
        ends = [*cuts, rows]
    elif _shares(parts):
        shares = [float(part) for part in parts[:2]]
        ends = [int(rows * shares[0]), int(rows * (shares[0] + shares[1]))]
        ends.append(rows if parts[2] == "rest" else int(rows * min(1.0, sum(shares) + float(parts[2])) + 0.5))
    else:
        sizes = [int(float(part)) for part in parts[:2]]
        ends = [sizes[0], sum(sizes), rows if parts[2] == "rest" else sum(sizes) + int(float(parts[2]))]
    starts = [0, ends[0], ends[1]]
    if ends[2] > rows or any(end < start for start, end in zip(starts, ends, strict=True)):
        raise DataError(f"split {text} does not fit {rows:,} rows")
    return dict(zip(SPLITS, zip(starts, ends, strict=True), strict=True))


def ltsf(rows: int) -> str:
    """Return the split of LTSF-Linear's tables for a series, in rows."""
    if rows in _ETT:
        return "/".join(str(months * _ETT[rows]) for months in (12, 4, 4))
    train, test = (int(rows * share) for share in LTSF_SHARES)
    return f"{train}/{rows - train - test}/{test}"


def rolling(series: Sequence[Bounds], count: int) -> list[list[Bounds]]:
    """Return the folds of a rolling-origin backtest, each with the bounds of each series.

    Each fold tests on one of `count` consecutive blocks of the test rows. The rows before it, as many as the split has
    for validation, are validated on. All rows before those train (Tashman 2000, with an expanding window).
    """
    folds = []
    for number in range(count):
        fold = []
        for splits in series:
            begin, end = splits["test"]
            validating = splits["val"][1] - splits["val"][0]
            low = begin + (end - begin) * number // count
            high = begin + (end - begin) * (number + 1) // count
            fold.append({"train": (0, low - validating), "val": (low - validating, low), "test": (low, high)})
        folds.append(fold)
    return folds


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split("/")]


def _shares(parts: Sequence[str]) -> bool:
    """Return whether the numbers are shares: 0.5/0.25/0.25 or 0.8/0.2/rest, but not 1/1/1."""
    return all("." in part or part in ("rest", "0") for part in parts) and any("." in part for part in parts)


def _wrong(text: str) -> UsageError:
    return UsageError(f"setting split must be {VALID}; received {text!r}")
