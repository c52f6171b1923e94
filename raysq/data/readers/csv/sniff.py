"""Detect the format of a csv file from its beginning."""

import codecs
import contextlib
import csv
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from raysq.data.messages import Message
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.lookalikes import refuse_rows_in_quotes
from raysq.data.readers.csv.quotes import check, scan
from raysq.errors import DataError, FormatError

DELIMITERS = (",", "\t", ";", "|")
HEADER_BYTES = 1 << 20  # maximum size of a header
_SNIFFED, _SNIFFED_BYTES = 100, 8 << 20  # rows and bytes from which the delimiter is detected
_LONGEST_NAME = 100  # characters: a longer text is not a column name
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True)
class Beginning:
    """Beginning of a csv file.

    Attributes:
        names: names of the columns, "" for a column without one. In files without a header, these are numbers.
        size: number of bytes above the first row.
        lines: number of lines above the first row.
    """

    names: tuple[str, ...]
    rows: list[list[str]]
    size: int
    lines: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns. A column without a name, such as an index written by pandas, is named by position."""
        return columns(self.names)


def columns(names: Sequence[str]) -> tuple[str, ...]:
    """Return column names, with the position in place of an empty name."""
    return tuple(name or f"column {number}" for number, name in enumerate(names, 1))


def sniff_encoding(data: bytes, given: CsvFormat) -> tuple[CsvFormat, list[str]]:
    """Detect the encoding from a file's first bytes, if the setting is the default and the bytes are not UTF-8.

    Return the format and messages.
    """
    if codecs.lookup(given.encoding).name != "utf-8":
        return given, []
    encoding = _encoding(data)
    if encoding == "utf-8":
        return given, []
    message = Message(f"encoding: {encoding}, as the files are not UTF-8", "--set encoding=... says otherwise")
    return replace(given, encoding=encoding), [message]


def sniff(
    data: bytes,
    complete: bool,
    given: CsvFormat,
    numbered: Sequence[str] = (),
    *,
    numbers: bool = False,
    tabs: bool = False,
) -> tuple[CsvFormat, list[str]]:
    """Detect the unknown parts of a csv's format: the delimiter, and whether there is a header.

    Args:
        data: first bytes of the file. Encodings with multi-byte line ends must be converted to UTF-8.
        numbered: requested columns. If all are numbers, the file may have no header.
        numbers: whether a first line that consists of numbers is a row, as for pixels.
        tabs: whether the name of the file says that tabs delimit its cells. It has one column if its first line has
            no delimiter.

    Returns:
        The format, complete except for the quoting, and messages.
    """
    messages: list[str] = []
    format = given
    above, sign = _above(data)
    text, complete = _decoded(data[above:][:_SNIFFED_BYTES], given), complete and len(data) <= _SNIFFED_BYTES
    if given.delimiter is None:
        sign = sign or _delimiter(text, given, complete)
        if tabs and sign not in text.split("\n", 1)[0]:
            sign = "\t"
        shown = "tab" if sign == "\t" else sign
        format = replace(format, delimiter=shown)
        if sign != ",":
            quoted = shown if sign == "\t" else repr(sign)
            messages.append(Message(f"delimiter: {quoted}", "--set delimiter=... says otherwise"))
    if format.header is None:
        cells, *rows = _rows(text, format, complete, _SNIFFED) or [[]]
        header = not (numbers and cells and all(is_number(cell) for cell in cells))
        if numbered and all(column.isdecimal() for column in numbered):
            header = header and (all(column in cells for column in numbered) or not _is_row(cells, rows))
            if not header:
                messages.append(
                    Message("no line of names: columns are called by their numbers", "--set header=true says otherwise")
                )
        format = replace(format, header=header)
    return format, messages


def begin(name: str, data: bytes, complete: bool, format: CsvFormat, most: int = _SNIFFED) -> Beginning:
    """Return the column names and the first rows.

    Args:
        data: first bytes of the file. Encodings with multi-byte line ends must be converted to UTF-8.

    Raises:
        DataError: there is no header, two columns have the same name, or a quote is not closed.
    """
    mark, _ = _above(data)
    if not data[mark:].split(b"\n", 1)[0].strip():
        raise DataError(f"{name}, line 1 is empty: it must name the columns")
    body = data[mark:]
    scanned = scan(body, format)
    line = data.count(b"\n", 0, mark)
    check(scanned, body, name, line, complete or not len(scanned.ends))
    if not complete and not len(scanned.ends):
        raise DataError(f"{name}, line 1 does not end within {len(data):,} bytes: it must name the columns")
    ends = scanned.ends + mark
    above = (format.header is not False) + format.skip
    size = mark if not above else int(ends[above - 1]) + 1 if len(ends) >= above else len(data)
    header = data[mark : int(ends[0]) + 1 if len(ends) else len(data)]
    cells = _names(header, format, name)
    if format.quoting == "find":
        rows = body if complete else body[: int(scanned.ends[-1]) + 1]
        refuse_rows_in_quotes(rows, scanned, format, name, line, len(cells))
    names = cells
    if format.header is False:
        names = tuple(str(number) for number in range(1, len(cells) + 1))
    twice = sorted({cell for cell in names if cell and names.count(cell) > 1})
    if twice:
        raise DataError(f"{name}, line 1 names column {twice[0]!r} twice; rename one of them")
    if len(names) == 1 and format.header is not False:
        for sign in DELIMITERS:
            if sign in cells[0] and sign != format.separator:
                shown = "tab" if sign == "\t" else repr(sign)
                wanted = "tab" if format.separator == "\t" else repr(format.separator)
                raise FormatError(f"{name}, line 1 has no {wanted} between its cells", hint=f"--set delimiter={shown}")
    rows_below = _rows(_decoded(data[size:], format), format, complete, most)
    return Beginning(names, rows_below, size, data.count(b"\n", 0, size))


def is_value(cell: str) -> bool:
    """Whether a cell of the first line is a value, and not a name: a number or a long text."""
    return is_number(cell) or len(cell) > _LONGEST_NAME


def is_number(cell: str) -> bool:
    """Whether a cell is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def no_header(name: str, cells: Sequence[str], example: str, options: str) -> DataError:
    """Return the error for a csv whose first line is a row.

    `example` is a header line, `options` select columns by number.
    """
    shown = ", ".join(cell if len(cell) < 30 else cell[:30] + "..." for cell in cells[:4])
    others = ", ..." if len(cells) > 4 else ""
    return DataError(
        f"{name}, line 1 must name the columns, and it seems to hold values ({shown}{others}); put a line "
        f"of names above it, such as {example}",
        hint=f"or give columns by number: --set header=false {options}",
    )


def column_by_number(name: str, columns: Sequence[str]) -> str:
    """Return the column with this name, or with this number (from 1) if there is no such name."""
    if name not in columns and name.isdecimal() and 1 <= int(name) <= len(columns):
        return columns[int(name) - 1]
    return name


def _encoding(data: bytes) -> str:
    """Detect UTF-8, UTF-16 or UTF-32, or Windows code page 1252 if most bytes beyond ASCII are not UTF-8."""
    if data.startswith(_UTF32):
        return "utf-32"
    if data.startswith(_UTF16):
        return "utf-16"
    if b"\0" in data[:HEADER_BYTES]:
        # In UTF-16, each letter of western scripts has one zero byte.
        sample = data[: 2 * (len(data[:4096]) // 2)]
        for encoding, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[0::2])):
            if zeros.count(0) > 0.7 * len(zeros):
                return encoding
    data = data[: data.rfind(b"\n") + 1] or data
    try:
        data.decode()
        return "utf-8"
    except UnicodeDecodeError:
        pass
    # A few invalid bytes among UTF-8 letters are damage.
    good = len(_MULTIBYTE.findall(data))
    high = len(_HIGH.findall(_MULTIBYTE.sub(b"", data)))
    # Western text consists mostly of ASCII letters. Other code pages are not guessed.
    if good >= high or high > 0.4 * (high + len(_LETTER.findall(data))):
        return "utf-8"
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return "utf-8"
    return "cp1252"


_LINE = re.compile(r"[^\r\n]*(?:\r\n|[\r\n])|[^\r\n]+")
_HIGH, _LETTER = re.compile(rb"[\x80-\xff]"), re.compile(rb"[a-zA-Z]")
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def _above(data: bytes) -> tuple[int, str]:
    """Return the size of the byte order mark and Excel's "sep=" line, and the delimiter that the line names."""
    match = re.match(rb"(?:\xef\xbb\xbf)?(?:\"?sep=([^\r\n\"])\"?\r?\n)?", data, re.IGNORECASE)
    assert match is not None
    return match.end(), (match[1] or b"").decode("latin-1")


def _decoded(data: bytes, format: CsvFormat) -> str:
    encoding = format.encoding if format.splittable else "utf-8"
    return data.decode(encoding, errors="replace").removeprefix("\ufeff")


def _delimiter(text: str, format: CsvFormat, complete: bool) -> str:
    """Return the delimiter that gives most cells, among those with which most rows have as many cells as the first."""
    best, most = ",", 1
    for sign in DELIMITERS:
        rows = _rows(text, replace(format, delimiter=sign), complete, _SNIFFED)
        first = len(rows[0]) if rows else 0
        if first > most and sum(len(row) == first for row in rows) >= 0.8 * len(rows):
            best, most = sign, first
    return best


def _is_row(cells: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line holds values: a number, a long text, or a cell that occurs again in its column."""
    if any(is_value(cell.strip()) for cell in cells):
        return True
    return any(cell in row[column : column + 1] for column, cell in enumerate(cells) if cell for row in rows)


def _names(header: bytes, format: CsvFormat, name: str) -> tuple[str, ...]:
    """Return the cells of a header."""
    if re.search(rb"\r(?!\n)", header.rstrip(b"\r\n")):
        raise DataError(
            f"{name}: its lines end in carriage returns alone, as those of old Macs do: save it with line feeds, "
            "or turn them (tr '\\r' '\\n' < OLD.csv > NEW.csv)"
        )
    try:
        with _long_cells():
            cells = next(_reader(_lines(_decoded(header, format).strip("\r\n")), format), [])
    except csv.Error as error:
        raise DataError(f"{name}, line 1 is no csv ({error})") from None
    return tuple(re.sub(r"\s*[\r\n]+\s*", " ", cell.strip().strip("\"'").strip()) for cell in cells)


def _rows(text: str, format: CsvFormat, complete: bool, most: int) -> list[list[str]]:
    """Return the first rows of a text. The last one is dropped if it may be incomplete."""
    rows: list[list[str]] = []
    try:
        with _long_cells():
            rows.extend(itertools.islice((row for row in _reader(_lines(text), format) if row), most))
    except csv.Error:
        return rows
    return rows if complete or len(rows) == most else rows[:-1]


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """Allow Python's reader to read cells of any length."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text with their ends. `io.StringIO` would do so too, but uses four bytes per character."""
    return (match.group() for match in _LINE.finditer(text))


def _reader(lines: Iterator[str], format: CsvFormat) -> Iterator[list[str]]:
    return csv.reader(
        lines,
        delimiter=format.separator,
        quoting=csv.QUOTE_NONE if format.quoting == "none" else csv.QUOTE_MINIMAL,
        escapechar=format.escape_character or None,
        skipinitialspace=True,
    )
