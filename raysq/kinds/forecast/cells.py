"""From cells to numbers and time stamps, column-wise, with the cells that are neither marked."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.errors import DataError
from raysq.tabular import MISSING

# Units in which a time may be spread over columns, largest first.
PARTS = ("year", "month", "day", "hour", "minute", "second")

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_LARGEST = float(np.finfo(np.float32).max)


def numbers(column: pa.ChunkedArray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Cells as float64.

    Returns:
        The values, NaN where a cell is missing or bad; and where it is bad: no number, or none that float32 holds.

    Raises:
        DataError: a Parquet column of a type that is not numbers.
    """
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text = pc.utf8_trim_whitespace(column)
        missing = pc.or_kleene(pc.is_null(text), pc.is_in(text, pa.array(MISSING, text.type)))
        good = pc.fill_null(pc.match_substring_regex(text, _NUMBER), False)
        bad = pc.and_not(pc.invert(missing), good).to_numpy().astype(bool)
        values = pc.if_else(good, text, None).cast(pa.float64()).to_numpy()
    else:
        try:
            values = column.cast(pa.float64(), safe=False).to_numpy()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise DataError(
                f"column {name!r} holds {column.type}, not numbers; name the columns to keep with --set columns=..."
            ) from None
        bad = np.zeros(len(values), bool)
    with np.errstate(invalid="ignore"):
        too_large = np.abs(values) > _LARGEST
    if too_large.any():
        values, bad = np.where(too_large, np.nan, values), bad | too_large
    return values, bad


def stamps(table: pa.Table, names: Sequence[str], form: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Time stamps as int64 microseconds since 1970; those with a zone are turned into UTC.

    Args:
        table: holds the columns.
        names: one column; or year, month, day, ... ; or several to be joined by spaces.
        form: as for `strptime`; ISO 8601 when None.

    Returns:
        The stamps, and where a cell is none.
    """
    if len(names) > 1 and all(name.lower() in PARTS for name in names):
        return _from_parts({name.lower(): numbers(table.column(name), name)[0] for name in names})
    columns = [table.column(name) for name in names]
    if len(columns) == 1 and pa.types.is_temporal(columns[0].type):
        column = columns[0]
        if getattr(column.type, "tz", None):
            column = column.cast(pa.timestamp("us", "UTC"), safe=False)
        return _split(column.cast(pa.timestamp("us"), safe=False))
    texts = [column.cast(pa.string()) for column in columns]
    text = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " ")
    return _iso(text) if form is None else _formatted(text, form)


def _iso(text: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return _split(text.cast(kind))
        except pa.ArrowInvalid:
            continue
    return _slowly(text, "ISO8601")


def _formatted(text: pa.ChunkedArray, form: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        parsed = pc.strptime(text, format=form, unit="us", error_is_null=True)
    except pa.ArrowInvalid:  # a directive that only the slow way knows
        return _slowly(text, form)
    values, bad = _split(parsed)
    # Arrow takes 31 April for 1 May. Only these days can have come about so; they, and what it could not read,
    # are read again by the slow way, which is strict.
    month, day = pc.month(parsed).to_numpy(), pc.day(parsed).to_numpy()
    rolled = ((month == 3) & (day <= 3)) | (np.isin(month, (5, 7, 10, 12)) & (day == 1))
    again = np.flatnonzero(bad | rolled)
    if len(again):
        values[again], bad[again] = _slowly(text.take(pa.array(again)), form)
    return values, bad


def _slowly(text: pa.ChunkedArray, form: str) -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    trimmed = pc.utf8_trim_whitespace(text).to_numpy().astype(object)
    parsed = pd.to_datetime(pd.Series(trimmed, dtype=object), format=form, errors="coerce", utc=True)
    values = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    bad = np.isnat(values)
    return np.where(bad, 0, values.astype(np.int64)), bad


def _split(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    bad = column.is_null().to_numpy().astype(bool)
    return pc.fill_null(column.cast(pa.int64()), 0).to_numpy().copy(), bad


def _from_parts(parts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Stamps from numbers for year, month, ...; what is not given begins its unit."""
    bad = np.zeros(len(parts["year"]), bool)
    whole = {}
    for name, values in parts.items():
        odd = ~(np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 10_000))
        bad |= odd
        whole[name] = np.where(odd, 1, values).astype(np.int64)
    month = whole.get("month", np.ones_like(bad, np.int64))
    bad |= (month < 1) | (month > 12)
    months = ((whole["year"] - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (whole.get("day", np.ones_like(bad, np.int64)) - 1)
    bad |= days.astype("datetime64[M]") != months
    values = days.astype("datetime64[us]").astype(np.int64)
    for name, limit, length in (("hour", 24, 3600), ("minute", 60, 60), ("second", 60, 1)):
        if name in whole:
            bad |= (whole[name] < 0) | (whole[name] >= limit)
            values += whole[name] * (length * 1_000_000)
    return np.where(bad, 0, values), bad
