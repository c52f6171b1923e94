"""Documents in csv files, whose quoted cells may hold line breaks and delimiters."""

import contextlib
import csv
import itertools
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from raysq.columns import one_array
from raysq.corpus.reading import streams
from raysq.corpus.reading.columns import Read, columns_of, documents
from raysq.corpus.reading.form import RANGE, Form, Piece
from raysq.corpus.reading.heads import header_size
from raysq.errors import DataError

_LARGEST = 1 << 30  # bytes of a row
_LAST = "\x00raysq\x00"  # a row that no file has
_QUOTE, _LINE_END, _RETURN = 34, 10, 13


def plan(path: Path, form: Form) -> list[Piece]:
    """The pieces of a csv: byte ranges that end where rows do, or one stream if it is packed or quotes are irregular.

    Raises:
        DataError: no header, no rows, or no such column.
    """
    columns, begin = columns_of(path, form), header_size(path, form)
    stream = [Piece(str(path), "csv", path.stat().st_size, columns, begin=begin, line=1)]
    if path.suffix.lower() not in (".csv", ".tsv") or not streams.plain(form.encoding):
        return stream
    pieces, place, line = [], begin, 1
    for block in _blocks(streams.chunks(path, begin=begin), RANGE, form.separator, path, line):
        if block.ends is None:
            return stream
        end = place + len(block.data)
        pieces.append(Piece(str(path), "csv", end - place, columns, begin=place, end=end, line=line))
        place, line = end, line + block.data.count(b"\n")
    if not pieces:
        raise DataError(f"{path.name} has a header and no rows; give another --source")
    return pieces


def read(piece: Piece, form: Form) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """The documents of a piece."""
    path = Path(piece.path)
    if piece.end is None:
        stream, size = _headless(streams.chunks(path, form.encoding), piece.begin), RANGE
    else:
        # One byte more than there are: one block.
        stream, size = streams.chunks(path, begin=piece.begin, end=piece.end), piece.end - piece.begin + 1
    line, rows = piece.line, 0
    form = replace(form, encoding=streams.given(form.encoding))
    with contextlib.closing(stream):
        for block in _blocks(stream, size, form.separator, path, line):
            quick = [_parsed(block, piece, form, line)] if block.ends is not None else None
            for few in quick or _slowly(block, stream, piece, form, line):
                rows += len(few.numbers)
                yield documents(few, piece, form)
            line += block.data.count(b"\n")
    if not rows and piece.end is None:
        raise DataError(f"{piece.name} has a header and no rows; give another --source")


@dataclass(frozen=True)
class _Block:
    """Whole rows.

    Attributes:
        data: the rows' bytes.
        ends: places of the rows' last bytes, or None where quotes are not those of cells quoted as a whole. Such a
            block is the last, and need not end with a row.
    """

    data: bytes
    ends: np.ndarray | None


def _blocks(stream: Iterator[bytes], size: int, delimiter: str, path: Path, line: int) -> Iterator[_Block]:
    """The stream's bytes in blocks of whole rows, about `size` bytes or longer."""
    rest = b""
    wanted = size
    while True:
        # Twice as much each time, so that a long row is not looked through again and again.
        more = b"".join(_some(stream, max(wanted - len(rest), 1)))
        data = rest + more
        if not data:
            return
        ends, irregular = _row_ends(data, ord(delimiter))
        if irregular:
            yield _Block(data, None)
            return
        if not more or len(more) < wanted - len(rest):  # the last
            if not ends.size or ends[-1] != len(data) - 1:
                if _open_quote(data, ends):
                    opened = line + data.count(b"\n", 0, int(ends[-1]) + 1 if ends.size else 0) + 1
                    raise _unclosed(path.name, opened)
                ends = np.append(ends, len(data) - 1)
            yield _Block(data, ends)
            return
        if ends.size:
            cut = int(ends[-1]) + 1
            yield _Block(data[:cut], ends)
            line += data.count(b"\n", 0, cut)
            rest, wanted = data[cut:], max(size, 2 * (len(data) - cut))
        else:
            rest, wanted = data, 2 * len(data)
            if wanted > 2 * _LARGEST:
                raise DataError(f"{path.name}, line {line + 1} begins a row of more than {_LARGEST:,} bytes; mend it")


def _some(stream: Iterator[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (chunk := next(stream, b"")):
        size -= len(chunk)
        yield chunk


def _open_quote(data: bytes, ends: np.ndarray) -> bool:
    return data.count(b'"', int(ends[-1]) + 1 if ends.size else 0) % 2 == 1


def _row_ends(data: bytes, delimiter: int) -> tuple[np.ndarray, bool]:
    """Places of the line ends outside quotes, and whether a quote stands elsewhere than around a cell."""
    bytes_ = np.frombuffer(data, np.uint8)
    ends = streams.line_ends(data)
    if b'"' not in data:
        return ends, False
    quotes = np.flatnonzero(bytes_ == _QUOTE)
    opening, closing = quotes[0::2], quotes[1::2]
    before = bytes_[np.maximum(opening - 1, 0)]
    after = bytes_[np.minimum(closing + 1, len(data) - 1)]
    begins = (opening == 0) | (before == delimiter) | (before == _LINE_END) | (before == _QUOTE)
    stops = (
        (closing == len(data) - 1)
        | (after == delimiter)
        | (after == _LINE_END)
        | (after == _RETURN)
        | (after == _QUOTE)
    )
    outside = np.searchsorted(quotes, ends) % 2 == 0
    return ends[outside], not (begins.all() and stops.all())


def _parsed(block: _Block, piece: Piece, form: Form, line: int) -> Read:
    assert block.ends is not None
    assert piece.columns is not None
    starts = np.concatenate([[0], block.ends[:-1] + 1])
    # Lines above each row.
    if block.data.count(b"\n") == len(starts) - (not block.data.endswith(b"\n")):
        lines = np.arange(len(starts))
    else:
        lines = np.searchsorted(streams.line_ends(block.data), starts)
    lengths = block.ends - starts + (not block.data.endswith(b"\n")) * (np.arange(len(starts)) == len(starts) - 1)
    first = np.frombuffer(block.data, np.uint8)[np.minimum(starts, len(block.data) - 1)]
    lines = lines[(lengths > 1) | ((lengths == 1) & (first != _RETURN))] + line + 1
    places = {name: str(place) for place, name in enumerate(piece.columns.names)}
    wanted = [places[name] for name in piece.columns.wanted]
    wrong: list[pa.csv.InvalidRow] = []

    def note(row: pa.csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    try:
        table = pa.csv.read_csv(
            pa.BufferReader(block.data),
            pa.csv.ReadOptions(column_names=list(places.values()), use_threads=False, block_size=len(block.data) + 1),
            pa.csv.ParseOptions(
                delimiter=form.separator, newlines_in_values=b'"' in block.data, invalid_row_handler=note
            ),
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.large_binary()), include_columns=wanted, check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{piece.name}, lines {line + 1:,} and more: {str(error).splitlines()[0]}") from None
    if wrong:
        at = int(lines[wrong[0].number - 1])
        raise _ragged(piece, at, wrong[0].actual_columns, wrong[0].expected_columns)
    if table.num_rows != len(lines):
        raise RuntimeError(f"{piece.name}: {table.num_rows} rows parsed, {len(lines)} found")
    return Read([one_array(table.column(name)) for name in wanted], lines)


def _slowly(block: _Block, stream: Iterator[bytes], piece: Piece, form: Form, line: int) -> Iterator[Read]:
    """Rows with quotes inside cells that are not quoted, by Python's reader; from the block to the stream's end."""
    assert piece.columns is not None
    names = piece.columns.names
    wanted = [names.index(name) for name in piece.columns.wanted]
    # One character a byte, and back: the reader needs text, and what is not of the encoding must survive it. The row
    # at the end is swallowed where a quote is open.
    lines = (part.decode("latin-1") for part in _lines(itertools.chain([block.data], stream)))
    text = itertools.chain(lines, [_LAST])
    before = csv.field_size_limit(sys.maxsize)
    rows: list[list[bytes]] = []
    places: list[int] = []
    size = began = 0
    try:
        reader = csv.reader(text, delimiter=form.separator)
        for row in reader:
            at, began = line + began + 1, reader.line_num
            if not row or row == [_LAST]:
                continue
            if row[-1].endswith(_LAST):
                raise _unclosed(piece.name, at)
            if len(row) != len(names):
                raise _ragged(piece, at, len(row), len(names))
            rows.append([row[place].encode("latin-1") for place in wanted])
            places.append(at)
            size += sum(map(len, rows[-1]))
            if size >= RANGE:
                yield _as_read(rows, places)
                rows, places, size = [], [], 0
    except csv.Error as error:
        raise DataError(f"{piece.name}, line {line + began + 1}: {error}; mend the row") from None
    finally:
        csv.field_size_limit(before)
    if rows:
        yield _as_read(rows, places)


def _as_read(rows: list[list[bytes]], lines: list[int]) -> Read:
    return Read([pa.array(cells, pa.large_binary()) for cells in zip(*rows, strict=True)], np.asarray(lines))


def _lines(stream: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in stream:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield line + b"\n"
    if rest:
        yield rest + b"\n"


def _headless(stream: Iterator[bytes], header: int) -> Generator[bytes]:
    """The stream without the bytes of its header."""
    for chunk in stream:
        if len(chunk) > header:
            yield chunk[header:]
            break
        header -= len(chunk)
    yield from stream


def _ragged(piece: Piece, line: int, found: int, wanted: int) -> DataError:
    return DataError(
        f"{piece.name}, line {line} has {found} cells and line 1 has {wanted}; put quotes around cells that hold the "
        f"delimiter, or say which it is with --set delimiter=..."
    )


def _unclosed(name: str, line: int) -> DataError:
    return DataError(
        f"{name}, line {line} opens a quote that no line closes; write a quote inside of a quoted cell twice, and put "
        f"quotes around cells that begin with one"
    )
