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
class Stamps:
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


def stamps(table: pa.Table, names: Sequence[str], form: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return `values` and `bad` of `read_stamps`.

    Args:
        table: see `read_stamps`.
        names: see `read_stamps`.
        form: see `read_stamps`.
    """
    found = read_stamps(table, names, form)
    return found.values, found.bad


def read_stamps(table: pa.Table, names: Sequence[str], form: str | None) -> Stamps:
    """Read the time columns.

    Args:
        table: table that holds the columns.
        names: one column; year, month, day, ...; or several to be joined by spaces.
        form: format as for `strptime`, or one of `NUMBERED` or `QUARTER`; None for ISO 8601. In all of them 24:00 is
            midnight of the next day. `ROWS` reads nothing: rows are counted once all of them are present.
    """
    if form == ROWS:
        return Stamps(np.zeros(table.num_rows, np.int64), np.zeros(table.num_rows, bool), {}, False)
    if form is None and is_parts(names):
        return _local(*_from_parts({name.lower(): numbers(table.column(name), name)[0] for name in names}))
    columns = [table.column(name) for name in names]
    if len(columns) == 1 and pa.types.is_temporal(columns[0].type):
        column, zone = columns[0], getattr(columns[0].type, "tz", None)
        if zone:
            column = column.cast(pa.timestamp("us", "UTC"), safe=False)
        values, bad = _split(column.cast(pa.timestamp("us"), safe=False))
        return Stamps(values, bad, {_zone(zone): 0}, False) if zone else _local(values, bad)
    if form in NUMBERED:
        column = columns[0]
        if is_text(column) and form != NUMBER:  # spreadsheets with a decimal comma write 44927,5
            column = pc.replace_substring(column, ",", ".")
        values, bad = _from_numbers(numbers(column, names[0])[0], form)
        return Stamps(values, bad, {}, False) if NUMBERED[form] else _local(values, bad)
    texts = [column.cast(pa.string()) for column in columns]
    text = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " ")
    if form == QUARTER:
        return _local(*_from_quarters(text))
    if form is not None:
        form = directives.expanded(form)
    zoned = form is None or "%z" in directives.directives(form)
    if form is None:
        values, bad, zoned = _iso(text)
    else:
        values, bad = _formatted(text, form)
    if bad.any():
        _add_midnights(text, form, values, bad)
    if not zoned:
        return _local(values, bad)
    zones = _zones(text, _ISO_ZONE if form is None else directives.pattern(form, {"%z": _ZONE}), bad)
    return Stamps(values, bad, zones, set(zones) <= {""})


def _local(values: np.ndarray, bad: np.ndarray) -> Stamps:
    return Stamps(values, bad, {"": int(np.argmin(bad))} if len(bad) and not bad.all() else {}, True)


def _zones(text: pa.ChunkedArray, pattern: str, bad: np.ndarray) -> dict[str, int]:
    """Return the offsets that cells contain, each with the first row that has it."""
    found = pc.struct_field(pc.extract_regex(pc.utf8_trim_whitespace(text), pattern), "zone")
    encoded = pc.fill_null(found, "").combine_chunks().dictionary_encode()
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


def _iso(text: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the timestamps, the mask of bad cells, and whether cells may have an offset."""
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return *_split(text.cast(kind)), kind.tz is not None
        except pa.ArrowInvalid:
            continue
    text = pc.replace_substring_regex(text, r"\s*(UTC|GMT)\s*$", "Z")  # the only unambiguous zone names
    return *_slowly(text, "ISO8601"), True


def _formatted(text: pa.ChunkedArray, form: str) -> tuple[np.ndarray, np.ndarray]:
    if not directives.is_fast(form):
        form, end = directives.completed(form)
        return _slowly(pc.binary_join_element_wise(text, end, "") if end else text, form)
    parsed = pc.strptime(text, format=form, unit="us", error_is_null=True)
    values, bad = _split(parsed)
    # Arrow reads 31 April as 1 May, and 23 as the year 23. Dates that may result from this, and cells that Arrow
    # could not read, are read again by pandas, which is slower and strict.
    month, day = pc.month(parsed).to_numpy(), pc.day(parsed).to_numpy()
    rolled = ((month == 3) & (day <= 3)) | (np.isin(month, (5, 7, 10, 12)) & (day == 1))
    again = np.flatnonzero(bad | rolled | (values < _YEAR_1000))
    if len(again):
        values[again], bad[again] = _slowly(text.take(pa.array(again)), form)
    if directives.names_weekday(form):
        bad |= _weekday(text) != (values // _DAY + 3) % 7
    return values, bad


def _slowly(text: pa.ChunkedArray, form: str) -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    trimmed = pc.utf8_trim_whitespace(text).to_numpy().astype(object)
    parsed = pd.to_datetime(pd.Series(trimmed, dtype=object), format=form, errors="coerce", utc=True)
    values = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    bad = np.isnat(values)
    return np.where(bad, 0, values.astype(np.int64)), bad


def _weekday(text: pa.ChunkedArray) -> np.ndarray:
    """Return the day of the week named in each cell, from 0 for Monday; -1 for none."""
    found = np.full(len(text), -1)
    for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun")):
        there = pc.match_substring_regex(text, rf"\b{name}(day|sday|nesday|rsday|urday)?\b", ignore_case=True)
        found[pc.fill_null(there, False).to_numpy().astype(bool)] = number
    return found


def _add_midnights(text: pa.ChunkedArray, form: str | None, values: np.ndarray, bad: np.ndarray) -> None:
    """Read bad cells that write midnight as 24 hours of the day before, and update `values` and `bad`."""
    rows = np.flatnonzero(bad)
    if form is not None and "%H" not in directives.directives(form):
        return
    hour = {"%H": "(?P<hour>24)", "%M": "00", "%S": "00", "%f": "0+"}
    cell = re.compile(_ISO_MIDNIGHT if form is None else directives.pattern(form, hour))
    written = [(text[int(row)].as_py() or "").strip() for row in rows]
    matches = [(row, one, cell.fullmatch(one)) for row, one in zip(rows, written, strict=True)]
    found = [(row, f"{one[: match.start('hour')]}00{one[match.end('hour') :]}") for row, one, match in matches if match]
    if not found:
        return
    again = pa.chunked_array([[written for _, written in found]])
    begins, unread = _iso(again)[:2] if form is None else _formatted(again, form)
    rows = np.array([row for row, _ in found])[~unread]
    values[rows], bad[rows] = begins[~unread] + _DAY, False


def _from_quarters(text: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first days of quarters such as 2008Q1, 2008-Q1 and Q1 2008."""
    trimmed = pc.utf8_trim_whitespace(text)
    found = [pc.extract_regex(trimmed, pattern) for pattern in QUARTERS]
    year, quarter = (
        pc.coalesce(*(pc.struct_field(one, name) for one in found)).cast(pa.float64()).to_numpy()
        for name in ("year", "quarter")
    )
    return _from_parts({"year": year, "quarter": quarter})


def _split(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    bad = column.is_null().to_numpy().astype(bool)
    return pc.fill_null(column.cast(pa.int64()), 0).to_numpy().copy(), bad


def _from_numbers(values: np.ndarray, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Return timestamps from the numbers of one column, and the mask of bad cells."""
    if form == "year":
        return _from_parts({"year": values})
    if form == "decimal_year":  # 1949.0833 is February: months and quarters survive the rounding
        months = np.rint((values - 1970) * 12)
        odd = ~(np.abs((values - 1970) * 12 - months) < 0.06)
        stamps = np.where(odd, 0, months).astype(np.int64).astype("datetime64[M]").astype("datetime64[us]")
        return stamps.astype(np.int64), odd
    if form == NUMBER:
        odd = ~((values == np.floor(values)) & (np.abs(values) < 1e12))
        return np.where(odd, 0, values).astype(np.int64) * 1_000_000, odd
    if form == "excel":
        odd = ~((values >= 61) & (values < 2_958_466))  # March 1900, before which Excel counts a day too many, to 9999
        seconds = np.rint(np.where(odd, 0, values) * 86_400).astype(np.int64) + _EXCEL
        return np.where(odd, 0, seconds * 1_000_000), odd
    unit = NUMBERED[form]
    assert unit is not None
    odd = ~(np.abs(values * unit) < 2.5e17)  # about 8,000 years
    return np.rint(np.where(odd, 0, values) * unit).astype(np.int64), odd


def _from_parts(parts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return timestamps from numbers for year, month, ..., and the mask of bad cells; missing parts are lowest."""
    bad = np.zeros(len(parts["year"]), bool)
    whole = {}
    for name, values in parts.items():
        odd = ~(np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 10_000))
        bad |= odd
        whole[name] = np.where(odd, 1, values).astype(np.int64)
    month = whole.get("month", np.ones_like(bad, np.int64))
    if "quarter" in whole:
        bad |= (whole["quarter"] < 1) | (whole["quarter"] > 4)
        month = whole["quarter"] * 3 - 2
    bad |= (month < 1) | (month > 12)
    months = ((whole["year"] - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (whole.get("day", np.ones_like(bad, np.int64)) - 1)
    bad |= days.astype("datetime64[M]") != months
    values = days.astype("datetime64[us]").astype(np.int64)
    midnight = whole.get("hour", np.zeros_like(bad, np.int64)) == 24  # midnight of the next day
    for name, limit, length in (("hour", 25, 3600), ("minute", 60, 60), ("second", 60, 1)):
        if name in whole:
            bad |= (whole[name] < 0) | (whole[name] >= limit) | (midnight & (name != "hour") & (whole[name] > 0))
            values += whole[name] * (length * 1_000_000)
    return np.where(bad, 0, values), bad
