"""From cells to numbers and time stamps, column-wise, with the cells that are neither marked."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.errors import DataError
from raysq.kinds.forecast.reading import directives
from raysq.tabular import MISSING

# Units in which a time may be spread over columns, largest first; "quarter" may stand for "month" as the last.
PARTS = ("year", "month", "day", "hour", "minute", "second")
# Times that are numbers, by the name of their format: microseconds of one unit, or None for others.
NUMBERED = {
    "epoch_s": 1e6,
    "epoch_ms": 1e3,
    "epoch_us": 1.0,
    "epoch_ns": 1e-3,
    "year": None,
    "decimal_year": None,
    "excel": None,
}
QUARTER = "quarter"  # the format of quarters
QUARTERS = (r"^(?P<year>\d{4})\s*[-/]?\s*[Qq](?P<quarter>[1-4])$", r"^[Qq](?P<quarter>[1-4])[\s/-]*(?P<year>\d{4})$")
_ISO_MIDNIGHT = r"(\d{4}-?\d\d-?\d\d[T ])(24)((?::?00(?::?00(?:[.,]0+)?)?)?\s*(?:Z|[+-]\d\d:?\d\d)?)"
_DAY = 86_400_000_000
_YEAR_1000 = int(np.datetime64("1000-01-01", "us").astype(np.int64))
_EXCEL = int(np.datetime64("1899-12-30", "s").astype(np.int64))

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
LARGEST = 1e150  # the squares of larger numbers, of which deviations are made, overflow


def is_parts(names: Sequence[str]) -> bool:
    """Whether the columns are year, month, day, ... in this order, as far down as they go."""
    lower = [name.lower() for name in names]
    return len(lower) > 1 and lower in (list(PARTS[: len(lower)]), ["year", "quarter"])


def is_text(column: pa.ChunkedArray) -> bool:
    """Whether the column holds text."""
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def grouped(thousands: str) -> str:
    """The expression for a number whose thousands are parted by that character, before its decimals."""
    sign = "\\" + thousands
    return rf"^[+-]?\d{{1,3}}({sign}\d{{3}})+(\D|$)"


def plain(text: pa.ChunkedArray, decimal: str, thousands: str) -> pa.ChunkedArray:
    """Numbers as text with a decimal point and nothing between thousands; other cells become no numbers."""
    if decimal == "." and not thousands:
        return text
    if thousands:
        together = pc.replace_substring(text, thousands, "")
        text = pc.if_else(pc.match_substring_regex(text, grouped(thousands)), together, text)
    if decimal == ",":
        # A point that is left is none of this way of writing: 1.5 would be read as 1.5, where 1,5 is meant.
        text = pc.replace_substring(pc.replace_substring(text, ".", "?"), ",", ".")
    return text


def labels(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells as names: text without the spaces around it, whole numbers without ".0", null where one is missing."""
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    text = pc.replace_substring_regex(text, r"^([+-]?\d+)\.0*$", r"\1")
    return pc.if_else(pc.is_in(text, pa.array(MISSING)), None, text)


def numbers(
    column: pa.ChunkedArray, name: str, decimal: str = ".", thousands: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Cells as float64.

    Args:
        column: text or numbers.
        name: for the message.
        decimal: before the decimals, in text.
        thousands: between groups of three digits, in text.

    Returns:
        The values, NaN where a cell is missing or bad; and where it is bad: no number, or one beyond `LARGEST`.

    Raises:
        DataError: a Parquet column of a type that is not numbers.
    """
    if is_text(column):
        text = pc.utf8_trim_whitespace(column)
        missing = pc.or_kleene(pc.is_null(text), pc.is_in(text, pa.array(MISSING, text.type)))
        text = plain(text, decimal, thousands)
        good = pc.fill_null(pc.match_substring_regex(text, NUMBER), False)
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
        too_large = np.abs(values) > LARGEST
    if too_large.any():
        values, bad = np.where(too_large, np.nan, values), bad | too_large
    return values, bad


def stamps(table: pa.Table, names: Sequence[str], form: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Time stamps as int64 microseconds since 1970; those with a zone are turned into UTC.

    Args:
        table: holds the columns.
        names: one column; or year, month, day, ... ; or several to be joined by spaces.
        form: as for `strptime`, or one of `NUMBERED` or `QUARTER`; ISO 8601 when None. 24:00 is midnight of the next
            day in all.

    Returns:
        The stamps, and where a cell is none.
    """
    if form is None and is_parts(names):
        return _from_parts({name.lower(): numbers(table.column(name), name)[0] for name in names})
    columns = [table.column(name) for name in names]
    if len(columns) == 1 and pa.types.is_temporal(columns[0].type):
        column = columns[0]
        if getattr(column.type, "tz", None):
            column = column.cast(pa.timestamp("us", "UTC"), safe=False)
        return _split(column.cast(pa.timestamp("us"), safe=False))
    if form in NUMBERED:
        return _from_numbers(numbers(columns[0], names[0])[0], form)
    texts = [column.cast(pa.string()) for column in columns]
    text = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " ")
    if form == QUARTER:
        return _from_quarters(text)
    if form is not None:
        form = directives.expanded(form)
    values, bad = _iso(text) if form is None else _formatted(text, form)
    if bad.any():
        _add_midnights(text, form, values, bad)
    return values, bad


def _iso(text: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return _split(text.cast(kind))
        except pa.ArrowInvalid:
            continue
    return _slowly(text, "ISO8601")


def _formatted(text: pa.ChunkedArray, form: str) -> tuple[np.ndarray, np.ndarray]:
    if not directives.is_fast(form):
        form, end = directives.completed(form)
        return _slowly(pc.binary_join_element_wise(text, end, "") if end else text, form)
    parsed = pc.strptime(text, format=form, unit="us", error_is_null=True)
    values, bad = _split(parsed)
    # Arrow takes 31 April for 1 May, and 23 for the year 23. Only these can have come about so; they, and what it
    # could not read, are read again by the slow way, which is strict.
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
    """The day of the week, from 0 for Monday, that is named in each cell; -1 for none."""
    found = np.full(len(text), -1)
    for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun")):
        there = pc.match_substring_regex(text, rf"\b{name}(day|sday|nesday|rsday|urday)?\b", ignore_case=True)
        found[pc.fill_null(there, False).to_numpy().astype(bool)] = number
    return found


def _add_midnights(text: pa.ChunkedArray, form: str | None, values: np.ndarray, bad: np.ndarray) -> None:
    """Reads cells in which midnight is written as 24 hours of the day before."""
    rows = np.flatnonzero(bad)
    cell = re.compile(_ISO_MIDNIGHT if form is None else _midnight(form))
    matches = [(row, cell.fullmatch((text[int(row)].as_py() or "").strip())) for row in rows] if cell.groups else []
    found = [(row, f"{match[1]}00{match[3]}") for row, match in matches if match]
    if not found:
        return
    again = pa.chunked_array([[written for _, written in found]])
    begins, unread = _iso(again) if form is None else _formatted(again, form)
    rows = np.array([row for row, _ in found])[~unread]
    values[rows], bad[rows] = begins[~unread] + _DAY, False


def _midnight(form: str) -> str:
    """The expression for a cell of the format whose hour is 24; without groups where the format has none."""
    held = directives.directives(form)
    if "%H" not in held:
        return ""
    rest = {"%M": "00", "%S": "00", "%f": "0+", "%%": "%"}
    parts = re.split(r"(%.)", form)
    written = [rest.get(part, r".+?") if part.startswith("%") else re.escape(part) for part in parts]
    hour = parts.index("%H")
    return f"({''.join(written[:hour])})(24)({''.join(written[hour + 1 :])})"


def _from_quarters(text: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The first days of quarters such as 2008Q1, 2008-Q1 and Q1 2008."""
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
    """Stamps from the numbers of one column."""
    if form == "year":
        return _from_parts({"year": values})
    if form == "decimal_year":  # 1949.0833 is February: months, and so quarters, survive the rounding
        months = np.rint((values - 1970) * 12)
        odd = ~(np.abs((values - 1970) * 12 - months) < 0.06)
        stamps = np.where(odd, 0, months).astype(np.int64).astype("datetime64[M]").astype("datetime64[us]")
        return stamps.astype(np.int64), odd
    if form == "excel":
        odd = ~((values >= 61) & (values < 2_958_466))  # from March 1900, before which there is a day too many, to 9999
        seconds = np.rint(np.where(odd, 0, values) * 86_400).astype(np.int64) + _EXCEL
        return np.where(odd, 0, seconds * 1_000_000), odd
    unit = NUMBERED[form]
    assert unit is not None
    odd = ~(np.abs(values * unit) < 2.5e17)  # some 8,000 years
    return np.rint(np.where(odd, 0, values) * unit).astype(np.int64), odd


def _from_parts(parts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Stamps from numbers for year, month, ...; what is not given begins its unit."""
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
    midnight = whole.get("hour", np.zeros_like(bad, np.int64)) == 24  # of the next day
    for name, limit, length in (("hour", 25, 3600), ("minute", 60, 60), ("second", 60, 1)):
        if name in whole:
            bad |= (whole[name] < 0) | (whole[name] >= limit) | (midnight & (name != "hour") & (whole[name] > 0))
            values += whole[name] * (length * 1_000_000)
    return np.where(bad, 0, values), bad
