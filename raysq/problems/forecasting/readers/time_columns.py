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
_SAID = {
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
class Clock:
    """Time columns of raw files, and their format.

    Attributes:
        columns: value of the preprocessor's setting `time`.
        form: value of its setting `time_format`.
        said: description of the format, for messages.
        share: share of the sampled cells that the format reads.
    """

    columns: tuple[str, ...]
    form: str | None
    said: str
    share: float = 1.0


def find(sample: pa.Table, numeric: Sequence[str]) -> Clock:
    """Infer the time columns from their names and cells.

    Args:
        sample: rows of the raw files.
        numeric: columns of numbers.

    Raises:
        DataError: there is no time column, or its days and months cannot be told apart.
    """
    names = sample.column_names
    lower = {name.lower(): name for name in reversed(names)}
    if "year" in lower and ("month" in lower or "quarter" in lower):
        last = "quarter" if "month" not in lower else None
        units = map(lower.get, timestamps.PARTS)
        parts = [lower["year"], lower[last]] if last else list(itertools.takewhile(bool, units))
        found = read(sample, tuple(str(part) for part in parts))
        if found:
            return found
    named = [name for name in names if _looks(name)]
    named.sort(key=lambda name: _NAMES.index(name.lower()) if name.lower() in _NAMES else len(_NAMES))
    others = [name for name in names if name not in named and name not in numeric]
    found = _first(sample, (*named, *others))
    if found is None and "year" in lower:
        found = read(sample, (lower["year"],))
    if found is None:
        zones = next((told for name in (*named, *others) if (told := about_zone(sample, (name,)))), None)
        if not zones and not named and not others and not _dated(names):
            return _by_order(sample)
        raise DataError(zones) if zones else _no_time(names)
    return _with_hours(sample, found) or found


def _first(sample: pa.Table, names: Sequence[str]) -> Clock | None:
    """Return the first of the columns that holds times; if none does, the first that numbers the rows."""
    numbered = None
    for name in names:
        found = read(sample, (name,))
        if found is not None and found.form != timestamps.NUMBER:
            return found
        numbered = numbered or found
    return numbered


def _by_order(sample: pa.Table) -> Clock:
    """Return the column of numbers that counts the rows in equal steps, or the order of the rows if none does.

    Raises:
        DataError: several columns do.
    """
    counting = []
    for name in sample.column_names if len(sample.column_names) > 1 and sample.num_rows > 2 else ():
        values, _ = parsing.numbers(sample.column(name), name)
        steps = np.diff(values)
        found = read(sample, (name,)) if (values == np.floor(values)).all() and steps[0] else None
        if found is not None and (steps == steps[0]).all():
            counting.append(found)
    if len(counting) > 1:
        raise DataError(
            f"no column tells the time, and {join_names([found.columns[0] for found in counting])} count the rows",
            hint="--time COLUMN names one of them, --time none takes the order of the rows",
        )
    return counting[0] if counting else Clock((), timestamps.ROWS, said(timestamps.ROWS))


def find_by(sample: pa.Table, form: str) -> Clock:
    """Return the time column of a known format.

    Args:
        sample: rows of the raw files.
        form: value of the setting `time_format`.

    Raises:
        DataError: no column has this format.
    """
    for name in sorted(sample.column_names, key=lambda name: not _looks(name)):
        if not pa.types.is_temporal(sample.column(name).type) and _tested(sample, (name,), [form]):
            return Clock((name,), form, said(form))
    raise DataError(
        f"no column has times written as {form!r}; there are {join_names(sample.column_names)}",
        hint="--time COLUMN names the one that does",
    )


def read(sample: pa.Table, names: tuple[str, ...]) -> Clock | None:
    """Infer the format of the time in these columns.

    Args:
        sample: rows of the raw files.
        names: one column; year, month, ...; or several to be joined by spaces.

    Returns:
        The columns and their format, or None if they do not hold times.

    Raises:
        DataError: days and months cannot be told apart.
    """
    columns = [sample.column(name) for name in names]
    if timestamps.is_parts(names):
        found = _tested(sample, names, [None])
        return Clock(names, None, "as numbers", found[0][1]) if found else None
    if len(columns) == 1 and pa.types.is_temporal(columns[0].type):
        return Clock(names, None, f"{columns[0].type}")
    texts = [pc.utf8_trim_whitespace(column.cast(pa.string())) for column in columns]
    text = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " ")
    text = text.filter(pc.invert(pc.fill_null(pc.is_in(text, pa.array(MISSING)), True)))
    if not len(text):
        return None
    few = text.take(pa.array(np.unique(np.linspace(0, len(text) - 1, 2000).astype(int))))
    plain = pc.replace_substring(few, ",", ".")
    if len(names) == 1 and pc.all(pc.match_substring_regex(plain, parsing.NUMBER)).as_py():
        return _numbered(names, plain)
    table = pa.table({"text": few})
    quarters = _tested(table, ("text",), [timestamps.QUARTER])
    if quarters:
        return Clock(names, timestamps.QUARTER, said(timestamps.QUARTER), quarters[0][1])
    iso = _tested(table, ("text",), [None])
    if iso and iso[0][1] == 1:
        return Clock(names, None, "ISO 8601")
    forms = [form for form in _forms(text[0].as_py()) if form]
    found = [*iso, *_tested(table, ("text",), forms)]
    if not found:
        return None
    best = max(share for _, share in found)
    forms = [str(form) for form, share in found if share == best and form is not None]
    if len(forms) > 1 and _swapped(forms):
        table = pa.table({"text": text})  # any row may decide, so test all of them
        again = _tested(table, ("text",), list(forms))
        best = max(share for _, share in again)
        forms = [str(form) for form, share in again if share == best]
        if len(forms) > 1:
            regular = [form for form in forms if _is_regular(table, form)]
            forms = regular if len(regular) == 1 else forms
        if len(forms) > 1:
            shown = " or ".join(f"--set 'time_format={form}'" for form in dict.fromkeys(forms))
            raise DataError(
                f"column {', '.join(names)}: {text[0].as_py()!r} may be day and month or month and day, and no row "
                f"tells which",
                hint=f"say {shown}",
            )
    return Clock(names, forms[0], said(forms[0]), best) if forms else Clock(names, None, "ISO 8601", best)


def about_zone(sample: pa.Table, names: Sequence[str]) -> str | None:
    """Return the error message for times that end in the name of a time zone, or None if they do not."""
    last = next((cell for cell in sample.column(names[-1]).to_pylist() if cell), "")
    match = _ZONE.search(last.strip()) if isinstance(last, str) else None
    if match is None or match[1] in ("PM", "AM"):
        return None
    return (
        f"column {', '.join(names)}: {last!r} ends in the name of a time zone, and a name such as {match[1]} may stand "
        f"for several: write offsets such as +02:00 (%z) in its place, or times in UTC"
    )


def said(form: str) -> str:
    """Describe a format in readable form: "%d.%m.%Y %H:%M" is "DD.MM.YYYY hh:mm"."""
    if form in _SAID:
        return _SAID[form]
    if form in timestamps.NUMBERED:
        return f"{form[6:]} since 1970, UTC"
    words = {"d": "DD", "m": "MM", "Y": "YYYY", "y": "YY", "H": "hh", "I": "hh", "M": "mm", "S": "ss", "p": "AM/PM"}
    words |= {"b": "Mon", "B": "Month", "f": "ffffff", "a": "Day", "A": "Day", "G": "YYYY", "V": "ww", "u": "D"}
    form = directives.expanded(form) + (" (weeks, as their Mondays)" if directives.completed(form)[1] else "")
    for letter, word in words.items():
        form = form.replace(f"%{letter}", word)
    return form


def reads_any(cell: str) -> bool:
    """Return whether a cell is a time in any known format."""
    return bool(_forms(cell)) or not timestamps.stamps(pa.table({"text": [cell]}), ("text",), None)[1][0]


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


def _looks(name: str) -> bool:
    lower = name.lower()
    return lower in _NAMES or any(word in lower for word in ("date", "time", "stamp", "month"))


def _tested(table: pa.Table, names: tuple[str, ...], forms: Sequence[str | None]) -> list[tuple[str | None, float]]:
    """Return the formats that read at least `_ENOUGH` of the cells, each with its share."""
    found = []
    for form in forms:
        _, bad = timestamps.stamps(table, names, form)
        share = 1 - float(bad.mean())
        if share >= _ENOUGH:
            found.append((form, share))
    return found


def _forms(cell: str) -> list[str]:
    """Return the formats that read a cell."""
    whole = [date + sign + time for date in _DATES for sign in _BETWEEN for time in _TIMES]
    return [form for form in (*_DATES, *_MONTHS, *_WEEKS, *whole) if _reads(cell, form)]


def _reads(cell: str, form: str) -> bool:
    form, end = directives.completed(form)
    for written in (cell, _MIDNIGHT.sub(r"\g<1>00\2", cell)):
        try:
            datetime.datetime.strptime(written + end, form)
        except ValueError:
            continue
        return True
    return False


def _swapped(forms: Sequence[str]) -> bool:
    return len({form.replace("%d", "%m").replace("%m", "?") for form in forms}) < len(forms)


def _is_regular(table: pa.Table, form: str) -> bool:
    """Return whether nearly all steps in time are equal, as they are if days and months are not swapped."""
    stamps, bad = timestamps.stamps(table, ("text",), form)
    seen = timestamp_stats.merge(
        [(timestamp_stats.note(np.unique(stamps[~bad]), np.arange(len(np.unique(stamps[~bad])))), "", 0)]
    )
    gaps = seen["gaps"]["count"] if seen["gaps"] else 0
    return seen["frequency"] is not None and seen["steps"] > 2 and gaps <= 0.02 * seen["steps"]


def _numbered(names: tuple[str, ...], text: pa.ChunkedArray) -> Clock | None:
    """Return the format of times that are numbers: YYYYMMDD, years, or units since 1970; None if there is none."""
    values = text.cast(pa.float64()).to_numpy()
    whole = bool((values == np.floor(values)).all())
    low, high = float(values.min()), float(values.max())
    digits = {len(cell) for cell in text.to_pylist()}
    for form, length in (("%Y%m%d", 8), ("%Y%m", 6), ("%Y%m%d%H", 10), ("%Y%m%d%H%M", 12), ("%Y%m%d%H%M%S", 14)):
        if whole and digits == {length} and _tested(pa.table({"t": text}), ("t",), [form]):
            return Clock(names, form, said(form))
    if low >= 1000 and high < 3000:
        if whole:
            return Clock(names, "year", said("year"))
        if timestamps.stamps(pa.table({"t": text}), ("t",), "decimal_year")[1].mean() <= 1 - _ENOUGH:
            return Clock(names, "decimal_year", said("decimal_year"))
    if _SERIALS[0] <= low and high < _SERIALS[1] and (not whole or _looks(names[0])):
        return Clock(names, "excel", said("excel"))
    for form, unit in _EPOCHS:
        if 1e8 * unit <= low and high <= 5e9 * unit:  # 1973 to 2128
            return Clock(names, form, said(form))
    if whole and len(values) > 2 and ((np.diff(values) > 0).all() or (np.diff(values) < 0).all()):
        return Clock(names, timestamps.NUMBER, said(timestamps.NUMBER))
    return None


def _with_hours(sample: pa.Table, found: Clock) -> Clock | None:
    """Return the date column joined with a time-of-day column, or None if there is no such column."""
    if len(found.columns) > 1 or found.form in timestamps.NUMBERED:
        return None
    stamps, bad = timestamps.stamps(sample, found.columns, found.form)
    if bad.all() or (stamps[~bad] % 86_400_000_000).any():
        return None
    date = _date_form(sample, found)
    days = len(np.unique(stamps[~bad]))
    # A column of another name is joined only if it distinguishes rows of a day, as a time of sunrise does not.
    repeated = days < 0.5 * len(stamps)
    for name in sorted(sample.column_names, key=lambda name: name.lower() not in _HOURS):
        named = name.lower() in _HOURS
        if date is None or name in found.columns or not (named or repeated):
            continue
        first = next((cell for cell in sample.column(name).cast(pa.string()).to_pylist() if cell), "").strip()
        for time in _TIMES if named else [form for form in _TIMES if ":" in form]:
            if not _reads(first, time):
                continue
            both = (*found.columns, name)
            form = f"{date} {time}"
            tested = _tested(sample.select(list(both)).drop_null(), both, [form])
            if tested and (named or _moments(sample, both, form) > 2 * days):
                return Clock(both, form, said(form), tested[0][1])
    return None


def _moments(sample: pa.Table, names: tuple[str, ...], form: str) -> int:
    """Return the number of distinct timestamps."""
    stamps, bad = timestamps.stamps(sample, names, form)
    return len(np.unique(stamps[~bad]))


def _date_form(sample: pa.Table, found: Clock) -> str | None:
    """Return the format of a date in text, with ISO 8601 spelled out; None if the column is not text."""
    column = sample.column(found.columns[0])
    if pa.types.is_temporal(column.type):
        return None
    return found.form or "%Y-%m-%d"
