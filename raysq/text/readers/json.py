"""Documents in JSON: one object a line (JSONL), or a list of objects."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from raysq.data.columns import contiguous_array
from raysq.data.readers import streams
from raysq.data.readers.json import cell, items, parsed_object
from raysq.data.readers.lines import line_ends
from raysq.errors import DataError
from raysq.text.readers.columns import Read, columns_of, documents
from raysq.text.readers.format import RANGE, Columns, Form, Piece
from raysq.text.readers.sniff import unnested
from raysq.text.readers.tables import BOM, is_utf8

_MOST = 1 << 17  # rows of a table, however short they are
_PARSED = 1 << 20  # bytes that are parsed at a time; a line must be among them whole
_LABELS = (pa.string(), pa.int64(), pa.bool_(), pa.float64())


def plan(path: Path, form: Form) -> list[Piece]:
    """The pieces of a JSONL file: byte ranges that end at line ends, or one stream if it is packed."""
    columns = columns_of(path, form)
    if path.suffix.lower() == ".gz" or not streams.plain(form.encoding):
        return [Piece(str(path), "jsonl", path.stat().st_size, columns)]
    return [
        Piece(str(path), "jsonl", end - begin, columns, begin=begin, end=end, line=line)
        for begin, end, line in streams.ranges(path, RANGE, form)
    ]


def read(piece: Piece, form: Form) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """The documents of a piece of JSONL; their ids have the number of the line."""
    assert piece.columns is not None
    stream = streams.chunks(Path(piece.path), form.encoding, begin=piece.begin, end=piece.end)
    encoding = streams.given(form.encoding)
    line = piece.line
    # One byte more than there are: one block.
    size = RANGE if piece.end is None else piece.end - piece.begin + 1
    form = replace(form, encoding="utf-8")
    with contextlib.closing(stream):
        for block in streams.blocks(stream, size, form, piece.name):
            if line == 0:
                block = block.removeprefix(BOM)
            ends = line_ends(block)
            quick = _quickly(block, ends, piece.columns, line) if is_utf8(encoding) else None
            reads = [quick] if quick is not None else _slowly(block, piece, encoding, line)
            line += len(ends)
            del block, quick
            for few in reads:
                yield documents(few, piece, form)


def plan_list(path: Path, form: Form) -> list[Piece]:
    """The piece of a JSON list, which must be read as a whole."""
    return [Piece(str(path), "json", path.stat().st_size, columns_of(path, form))]


def read_list(piece: Piece, form: Form) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """The documents of a JSON list; their ids have the number of the item, from 1."""
    data = streams.whole(Path(piece.path), form, form.encoding)
    text = data.decode(streams.given(form.encoding), errors="surrogateescape")
    del data
    for few in _collected(enumerate(items(piece.name, text), 1), piece, "item"):
        yield documents(few, piece, replace(form, encoding="utf-8"))


def _quickly(block: bytes, ends: np.ndarray, columns: Columns, line: int) -> Read | None:
    """The rows of lines, which end at these places, that are plain objects with a text and labels of one type, else
    None."""
    data = np.frombuffer(block, np.uint8)
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    starts = np.concatenate([[0], ends[:-1] + 1])
    numbers = np.flatnonzero((ends - starts > 1) | ((ends > starts) & (data[np.minimum(starts, len(data) - 1)] != 13)))
    part = max(_PARSED, int((ends - starts).max(initial=0)) + 2)
    for kind in _LABELS if columns.label is not None else _LABELS[:1]:
        kinds = {columns.text: pa.large_string(), columns.label: kind, columns.part: pa.string()}
        schema = _schema([(name.split("."), kinds[name]) for name in columns.wanted])
        try:
            table = pa.json.read_json(
                pa.BufferReader(block),
                pa.json.ReadOptions(use_threads=False, block_size=part),
                pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
        if table.num_rows != len(numbers):
            return None
        table = unnested(table)
        if any("." in name and table.column(name).null_count == len(numbers) for name in columns.wanted):
            return None  # no object in an object, but a name with a dot in it
        found = [(name, _bytes(table.column(name))) for name in columns.wanted]
        # The text stays in the parts in which it was parsed: it is never held twice.
        parted = [values if name == columns.text else contiguous_array(values) for name, values in found]
        return Read(parted, numbers + line + 1)
    return None


def _schema(fields: Sequence[tuple[Sequence[str], pa.DataType]]) -> pa.Schema:
    """The schema of fields by their paths, those of one object in one struct."""
    names: dict[str, list[tuple[Sequence[str], pa.DataType]]] = {}
    for (first, *rest), kind in fields:
        names.setdefault(first, []).append((rest, kind))
    return pa.schema(
        [(name, inner[0][1] if not inner[0][0] else pa.struct(list(_schema(inner)))) for name, inner in names.items()]
    )


def _bytes(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as bytes, since Arrow's reader does not check that they are UTF-8."""
    if pa.types.is_large_string(values.type) or pa.types.is_string(values.type):
        return values.cast(pa.large_binary())
    return values


def _slowly(block: bytes, piece: Piece, encoding: str, line: int) -> Iterator[Read]:
    """The rows of any lines that hold an object each."""
    lines = enumerate(block.split(b"\n"), line + 1)
    rows = ((number, parsed_object(piece.name, number, text, encoding)) for number, text in lines if text.strip())
    return _collected(rows, piece, "line")


def _collected(rows: Iterable[tuple[int, dict[str, Any]]], piece: Piece, what: str) -> Iterator[Read]:
    """Objects as rows, a bounded number of bytes at a time."""
    assert piece.columns is not None
    wanted = piece.columns.wanted
    cells: list[list[bytes | None]] = []
    numbers: list[int] = []
    size = 0
    for number, row in rows:
        cells.append([_cell(cell(row, name), f"{piece.name}, {what} {number}: column {name!r}") for name in wanted])
        numbers.append(number)
        size += len(cells[-1][0] or b"")
        if size >= RANGE or len(cells) >= _MOST:
            yield _as_read(cells, numbers)
            cells, numbers, size = [], [], 0
    if cells:
        yield _as_read(cells, numbers)


def _as_read(cells: list[list[bytes | None]], numbers: list[int]) -> Read:
    return Read([pa.array(column, pa.large_binary()) for column in zip(*cells, strict=True)], np.asarray(numbers))


def _cell(value: Any, where: str) -> bytes | None:
    """A text or a label as UTF-8; bytes that were not of the encoding, and half surrogate pairs, are left as they
    are, to be found when all are decoded."""
    if value is None:
        return None
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, (int, float)):
        return str(value).encode()
    if not isinstance(value, str):
        raise DataError(
            f"{where} is a {type(value).__name__}, not text",
            hint="name another column (--text and --label, of pairs --from and --to)",
        )
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
