"""Parsing of columns of cells to timestamps, with a mask of bad cells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.problems.forecasting.readers import directives
from raysq.problems.forecasting.readers.parsing import is_text, numbers

# Parts of a time in columns of their own, largest first; "quarter" may replace "month" as the last part.
PARTS = ("year", "month", "day", "hour", "minute", "second")
# Formats of times that are numbers: microseconds in a unit since 1970, or None for formats without such a unit.
NUMBERED = {
    "epoch_s": 1e6,
    "epoch_ms": 1e3,
    "epoch_us": 1.0,
    "epoch_ns": 1e-3,
    "year": None,
    "decimal_year": None,
    "excel": None,
    "number": None,
}
NUMBER, ROWS = "number", "rows"  # formats of numbered rows: numbered by a column, or by their order
NO_TIME = "none"  # given instead of a column if there is none
QUARTER = "quarter"  # the format of quarters
QUARTERS = (r"^(?P<year>\d{4})\s*[-/]?\s*[Qq](?P<quarter>[1-4])$", r"^[Qq](?P<quarter>[1-4])[\s/-]*(?P<year>\d{4})$")
_ZONE = r"(?P<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)"
_ISO_ZONE = rf"[T ]\d\d(?::?\d\d(?::?\d\d(?:[.,]\d+)?)?)?\s*{_ZONE}$"
_ISO_MIDNIGHT = rf"\d{{4}}-?\d\d-?\d\d[T ](?P<hour>24)(?::?00(?::?00(?:[.,]0+)?)?)?\s*(?:{_ZONE})?"
_DAY = 86_400_000_000
_YEAR_1000 = int(np.datetime64("1000-01-01", "us").astype(np.int64))
_EXCEL = int(np.datetime64("1899-12-30", "s").astype(np.int64))


def is_parts(names: Sequence[str]) -> bool:
    """Return whether the columns are year, month, day, ... in this order, as far down as they go."""
    lower = [name.lower() for name in names]
    return len(lower) > 1 and lower in (list(PARTS[: len(lower)]), ["year", "quarter"])


@dataclass(frozen=True)
class Timestamps:
    """Timestamps read from cells.

    Attributes:
        values: int64 microseconds since 1970, in UTC where cells have a zone.
        bad: mask of cells that are no timestamps.
        zones: zones and offsets written in cells, each with the first row that has it; "" for none.
        local: whether the values are local times. They are UTC if cells have a zone or count from 1970.
    """

    values: np.ndarray
    bad: np.ndarray
    zones: Mapping[str, int]
    local: bool


def parse_values(table: pa.Table, names: Sequence[str], time_format: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return `values` and `bad` of `parse_timestamps`."""
    parsed = parse_timestamps(table, names, time_format)
    return parsed.values, parsed.bad


def parse_timestamps(table: pa.Table, names: Sequence[str], time_format: str | None) -> Timestamps:
    """Read the time columns.

    Args:
        table: table that holds the columns.
        names: one column; year, month, day, ...; or several to be joined by spaces.
        time_format: format as for `strptime`, or one of `NUMBERED` or `QUARTER`; None for ISO 8601. In all of them
            24:00 is midnight of the next day. `ROWS` reads nothing: rows are counted once all of them are present.
    """
    if time_format == ROWS:
        return Timestamps(np.zeros(table.num_rows, np.int64), np.zeros(table.num_rows, bool), {}, False)
    if time_format is None and is_parts(names):
        return _local(*_from_parts({name.lower(): numbers(table.column(name), name)[0] for name in names}))
    columns = [table.column(name) for name in names]
    if len(columns) == 1 and pa.types.is_temporal(columns[0].type):
        column, zone = columns[0], getattr(columns[0].type, "tz", None)
        if zone:
            column = column.cast(pa.timestamp("us", "UTC"), safe=False)
        values, bad = _split(column.cast(pa.timestamp("us"), safe=False))
        return Timestamps(values, bad, {_zone(zone): 0}, False) if zone else _local(values, bad)
    if time_format in NUMBERED:
        column = columns[0]
        if is_text(column) and time_format != NUMBER:  # spreadsheets with a decimal comma write 44927,5
            column = pc.replace_substring(column, ",", ".")
        values, bad = _from_numbers(numbers(column, names[0])[0], time_format)
        return Timestamps(values, bad, {}, False) if NUMBERED[time_format] else _local(values, bad)
    texts = [column.cast(pa.string()) for column in columns]
    text = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " ")
    if time_format == QUARTER:
        return _local(*_from_quarters(text))
    if time_format is not None:
        time_format = directives.expanded(time_format)
    zoned = time_format is None or "%z" in directives.directives(time_format)
    if time_format is None:
        values, bad, zoned = _parse_iso(text)
    else:
        values, bad = _parse_format(text, time_format)
    if bad.any():
        _add_midnights(text, time_format, values, bad)
    if not zoned:
        return _local(values, bad)
    zones = _zones(text, _ISO_ZONE if time_format is None else directives.pattern(time_format, {"%z": _ZONE}), bad)
    return Timestamps(values, bad, zones, set(zones) <= {""})


def _local(values: np.ndarray, bad: np.ndarray) -> Timestamps:
    return Timestamps(values, bad, {"": int(np.argmin(bad))} if len(bad) and not bad.all() else {}, True)


def _zones(text: pa.ChunkedArray, pattern: str, bad: np.ndarray) -> dict[str, int]:
    """Return the offsets that cells contain, each with the first row that has it."""
    offsets = pc.struct_field(pc.extract_regex(pc.utf8_trim_whitespace(text), pattern), "zone")
    encoded = pc.fill_null(offsets, "").combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    zones: dict[str, int] = {}
    for code, name in enumerate(encoded.dictionary.to_pylist()):
        rows = np.flatnonzero((codes == code) & ~bad)
        if len(rows):
            zones[_zone(name)] = min(int(rows[0]), zones.get(_zone(name), int(rows[0])))
    return zones


def _zone(name: str) -> str:
    """Normalize an offset to +02:00 and the zero offset to UTC; names of zones are unchanged."""
    if name in ("Z", "z", "UTC", "GMT") or name.strip("+-0:") == "" != name:
        return "UTC"
    digits = re.fullmatch(r"([+-]\d\d):?(\d\d)?", name)
    return f"{digits[1]}:{digits[2] or '00'}" if digits else name


def _parse_iso(text: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the timestamps, the mask of bad cells, and whether cells may have an offset."""
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return *_split(text.cast(kind)), kind.tz is not None
        except pa.ArrowInvalid:
            continue
    text = pc.replace_substring_regex(text, r"\s*(UTC|GMT)\s*$", "Z")  # the only unambiguous zone names
    return *_parse_with_pandas(text, "ISO8601"), True


def _parse_format(text: pa.ChunkedArray, time_format: str) -> tuple[np.ndarray, np.ndarray]:
    if not directives.is_fast(time_format):
        time_format, end = directives.completed(time_format)
        return _parse_with_pandas(pc.binary_join_element_wise(text, end, "") if end else text, time_format)
    parsed = pc.strptime(text, format=time_format, unit="us", error_is_null=True)
    values, bad = _split(parsed)
    # Arrow reads 31 April as 1 May, and 23 as the year 23. Dates that may result from this, and cells that Arrow
    # could not read, are read again by pandas, which is slower and strict.
    month, day = pc.month(parsed).to_numpy(), pc.day(parsed).to_numpy()
    rolled = ((month == 3) & (day <= 3)) | (np.isin(month, (5, 7, 10, 12)) & (day == 1))
    doubtful = np.flatnonzero(bad | rolled | (values < _YEAR_1000))
    if len(doubtful):
        values[doubtful], bad[doubtful] = _parse_with_pandas(text.take(pa.array(doubtful)), time_format)
    if directives.names_weekday(time_format):
        bad |= _weekday(text) != (values // _DAY + 3) % 7
    return values, bad


def _parse_with_pandas(text: pa.ChunkedArray, time_format: str) -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    trimmed = pc.utf8_trim_whitespace(text).to_numpy().astype(object)
    parsed = pd.to_datetime(pd.Series(trimmed, dtype=object), format=time_format, errors="coerce", utc=True)
    values = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    bad = np.isnat(values)
    return np.where(bad, 0, values.astype(np.int64)), bad


def _weekday(text: pa.ChunkedArray) -> np.ndarray:
    """Return the day of the week named in each cell, from 0 for Monday; -1 for none."""
    weekdays = np.full(len(text), -1)
    for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun")):
        is_named = pc.match_substring_regex(text, rf"\b{name}(day|sday|nesday|rsday|urday)?\b", ignore_case=True)
        weekdays[pc.fill_null(is_named, False).to_numpy().astype(bool)] = number
    return weekdays


def _add_midnights(text: pa.ChunkedArray, time_format: str | None, values: np.ndarray, bad: np.ndarray) -> None:
    """Read bad cells that write midnight as 24 hours of the day before, and update `values` and `bad`."""
    rows = np.flatnonzero(bad)
    if time_format is not None and "%H" not in directives.directives(time_format):
        return
    hour = {"%H": "(?P<hour>24)", "%M": "00", "%S": "00", "%f": "0+"}
    cell = re.compile(_ISO_MIDNIGHT if time_format is None else directives.pattern(time_format, hour))
    cells = [(text[int(row)].as_py() or "").strip() for row in rows]
    matches = [(row, cell_text, cell.fullmatch(cell_text)) for row, cell_text in zip(rows, cells, strict=True)]
    midnights = [
        (row, f"{cell_text[: match.start('hour')]}00{cell_text[match.end('hour') :]}")
        for row, cell_text, match in matches
        if match
    ]
    if not midnights:
        return
    next_days = pa.chunked_array([[cells for _, cells in midnights]])
    begins, unread = _parse_iso(next_days)[:2] if time_format is None else _parse_format(next_days, time_format)
    rows = np.array([row for row, _ in midnights])[~unread]
    values[rows], bad[rows] = begins[~unread] + _DAY, False


def _from_quarters(text: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first days of quarters such as 2008Q1, 2008-Q1 and Q1 2008."""
    trimmed = pc.utf8_trim_whitespace(text)
    matches = [pc.extract_regex(trimmed, pattern) for pattern in QUARTERS]
    year, quarter = (
        pc.coalesce(*(pc.struct_field(match, name) for match in matches)).cast(pa.float64()).to_numpy()
        for name in ("year", "quarter")
    )
    return _from_parts({"year": year, "quarter": quarter})


def _split(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    bad = column.is_null().to_numpy().astype(bool)
    return pc.fill_null(column.cast(pa.int64()), 0).to_numpy().copy(), bad


def _from_numbers(values: np.ndarray, time_format: str) -> tuple[np.ndarray, np.ndarray]:
    """Return timestamps from the numbers of one column, and the mask of bad cells."""
    if time_format == "year":
        return _from_parts({"year": values})
    if time_format == "decimal_year":  # 1949.0833 is February: months and quarters survive the rounding
        months = np.rint((values - 1970) * 12)
        bad = ~(np.abs((values - 1970) * 12 - months) < 0.06)
        begins = np.where(bad, 0, months).astype(np.int64).astype("datetime64[M]").astype("datetime64[us]")
        return begins.astype(np.int64), bad
    if time_format == NUMBER:
        bad = ~((values == np.floor(values)) & (np.abs(values) < 1e12))
        return np.where(bad, 0, values).astype(np.int64) * 1_000_000, bad
    if time_format == "excel":
        bad = ~((values >= 61) & (values < 2_958_466))  # March 1900, before which Excel counts a day too many, to 9999
        seconds = np.rint(np.where(bad, 0, values) * 86_400).astype(np.int64) + _EXCEL
        return np.where(bad, 0, seconds * 1_000_000), bad
    unit = NUMBERED[time_format]
    assert unit is not None
    bad = ~(np.abs(values * unit) < 2.5e17)  # about 8,000 years
    return np.rint(np.where(bad, 0, values) * unit).astype(np.int64), bad


def _from_parts(parts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return timestamps from numbers for year, month, ..., and the mask of bad cells; missing parts are lowest."""
    bad = np.zeros(len(parts["year"]), bool)
    integers = {}
    for name, values in parts.items():
        invalid = ~(np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 10_000))
        bad |= invalid
        integers[name] = np.where(invalid, 1, values).astype(np.int64)
    month = integers.get("month", np.ones_like(bad, np.int64))
    if "quarter" in integers:
        bad |= (integers["quarter"] < 1) | (integers["quarter"] > 4)
        month = integers["quarter"] * 3 - 2
    bad |= (month < 1) | (month > 12)
    months = ((integers["year"] - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (integers.get("day", np.ones_like(bad, np.int64)) - 1)
    bad |= days.astype("datetime64[M]") != months
    values = days.astype("datetime64[us]").astype(np.int64)
    midnight = integers.get("hour", np.zeros_like(bad, np.int64)) == 24  # midnight of the next day
    for name, limit, length in (("hour", 25, 3600), ("minute", 60, 60), ("second", 60, 1)):
        if name in integers:
            bad |= (
                (integers[name] < 0) | (integers[name] >= limit) | (midnight & (name != "hour") & (integers[name] > 0))
            )
            values += integers[name] * (length * 1_000_000)
    return np.where(bad, 0, values), bad
