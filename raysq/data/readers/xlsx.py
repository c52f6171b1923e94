"""Sheets of xlsx files as tables: numbers, times and text keep their types."""

import datetime as dt
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from raysq.config import nearest_name
from raysq.data.messages import Message
from raysq.data.readers.csv.sniff import columns
from raysq.data.readers.files import damaged
from raysq.data.readers.limits import Limits
from raysq.data.readers.unpack import open_zip
from raysq.errors import DataError, UsageError

_CELL_BYTES = 32  # of a cell in the reader, which holds a whole rectangle of cells
_TAG = re.compile(rb"<(?:\w+:)?(row|c)(\s[^>]*)?>")
_REFERENCE = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]*)(\d+)["']""")
_MOST_ROWS, _MOST_COLUMNS = 1 << 20, 1 << 14  # of a sheet


def read_sheet(path: Path, sheet: str | None, limits: Limits) -> tuple[pa.Table, list[str]]:
    """Read a sheet, whose first row names the columns.

    Args:
        sheet: name of the sheet, or its number from 1. None for the first with cells.

    Returns:
        The table, and messages about the chosen sheet. Columns of whole numbers are int64, of numbers float64, of days
        and times timestamps, and all others text as in a csv.

    Raises:
        DataError: the file is damaged, or has no such sheet or no rows.
        UsageError: the package that reads such files is missing.
    """
    try:
        import python_calamine
    except ImportError:
        raise UsageError(f"{path.name} needs python-calamine: pip install 'raysq[xlsx]'") from None
    _check_size(path, limits)
    try:
        with python_calamine.CalamineWorkbook.from_path(str(path)) as workbook:
            names = list(workbook.sheet_names)
            if sheet is not None:
                names = [_named(path, sheet, names)]
            for name in names:
                rows = workbook.get_sheet_by_name(name).to_python(skip_empty_area=True)
                if rows:
                    break
            else:
                rows, name = [], names[0] if names else ""
            others = len(workbook.sheet_names)
    except (DataError, UsageError):
        raise
    except python_calamine.PasswordError:
        raise DataError(f"{path.name} is encrypted", hint="save it without a password") from None
    except BaseException as error:  # a panic of the reader is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            raise
        raise damaged(path, error) from None
    rows = [row for row in rows if any(cell != "" for cell in row)]
    if len(rows) < 2:
        raise DataError(
            f"{path.name}: sheet {name!r} has {'a header and ' if rows else ''}no rows",
            hint="--set sheet=NAME names another",
        )
    header = columns([_text(cell) or "" for cell in rows[0]])
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataError(f"{path.name}: sheet {name!r} has two columns named {repeated[0]!r}", hint="rename one")
    cells = list(zip(*rows[1:], strict=True))
    table = pa.table({title: _column(values) for title, values in zip(header, cells, strict=True)})
    messages: list[str] = []
    if others > 1 and sheet is None:
        messages.append(Message(f"sheet: {name!r}, one of {others}", "--set sheet=NAME names another"))
    return table, messages


def _named(path: Path, sheet: str, names: Sequence[str]) -> str:
    if sheet in names:
        return sheet
    if sheet.isdecimal() and 1 <= int(sheet) <= len(names):
        return names[int(sheet) - 1]
    raise DataError(
        f"{path.name} has no sheet {sheet!r}: {nearest_name(sheet, names)}", hint="--set sheet=NAME names one"
    )


def _check_size(path: Path, limits: Limits) -> None:
    """Raise `DataError` for a workbook that would take too much memory, before the reader decompresses it.

    The reader holds the rectangle from the first cell to the last, so one cell far away takes much.
    """
    with open_zip(path) as archive:
        total = 0
        for info in archive.infolist():
            raw = _member(archive, info, path, limits, total)
            total += len(raw)
            if b"sheetData" in raw:
                limits.check_object(f"{path.name}: a sheet", _area(raw) * _CELL_BYTES)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, limits: Limits, before: int) -> bytes:
    # The stated size may be too small, and other readers go on to the end of the compressed data.
    info.file_size = 1 << 62
    parts, size = [], before
    with archive.open(info) as file:
        while part := file.read(1 << 20):
            size += len(part)
            limits.check_object(f"{path.name}, unpacked,", size)
            parts.append(part)
    return b"".join(parts)


def _area(sheet: bytes) -> int:
    """Return the number of cells in the rectangle from the first to the last row and column of a sheet."""
    row = column = 0
    first = last = None
    for tag in _TAG.finditer(sheet):
        reference = _REFERENCE.search(tag[2]) if tag[2] else None
        if tag[1] == b"row":
            row, column = (int(reference[2]) if reference else row + 1), 0
            continue
        column = column + 1
        if reference and reference[1]:
            column, row = _number(reference[1]), int(reference[2])
        if first is None or last is None:
            first = last = (row, column)
        first = (min(first[0], row), min(first[1], column))
        last = (max(last[0], row), max(last[1], column))
    return 0 if first is None or last is None else (last[0] - first[0] + 1) * (last[1] - first[1] + 1)


def _number(letters: bytes) -> int:
    """Return the number of a column: 1 for A, 28 for AB."""
    number = 0
    for letter in letters.upper()[:7]:
        number = 26 * number + letter - 64
    return number


def _column(values: Sequence[Any]) -> pa.Array:
    """Convert cells to an array of the type that all have in common, else to text."""
    present = [value for value in values if value != ""]
    if not present:
        return pa.nulls(len(values), pa.string())
    if all(isinstance(value, bool) for value in present):
        return pa.array([None if value == "" else value for value in values], pa.bool_())
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in present):
        whole = all(float(value).is_integer() and abs(value) < 2**53 for value in present)
        return pa.array(
            [None if value == "" else int(value) if whole else value for value in values],
            pa.int64() if whole else pa.float64(),
        )
    if all(isinstance(value, dt.date) for value in present):  # a datetime is one; midnight comes as a date
        return pa.array([None if value == "" else _moment(value) for value in values], pa.timestamp("us"))
    return pa.array([_text(value) for value in values], pa.string())


def _moment(day: dt.date) -> dt.datetime:
    return day if isinstance(day, dt.datetime) else dt.datetime(day.year, day.month, day.day)


def _text(value: Any) -> str | None:
    """Return a cell as a csv would have it; None if it is empty."""
    if value == "":
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, dt.timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    return str(value)
