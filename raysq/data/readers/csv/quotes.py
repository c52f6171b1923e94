"""Find the quotes around the cells of a csv, and the ends of its rows.

A quote opens a cell only at the cell's first byte. It closes the cell if a delimiter or the line's end follows. Any
other quote is text, as for Arrow and Python.
"""

import re
from dataclasses import dataclass

import numpy as np

from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.lines import line_ends
from raysq.errors import FormatError

_QUOTE, _LINE_END, _RETURN, _SPACE = 34, 10, 13, 32


@dataclass(frozen=True)
class Scan:
    """Quotes and rows of some bytes.

    Attributes:
        data: the bytes, with escape sequences replaced by neutral characters.
        lines: positions of all line ends.
        ends: positions of the line ends that end a row.
        quotes: positions of the quotes around cells, opening and closing in turn.
        broken: positions of the first two quotes of a cell that continues after its closing quote. The scan ends there.
    """

    data: bytes
    lines: np.ndarray
    ends: np.ndarray
    quotes: np.ndarray
    broken: tuple[int, int] | None = None

    def around(self, position: int) -> tuple[int, int]:
        """Return the positions of the first and last quote of the cell that contains a byte."""
        first = int(np.searchsorted(self.quotes, position)) - 1
        last = first + 1
        while first > 1 and self.quotes[first - 1] == self.quotes[first] - 1:  # a doubled quote
            first -= 2
        while last + 2 < len(self.quotes) and self.quotes[last + 1] == self.quotes[last] + 1:
            last += 2
        return int(self.quotes[first]), int(self.quotes[last])

    @property
    def open(self) -> int | None:
        """Position of a quote that is not closed, or None."""
        return int(self.quotes[-1]) if len(self.quotes) % 2 else None


def scan(data: bytes, format: CsvFormat) -> Scan:
    """Find the rows, and the quotes around cells, of bytes that start at the beginning of a row."""
    data = _without_escaped(data, format)
    lines = line_ends(data)
    if format.quoting == "none" or b'"' not in data:
        return Scan(data, lines, lines, np.zeros(0, np.int64))
    around, broken = _around_cells(data, ord(format.separator))
    outside = np.searchsorted(around, lines) % 2 == 0
    return Scan(data, lines, lines[outside], around, broken)


def check(scan: Scan, data: bytes, name: str, line: int, last: bool) -> None:
    """Reject a quote that closes within a cell, or is not closed.

    Args:
        last: whether the bytes end the file, so that every quote must be closed.

    Raises:
        DataError: there is such a quote. The message names the line in which it opens.
    """
    if scan.broken is not None:
        opening, closing = scan.broken
        at = line + data.count(b"\n", 0, opening) + 1
        to = line + data.count(b"\n", 0, closing) + 1
        where = "there" if at == to else f"in line {to}"
        escaped = (
            '--set escape=backslash reads \\" as a quote in a cell, ' if data[closing - 1 : closing] == b"\\" else ""
        )
        raise FormatError(
            f"{name}, line {at} opens a quote that closes {where} before text ({_shown(data, closing)})",
            hint=f"{escaped}--set quoting=none reads quotes as text; a quote inside of a quoted cell is written twice",
        )
    if last and scan.open is not None:
        at = line + data.count(b"\n", 0, scan.open) + 1
        raise FormatError(
            f"{name}, line {at} opens a quote that no line closes",
            hint="--set quoting=none reads quotes as text; a quote "
            "inside of a quoted cell is written twice, and a cell that begins with one is quoted",
        )


def _shown(data: bytes, position: int) -> str:
    """Return the text around a byte, within its line."""
    begin = max(data.rfind(b"\n", 0, position) + 1, position - 20)
    end = data.find(b"\n", position)
    return data[begin : min(end if end >= 0 else len(data), position + 20)].decode(errors="replace").strip()


def _without_escaped(data: bytes, format: CsvFormat) -> bytes:
    """Return the bytes with escape sequences replaced by neutral characters of the same length."""
    escape = format.escape_character.encode()
    return re.sub(re.escape(escape) + rb"[\s\S]", b"__", data) if escape and escape in data else data


def _around_cells(data: bytes, delimiter: int) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Return the positions of the quotes around cells, and the first two quotes of a cell that continues after them."""
    values = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(values == _QUOTE)
    opening, closing = quotes[0::2], quotes[1::2]
    before = values[np.maximum(opening - 1, 0)]
    after = values[np.minimum(closing + 1, len(data) - 1)]
    begins = (opening == 0) | (before == delimiter) | (before == _LINE_END) | (before == _QUOTE)
    stops = closing == len(data) - 1
    for sign in (delimiter, _LINE_END, _RETURN, _QUOTE):
        stops |= after == sign
    # Each quote opens or closes a cell, or is part of a doubled quote.
    if begins.all() and stops.all():
        return quotes, None
    return _around_cells_by_turns(data, quotes.tolist(), delimiter)


def _around_cells_by_turns(data: bytes, quotes: list[int], delimiter: int) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Do the same quote by quote, for data in which some quotes are text."""
    around: list[int] = []
    index, count = 0, len(quotes)
    while index < count:
        opening = quotes[index]
        if opening and data[opening - 1] not in (delimiter, _LINE_END):
            index += 1
            continue
        around.append(opening)
        index += 1
        while index + 1 < count and quotes[index + 1] == quotes[index] + 1:
            index += 2
        if index >= count:
            break
        closing = quotes[index]
        after = closing + 1
        while after < len(data) and data[after] == _SPACE != delimiter:
            after += 1
        if after < len(data) and data[after] not in (delimiter, _LINE_END, _RETURN):
            return np.asarray(around, np.int64), (opening, closing)
        around.append(closing)
        index += 1
    return np.asarray(around, np.int64), None
