"""Rows of JSONL files as typed columns: numbers stay numbers, and all others are text as in a csv."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from raysq.data.readers import streams
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.json import cell, flat, parsed_object
from raysq.data.readers.lines import line_ends
from raysq.errors import DataError

SUFFIXES = (".jsonl", ".ndjson")
_BYTES = 1 << 20  # bytes whose columns are found at a time
_BLOCK = 1 << 20  # bytes that Arrow parses at a time; raised to the longest line
_BOM = b"\xef\xbb\xbf"


def names_of(path: Path, format: CsvFormat) -> tuple[str, ...]:
    """Return the names of the columns of all rows. Nested objects are columns such as `a.b`.

    Raises:
        DataError: a row is no JSON object, or there are no rows.
    """
    names: dict[str, None] = {}
    number, encoding = 0, streams.given(format.encoding)
    for block in blocks(path, 0, None, _BYTES, format):
        of_block = _names_with_arrow(block) if number and streams.is_utf8(encoding) else None
        if of_block is not None:
            names |= dict.fromkeys(of_block)
            number += block.count(b"\n")
            continue
        lines = block.removesuffix(b"\n").split(b"\n")
        for line in lines:
            number += 1
            if line.strip():
                names |= dict.fromkeys(flat(parsed_object(path.name, number, line, encoding)))
    if not names:
        raise DataError(f"{path.name} has no rows", hint="give another --source")
    return tuple(names)


def _names_with_arrow(block: bytes) -> list[str] | None:
    """Return the names of the columns of whole lines, or None where their values have several types."""
    options = pa.json.ReadOptions(use_threads=False, block_size=len(block) + 1)
    try:
        return list(_leaves(pa.json.read_json(pa.BufferReader(block), options).schema))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _leaves(fields: Iterable[pa.Field], prefix: str = "") -> Iterator[str]:
    """Yield the names of columns, those of nested objects as `a.b`."""
    for field in fields:
        if pa.types.is_struct(field.type):
            yield from _leaves(field.type, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


def blocks(path: Path, begin: int, end: int | None, size: int, format: CsvFormat) -> Iterator[bytes]:
    """Yield the bytes of a range of lines, or of all lines of a file, in UTF-8 or the encoding of the format."""
    chunks = streams.chunks(path, format.encoding, begin=begin, end=end)
    for number, block in enumerate(streams.blocks(chunks, size, format, path.name)):
        yield block.removeprefix(_BOM) if not begin and not number else block


def parse(
    name: str, block: bytes, columns: Sequence[str], encoding: str, above: int
) -> tuple[pa.Table, np.ndarray, int]:
    """Parse whole lines.

    Args:
        name: name of the file, for errors.
        encoding: encoding of the block.
        above: lines of the file above the block.

    Returns:
        The columns, the number of lines of the block above each row, and the number of lines.

    Raises:
        DataError: a line is no JSON object. The message names it.
    """
    ends = line_ends(block)
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    starts = np.concatenate([[0], ends[:-1] + 1])
    data = np.frombuffer(block, np.uint8)
    rows = np.flatnonzero((ends - starts > 1) | ((ends > starts) & (data[np.minimum(starts, len(data) - 1)] > 32)))
    table = None
    if len(rows) and streams.is_utf8(encoding):
        first = parsed_object(name, above + int(rows[0]) + 1, block[starts[rows[0]] : ends[rows[0]]], encoding)
        part = max(_BLOCK, int((ends - starts).max(initial=0)) + 2)
        table = _with_arrow(block, columns, first, part)
    if table is None or table.num_rows != len(rows):
        lines = [(int(row), block[starts[row] : ends[row]]) for row in rows]
        table, rows = _with_python(name, lines, columns, encoding, above)
    return table, rows, len(ends)


def _with_arrow(block: bytes, columns: Sequence[str], first: dict[str, Any], part: int) -> pa.Table | None:
    """Parse plain rows, in which each column has the type of its first value. Return None for others."""
    types: dict[str, pa.DataType] = {}
    for name in columns:
        value = first.get(name)
        if isinstance(value, (dict, list)) or (value is None and ("." in name or name in first)) or name not in first:
            return None
        types[name] = pa.bool_() if isinstance(value, bool) else pa.string() if isinstance(value, str) else pa.int64()
        if isinstance(value, float):
            types[name] = pa.float64()
    for whole in (pa.int64(), pa.float64()):  # a column that begins with a whole number may go on with others
        schema = pa.schema({name: whole if kind == pa.int64() else kind for name, kind in types.items()})
        try:
            return pa.json.read_json(
                pa.BufferReader(block),
                pa.json.ReadOptions(use_threads=False, block_size=part),
                pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
            ).select(list(columns))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    return None


def _with_python(
    name: str, lines: Sequence[tuple[int, bytes]], columns: Sequence[str], encoding: str, above: int
) -> tuple[pa.Table, np.ndarray]:
    numbers, rows = [], []
    for number, line in lines:
        if line.strip():
            numbers.append(number)
            rows.append(parsed_object(name, above + number + 1, line, encoding))
    values = {column: _column([cell(row, column) for row in rows]) for column in columns}
    return pa.table(values), np.array(numbers, np.int64)


def _column(values: list[Any]) -> pa.Array:
    present = [value for value in values if value is not None]
    flags = sum(isinstance(value, bool) for value in present)
    numbers = all(isinstance(value, (int, float)) for value in present)
    if present and ((flags == len(present)) or (numbers and not flags)):
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, OverflowError):  # whole numbers beyond 64 bits
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    """Return a value as a csv would have it. Lists and objects stay JSON."""
    if value is None or isinstance(value, str):
        return value if value is None else value.encode("utf-8", "replace").decode()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)
