"""Detect quoted cells that swallow rows, because a quote meant as text opens a cell that a later quote closes.

Cells may contain line breaks, and lines of text may look like rows by chance. How often this happens is estimated from
the lines of other cells in the file.
"""

import contextlib
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.quotes import Scan
from raysq.errors import FormatError


def refuse_rows_in_quotes(data: bytes, scan: Scan, format: CsvFormat, name: str, line: int, columns: int) -> None:
    """Reject a quoted cell that spans lines each of which would be a row if its quotes were text.

    Args:
        scan: scan of these bytes, or of longer bytes that begin with them.

    Raises:
        DataError: there is such a cell. The message names the line in which the quote opens.
    """
    lines = scan.lines[scan.lines < len(data)]
    inside = lines[np.searchsorted(scan.quotes, lines) % 2 == 1]
    if not len(inside):
        return
    # The lines of multi-line rows, row after row.
    rows = np.append(scan.ends[scan.ends < len(data)], len(data))
    several = np.unique(np.searchsorted(rows, inside))
    ends = np.append(lines, len(data))
    of_several = np.flatnonzero(np.isin(np.searchsorted(rows, ends), several))
    starts, ends = np.concatenate([[0], ends[:-1] + 1])[of_several], ends[of_several]
    first = np.searchsorted(ends, np.concatenate([[0], rows[:-1] + 1])[several])
    last = np.append(first[1:], len(ends))
    # Their delimiters rule out most lines as rows. Quotes can only reduce the number of delimiters that count.
    values = np.frombuffer(scan.data, np.uint8, len(data))
    delimiters, quotes = (_between(values == ord(sign), starts, ends) for sign in (format.separator, '"'))
    possible = (delimiters == columns - 1) | ((delimiters >= columns) & (quotes > 0))
    doubtful = np.logical_and.reduceat(possible, first)
    if not doubtful.any():
        return
    appearance = _Appearance(data, format, columns)

    def rows_in(number: int) -> Iterator[bool]:
        """Yield whether each line of a multi-line row looks like a row. Long rows are sampled."""
        lines = np.linspace(first[number], last[number] - 1, min(last[number] - first[number], _LINES)).astype(int)
        return (bool(possible[row]) and appearance.like_a_row(data[starts[row] : ends[row]]) for row in lines)

    refused = [number for number in np.flatnonzero(doubtful).tolist() if all(rows_in(number))]
    if not refused:
        return
    sure = np.setdiff1d(np.arange(len(several)), refused)
    chance = _Chance([list(rows_in(number)) for number in sure[:: max(1, len(sure) // _SURE)]], len(sure), appearance)
    for number in refused:
        if chance.of(last[number] - first[number]) < _BY_CHANCE:
            at, to = (line + data.count(b"\n", 0, position) + 1 for position in scan.around(int(ends[first[number]])))
            raise FormatError(
                f"{name}, line {at} opens a quote that closes in line {to}, and without it each of these lines has "
                f"{columns} {'cell' if columns == 1 else 'cells'} as the header has",
                hint="--set quoting=none reads quotes as text, --set quoting=minimal takes the lines for one cell",
            )


def refuse_open_quote(data: bytes, scan: Scan, format: CsvFormat, name: str, line: int, columns: int) -> None:
    """Reject a quote that is not closed after many lines each of which would be a row.

    This avoids reading a complete file in search of the closing quote.

    Raises:
        DataError: there is such a quote. The message names the line in which it opens.
    """
    if scan.open is None or columns == 1:
        return
    lines = scan.lines[np.searchsorted(scan.lines, scan.open) :][:_OPEN]
    delimiters = np.frombuffer(scan.data, np.uint8, int(lines[-1])) == ord(format.separator) if len(lines) else lines
    if len(lines) == _OPEN and (_between(delimiters, lines[:-1], lines[1:]) == columns - 1).all():
        at = line + data.count(b"\n", 0, scan.open) + 1
        raise FormatError(
            f"{name}, line {at} opens a quote that does not close in the next {_OPEN:,} lines, and each of these has "
            f"{columns} cells as the header has",
            hint="--set quoting=none reads quotes as text, --set quoting=minimal takes the lines for one cell",
        )


_OPEN = 1000  # lines without a closing quote
_LINES = 100  # lines sampled per cell
_SURE = 200  # multi-line cells sampled to estimate how often their lines look like rows
_BY_CHANCE = 0.01  # accepted expected number of multi-line cells in a block that look like rows by chance
_ONE_COLUMN = 0.7  # fraction of text lines that appearance like rows of a file with one column


def _between(where: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Count the true positions between each start and end."""
    places = np.flatnonzero(where)
    return np.searchsorted(places, ends) - np.searchsorted(places, starts)


class _Chance:
    """Expected number of text cells in a block whose lines all look like rows.

    Args:
        looks: for a sample of cells that are certainly text, whether each line looks like a row.
        appearance: appearance of the columns. If only the number of cells distinguishes rows, small samples are
            smoothed.
    """

    def __init__(self, looks: Sequence[Sequence[bool]], count: int, appearance: "_Appearance") -> None:
        doubt = 0.0 if appearance.tells else 0.5
        every = [row_like for lines in looks for row_like in lines]
        inner = [row_like for lines in looks for row_like in lines[1:-1]]
        first, last = [lines[0] for lines in looks], [lines[-1] for lines in looks]
        self._first, self._inner, self._last = (
            (sum(some) + doubt) / (len(some) + 2 * doubt) if some else 0.0 for some in (first, inner or every, last)
        )
        self._count = count
        if appearance.columns == 1:
            self._count, self._inner = max(count, 1), max(self._inner, _ONE_COLUMN)
            self._first = self._last = self._inner

    def of(self, lines: int) -> float:
        """Return the expected number of cells with this many lines."""
        return float(self._count * self._first * self._inner ** (lines - 2) * self._last)


class _Appearance:
    """Appearance of each column's cells, from a sample of the rows."""

    def __init__(self, data: bytes, format: CsvFormat, columns: int) -> None:
        self._separator, self.columns = format.separator, columns
        sign = re.escape(self._separator)
        self._quoted = re.compile(rf'(?:^|(?<={sign}))"([^"]*(?:""[^"]*)*)" *(?={sign}|\r?$)')
        rows = [row for row in itertools.islice(_cells(data, format), _SAMPLED) if len(row) == columns]
        enough = len(rows) >= _ENOUGH and columns > 1
        self._tests = [_cell_test([row[column] for row in rows]) if enough else None for column in range(columns)]

    @property
    def tells(self) -> bool:
        """Whether any column has cells of uniform appearance."""
        return any(test is not None for test in self._tests)

    def like_a_row(self, line: bytes) -> bool:
        """Whether a line has the right number of cells, and they look like those of their columns."""
        text = line.decode(errors="replace")
        text = self._quoted.sub(lambda cell: cell[1].replace('""', "").replace(self._separator, " "), text)
        cells = text.split(self._separator)
        # A doubled quote within a cell shows that the writer of the file quotes cells.
        if len(cells) != self.columns or '""' in text:
            return False
        # A cell with a quote is ignored. One cell of new appearance is allowed for every two of known appearance.
        like = [test(cell) for cell, test in zip(cells, self._tests, strict=True) if test and '"' not in cell]
        return sum(like) >= 2 * like.count(False)


_SAMPLE = 1 << 20  # bytes
_SAMPLED = 500  # rows
_LOOKED_AT = 60  # characters of a cell that are compared
_ENOUGH = 10
_LETTERS, _DIGITS = re.compile(r"[^\W\d_]+"), re.compile(r"\d+")


def _cell_test(cells: Sequence[str]) -> Callable[[str], bool] | None:
    """Return a test whether a cell has a known value or shape of its column; None if these are as diverse as texts."""
    counts = Counter(cell.strip() for cell in cells)
    if len(counts) <= len(cells) // 20 and min(counts.values()) > 1:
        return lambda cell: cell.strip() in counts
    shapes = {_shape(cell) for cell in cells}
    return (lambda cell: _shape(cell) in shapes) if len(shapes) <= max(4, len(cells) // 10) else None


def _shape(cell: str) -> str:
    """Return the shape of a cell: "a" for each word, "0" for each number."""
    return _LETTERS.sub("a", _DIGITS.sub("0", cell[:_LOOKED_AT].strip()))


def _cells(data: bytes, format: CsvFormat) -> Iterator[list[str]]:
    """Yield the cells of the first rows, as split by Python's reader."""
    text = io.StringIO(data[:_SAMPLE].decode(errors="replace"), newline="")
    with contextlib.suppress(csv.Error):  # a cell of more than 128 kB
        yield from csv.reader(text, delimiter=format.separator, escapechar=format.escape_character or None)
