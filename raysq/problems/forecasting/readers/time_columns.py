"""Time columns and their format, inferred from names and cells."""

import datetime
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.config import join_names
from raysq.data.readers.tables import MISSING
from raysq.errors import DataError
from raysq.problems.forecasting.readers import directives, parsing, timestamp_stats, timestamps

_DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%b %d %Y", "%b %d, %Y", "%B %d %Y", "%B %d, %Y"),
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%d%b%Y", "%Y-%b-%d", "%a %d %b %Y", "%a, %d %b %Y"),
)
_WEEKS = ("%G-W%V", "%GW%V", "%G-W%V-%u", "%GW%V%u")
_MONTHS = ("%Y-%m", "%Y/%m", "%Y.%m", "%Y%m", "%m/%Y", "%m.%Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%Y %b", "%Y-%b")
_TIMES = (
    *("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%H.%M.%S", "%H.%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p"),
    *("%H%M%S", "%H%M", "%H"),
)
_BETWEEN = (" ", "T", ", ", "  ", "-")
_EPOCHS = (("epoch_s", 1.0), ("epoch_ms", 1e3), ("epoch_us", 1e6), ("epoch_ns", 1e9))
_DESCRIPTIONS = {
    "year": "years",
    "decimal_year": "decimal years",
    "excel": "days since 1899-12-30, as spreadsheets number them, to the second",
    timestamps.QUARTER: "quarters, as their first days",
    timestamps.NUMBER: "numbers in order, no times",
    timestamps.ROWS: "none: the rows are numbered in their order",
}
_MIDNIGHT = re.compile(r"([T \-,])24([:.]?00\b|$)")
_ZONE = re.compile(r"\d ?([A-Z]{3,5})$")
_SERIALS = (20_000, 80_000)  # plausible days since 1899-12-30: 1954 to 2119
_ENOUGH = 0.9  # share of the cells that a format must read; a few damaged cells are reported later
_NAMES = (
    *("time", "datetime", "date time", "date_time", "timestamp", "date", "ds", "ts", "datum", "zeit", "utc", "day"),
    "epoch",
)
_HOURS = ("time", "hour", "hours", "uhrzeit", "zeit", "heure", "hora", "hr")


@dataclass(frozen=True)
class TimeColumns:
    """Time columns of raw files, and their format.

    Attributes:
        columns: value of the preprocessor's setting `time`.
        time_format: value of its setting `time_format`.
        description: description of the format, for messages.
        share: share of the sampled cells that the format reads.
    """

    columns: tuple[str, ...]
    time_format: str | None
    description: str
    share: float = 1.0


def infer(sample: pa.Table, numeric: Sequence[str]) -> TimeColumns:
    """Infer the time columns from their names and cells; `numeric` names the columns of numbers.

    Raises:
        DataError: there is no time column, or its days and months cannot be told apart.
    """
    names = sample.column_names
    lower = {name.lower(): name for name in reversed(names)}
    if "year" in lower and ("month" in lower or "quarter" in lower):
        last_part = "quarter" if "month" not in lower else None
        units = map(lower.get, timestamps.PARTS)
        parts = [lower["year"], lower[last_part]] if last_part else list(itertools.takewhile(bool, units))
        times = infer_format(sample, tuple(str(part) for part in parts))
        if times:
            return times
    time_names = [name for name in names if _is_time_name(name)]
    time_names.sort(key=lambda name: _NAMES.index(name.lower()) if name.lower() in _NAMES else len(_NAMES))
    others = [name for name in names if name not in time_names and name not in numeric]
    times = _first(sample, (*time_names, *others))
    if times is None and "year" in lower:
        times = infer_format(sample, (lower["year"],))
    if times is None:
        message = next((message for name in (*time_names, *others) if (message := zone_message(sample, (name,)))), None)
        if not message and not time_names and not others and not _dated(names):
            return _by_order(sample)
        raise DataError(message) if message else _no_time(names)
    return _with_hours(sample, times) or times


def _first(sample: pa.Table, names: Sequence[str]) -> TimeColumns | None:
    """Return the first of the columns that holds times; if none does, the first that numbers the rows."""
    numbered = None
    for name in names:
        times = infer_format(sample, (name,))
        if times is not None and times.time_format != timestamps.NUMBER:
            return times
        numbered = numbered or times
    return numbered


def _by_order(sample: pa.Table) -> TimeColumns:
    """Return the column of numbers that counts the rows in equal steps, or the order of the rows if none does.

    Raises:
        DataError: several columns do.
    """
    counting = []
    for name in sample.column_names if len(sample.column_names) > 1 and sample.num_rows > 2 else ():
        values, _ = parsing.numbers(sample.column(name), name)
        steps = np.diff(values)
        times = infer_format(sample, (name,)) if (values == np.floor(values)).all() and steps[0] else None
        if times is not None and (steps == steps[0]).all():
            counting.append(times)
    if len(counting) > 1:
        raise DataError(
            f"no column tells the time, and {join_names([times.columns[0] for times in counting])} count the rows",
            hint="--time COLUMN names one of them, --time none takes the order of the rows",
        )
    return counting[0] if counting else TimeColumns((), timestamps.ROWS, describe_format(timestamps.ROWS))


def find_with_format(sample: pa.Table, time_format: str) -> TimeColumns:
    """Return the time column of a known format.

    Raises:
        DataError: no column has this format.
    """
    for name in sorted(sample.column_names, key=lambda name: not _is_time_name(name)):
        if not pa.types.is_temporal(sample.column(name).type) and _matching_formats(sample, (name,), [time_format]):
            return TimeColumns((name,), time_format, describe_format(time_format))
    raise DataError(
        f"no column has times written as {time_format!r}; there are {join_names(sample.column_names)}",
        hint="--time COLUMN names the one that does",
    )


def infer_format(sample: pa.Table, names: tuple[str, ...]) -> TimeColumns | None:
    """Infer the format of the time in these columns, or return None if they do not hold times.

    Args:
        sample: rows of the raw files.
        names: one column; year, month, ...; or several to be joined by spaces.

    Raises:
        DataError: days and months cannot be told apart.
    """
    columns = [sample.column(name) for name in names]
    if timestamps.is_parts(names):
        matching = _matching_formats(sample, names, [None])
        return TimeColumns(names, None, "as numbers", matching[0][1]) if matching else None
    if len(columns) == 1 and pa.types.is_temporal(columns[0].type):
        return TimeColumns(names, None, f"{columns[0].type}")
    texts = [pc.utf8_trim_whitespace(column.cast(pa.string())) for column in columns]
    text = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " ")
    text = text.filter(pc.invert(pc.fill_null(pc.is_in(text, pa.array(MISSING)), True)))
    if not len(text):
        return None
    sampled = text.take(pa.array(np.unique(np.linspace(0, len(text) - 1, 2000).astype(int))))
    plain = pc.replace_substring(sampled, ",", ".")
    if len(names) == 1 and pc.all(pc.match_substring_regex(plain, parsing.NUMBER)).as_py():
        return _numbered(names, plain)
    table = pa.table({"text": sampled})
    quarters = _matching_formats(table, ("text",), [timestamps.QUARTER])
    if quarters:
        return TimeColumns(names, timestamps.QUARTER, describe_format(timestamps.QUARTER), quarters[0][1])
    iso = _matching_formats(table, ("text",), [None])
    if iso and iso[0][1] == 1:
        return TimeColumns(names, None, "ISO 8601")
    formats = [time_format for time_format in _formats_of(text[0].as_py()) if time_format]
    matching = [*iso, *_matching_formats(table, ("text",), formats)]
    if not matching:
        return None
    best = max(share for _, share in matching)
    formats = [str(time_format) for time_format, share in matching if share == best and time_format is not None]
    if len(formats) > 1 and _swapped(formats):
        table = pa.table({"text": text})  # any row may decide, so test all of them
        matching = _matching_formats(table, ("text",), list(formats))
        best = max(share for _, share in matching)
        formats = [str(time_format) for time_format, share in matching if share == best]
        if len(formats) > 1:
            regular = [time_format for time_format in formats if _is_regular(table, time_format)]
            formats = regular if len(regular) == 1 else formats
        if len(formats) > 1:
            choices = " or ".join(f"--set 'time_format={time_format}'" for time_format in dict.fromkeys(formats))
            raise DataError(
                f"column {', '.join(names)}: {text[0].as_py()!r} may be day and month or month and day, and no row "
                f"tells which",
                hint=f"say {choices}",
            )
    return (
        TimeColumns(names, formats[0], describe_format(formats[0]), best)
        if formats
        else TimeColumns(names, None, "ISO 8601", best)
    )


def zone_message(sample: pa.Table, names: Sequence[str]) -> str | None:
    """Return the error message for times that end in the name of a time zone, or None if they do not."""
    last = next((cell for cell in sample.column(names[-1]).to_pylist() if cell), "")
    match = _ZONE.search(last.strip()) if isinstance(last, str) else None
    if match is None or match[1] in ("PM", "AM"):
        return None
    return (
        f"column {', '.join(names)}: {last!r} ends in the name of a time zone, and a name such as {match[1]} may stand "
        f"for several: write offsets such as +02:00 (%z) in its place, or times in UTC"
    )


def describe_format(time_format: str) -> str:
    """Describe a format in readable form: "%d.%m.%Y %H:%M" is "DD.MM.YYYY hh:mm"."""
    if time_format in _DESCRIPTIONS:
        return _DESCRIPTIONS[time_format]
    if time_format in timestamps.NUMBERED:
        return f"{time_format[6:]} since 1970, UTC"
    words = {"d": "DD", "m": "MM", "Y": "YYYY", "y": "YY", "H": "hh", "I": "hh", "M": "mm", "S": "ss", "p": "AM/PM"}
    words |= {"b": "Mon", "B": "Month", "f": "ffffff", "a": "Day", "A": "Day", "G": "YYYY", "V": "ww", "u": "D"}
    time_format = directives.expanded(time_format) + (
        " (weeks, as their Mondays)" if directives.completed(time_format)[1] else ""
    )
    for letter, word in words.items():
        time_format = time_format.replace(f"%{letter}", word)
    return time_format


def reads_any(cell: str) -> bool:
    """Return whether a cell is a time in any known format."""
    return bool(_formats_of(cell)) or not timestamps.parse_values(pa.table({"text": [cell]}), ("text",), None)[1][0]


# Column names that are days, months, quarters, weeks or years.
_DATED = re.compile(
    r"(19|20)\d\d([-/.]?\d\d?([-/.]?\d\d?)?([ T].*)?|[- ]?[QW]\d\d?)?|\d\d?[-/.]\d\d?[-/.](\d\d){1,2}|"
    r"(\d\d?[-/. ]+)?(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*[-/., ]*(\d\d?[-/., ]+)?(\d\d){1,2}",
    re.IGNORECASE,
)


def _no_time(names: Sequence[str]) -> DataError:
    """Return the error for columns without a time; it says so if the table is wide, with times as column names."""
    dated = _dated(names)
    if dated:
        return DataError(
            f"no column tells the time, while most of the {len(names):,} columns are called as times "
            f"({join_names(dated[:2])}, ...): a series has a row for each time; make the columns rows, for "
            "example with "
            f"pandas.DataFrame.melt"
        )
    return DataError(
        f"no column tells the time; there are {join_names(names)}",
        hint="--time COLUMN names the one that does, --time none takes the order of the rows",
    )


def _dated(names: Sequence[str]) -> list[str]:
    """Return the columns that are named as times, if most are."""
    dated = [name for name in names if _DATED.fullmatch(name.strip())]
    return dated if len(dated) > max(2, len(names) // 2) else []


def _is_time_name(name: str) -> bool:
    lower = name.lower()
    return lower in _NAMES or any(word in lower for word in ("date", "time", "stamp", "month"))


def _matching_formats(
    table: pa.Table, names: tuple[str, ...], formats: Sequence[str | None]
) -> list[tuple[str | None, float]]:
    """Return the formats that read at least `_ENOUGH` of the cells, each with its share."""
    matching = []
    for time_format in formats:
        _, bad = timestamps.parse_values(table, names, time_format)
        share = 1 - float(bad.mean())
        if share >= _ENOUGH:
            matching.append((time_format, share))
    return matching


def _formats_of(cell: str) -> list[str]:
    """Return the formats that read a cell."""
    whole = [date + sign + time for date in _DATES for sign in _BETWEEN for time in _TIMES]
    return [time_format for time_format in (*_DATES, *_MONTHS, *_WEEKS, *whole) if _matches(cell, time_format)]


def _matches(cell: str, time_format: str) -> bool:
    time_format, end = directives.completed(time_format)
    for text in (cell, _MIDNIGHT.sub(r"\g<1>00\2", cell)):
        try:
            datetime.datetime.strptime(text + end, time_format)
        except ValueError:
            continue
        return True
    return False


def _swapped(formats: Sequence[str]) -> bool:
    return len({time_format.replace("%d", "%m").replace("%m", "?") for time_format in formats}) < len(formats)


def _is_regular(table: pa.Table, time_format: str) -> bool:
    """Return whether nearly all steps in time are equal, as they are if days and months are not swapped."""
    values, bad = timestamps.parse_values(table, ("text",), time_format)
    stats = timestamp_stats.merge(
        [(timestamp_stats.measure(np.unique(values[~bad]), np.arange(len(np.unique(values[~bad])))), "", 0)]
    )
    gaps = stats["gaps"]["count"] if stats["gaps"] else 0
    return stats["frequency"] is not None and stats["steps"] > 2 and gaps <= 0.02 * stats["steps"]


def _numbered(names: tuple[str, ...], text: pa.ChunkedArray) -> TimeColumns | None:
    """Return the format of times that are numbers: YYYYMMDD, years, or units since 1970; None if there is none."""
    values = text.cast(pa.float64()).to_numpy()
    whole = bool((values == np.floor(values)).all())
    low, high = float(values.min()), float(values.max())
    digits = {len(cell) for cell in text.to_pylist()}
    for time_format, length in (("%Y%m%d", 8), ("%Y%m", 6), ("%Y%m%d%H", 10), ("%Y%m%d%H%M", 12), ("%Y%m%d%H%M%S", 14)):
        if whole and digits == {length} and _matching_formats(pa.table({"t": text}), ("t",), [time_format]):
            return TimeColumns(names, time_format, describe_format(time_format))
    if low >= 1000 and high < 3000:
        if whole:
            return TimeColumns(names, "year", describe_format("year"))
        if timestamps.parse_values(pa.table({"t": text}), ("t",), "decimal_year")[1].mean() <= 1 - _ENOUGH:
            return TimeColumns(names, "decimal_year", describe_format("decimal_year"))
    if _SERIALS[0] <= low and high < _SERIALS[1] and (not whole or _is_time_name(names[0])):
        return TimeColumns(names, "excel", describe_format("excel"))
    for time_format, unit in _EPOCHS:
        if 1e8 * unit <= low and high <= 5e9 * unit:  # 1973 to 2128
            return TimeColumns(names, time_format, describe_format(time_format))
    if whole and len(values) > 2 and ((np.diff(values) > 0).all() or (np.diff(values) < 0).all()):
        return TimeColumns(names, timestamps.NUMBER, describe_format(timestamps.NUMBER))
    return None


def _with_hours(sample: pa.Table, dates: TimeColumns) -> TimeColumns | None:
    """Return the date column joined with a time-of-day column, or None if there is no such column."""
    if len(dates.columns) > 1 or dates.time_format in timestamps.NUMBERED:
        return None
    values, bad = timestamps.parse_values(sample, dates.columns, dates.time_format)
    if bad.all() or (values[~bad] % 86_400_000_000).any():
        return None
    date = _date_format(sample, dates)
    days = len(np.unique(values[~bad]))
    # A column of another name is joined only if it distinguishes rows of a day, as a time of sunrise does not.
    repeated = days < 0.5 * len(values)
    for name in sorted(sample.column_names, key=lambda name: name.lower() not in _HOURS):
        is_time = name.lower() in _HOURS
        if date is None or name in dates.columns or not (is_time or repeated):
            continue
        first = next((cell for cell in sample.column(name).cast(pa.string()).to_pylist() if cell), "").strip()
        for time_of_day in _TIMES if is_time else [time_format for time_format in _TIMES if ":" in time_format]:
            if not _matches(first, time_of_day):
                continue
            columns = (*dates.columns, name)
            time_format = f"{date} {time_of_day}"
            matching = _matching_formats(sample.select(list(columns)).drop_null(), columns, [time_format])
            if matching and (is_time or _count_distinct(sample, columns, time_format) > 2 * days):
                return TimeColumns(columns, time_format, describe_format(time_format), matching[0][1])
    return None


def _count_distinct(sample: pa.Table, names: tuple[str, ...], time_format: str) -> int:
    """Return the number of distinct timestamps."""
    values, bad = timestamps.parse_values(sample, names, time_format)
    return len(np.unique(values[~bad]))


def _date_format(sample: pa.Table, dates: TimeColumns) -> str | None:
    """Return the format of a date in text, with ISO 8601 spelled out; None if the column is not text."""
    column = sample.column(dates.columns[0])
    if pa.types.is_temporal(column.type):
        return None
    return dates.time_format or "%Y-%m-%d"
