"""Documents in JSON files: one object per line (JSONL), or a list of objects."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from raysq.data.columns import contiguous_array
from raysq.data.partition_stats import Stats
from raysq.data.parts import PART
from raysq.data.readers import streams
from raysq.data.readers.json import cell, items, parsed_object
from raysq.data.readers.lines import line_ends
from raysq.data.readers.streams import is_utf8
from raysq.data.readers.unpack import packing
from raysq.errors import DataError
from raysq.text.readers.columns import Read, columns_of, documents, names_parts, refuse_late_parts
from raysq.text.readers.format import RANGE, DocumentFormat, DocumentPartition, TextColumns
from raysq.text.readers.sniff import unnested
from raysq.text.readers.tables import BOM

_MOST = 1 << 17  # maximum rows of a table, for short documents
_PARSED = 1 << 20  # bytes parsed at a time; raised to the longest line
_SPLIT = re.compile(rb'"\s*(?:%b)\s*"\s*:' % "|".join(PART).encode(), re.IGNORECASE)
_LABELS = (pa.string(), pa.int64(), pa.bool_(), pa.float64())


def partition(path: Path, format: DocumentFormat) -> list[DocumentPartition]:
    """Return the partitions of a JSONL file.

    They are byte ranges that end at line ends. There is one stream if the file is compressed or in a multi-byte
    encoding other than UTF-8.
    """
    columns = columns_of(path, format)
    if packing(path) is not None or not streams.extends_ascii(format.encoding):
        return [DocumentPartition(str(path), "jsonl", path.stat().st_size, columns)]
    return [
        DocumentPartition(str(path), "jsonl", end - begin, columns, begin=begin, end=end, line=line)
        for begin, end, line in streams.ranges(path, RANGE, format)
    ]


def read(partition: DocumentPartition, format: DocumentFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield the documents of a JSONL partition. Their ids have the line number."""
    assert partition.columns is not None
    stream = streams.chunks(Path(partition.path), format.encoding, begin=partition.begin, end=partition.end)
    encoding = streams.given(format.encoding)
    line = partition.line
    # One byte more than the range gives a single block.
    size = RANGE if partition.end is None else partition.end - partition.begin + 1
    format = replace(format, encoding="utf-8")
    with contextlib.closing(stream):
        for block in streams.blocks(stream, size, format, partition.name):
            if line == 0:
                block = block.removeprefix(BOM)
            ends = line_ends(block)
            if format.parts and partition.columns.part is None and not names_parts(partition.columns):
                _check_parts(block, partition, encoding, line)
            plain = is_utf8(encoding) and not (partition.columns.weight or partition.columns.group)
            plain = plain and format.label_separator is None
            parsed = _parse_with_arrow(block, ends, partition.columns, line) if plain else None
            separator = format.label_separator
            reads = [parsed] if parsed is not None else _parse_lines(block, partition, encoding, line, separator)
            line += len(ends)
            del block, parsed
            for rows in reads:
                yield documents(rows, partition, format)


def partition_list(path: Path, format: DocumentFormat) -> list[DocumentPartition]:
    """Return the only partition of a JSON list, which must be read as a whole."""
    return [DocumentPartition(str(path), "json", path.stat().st_size, columns_of(path, format))]


def read_list(partition: DocumentPartition, format: DocumentFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield the documents of a JSON list. Their ids have the number of the item, from 1."""
    data = streams.read_all(Path(partition.path), format, format.encoding)
    text = data.decode(streams.given(format.encoding), errors="surrogateescape")
    del data
    assert partition.columns is not None
    rows_of: Iterable[tuple[int, dict[str, Any]]] = enumerate(items(partition.name, text), 1)
    if format.parts and partition.columns.part is None and not names_parts(partition.columns):
        rows_of = _checked(rows_of, partition)
    for rows in _collected(rows_of, partition, "item", format.label_separator):
        yield documents(rows, partition, replace(format, encoding="utf-8"))


def _check_parts(block: bytes, partition: DocumentPartition, encoding: str, line: int) -> None:
    """Raise DataError if whole lines say splits in a column that the first rows of the file lack."""
    for match in _SPLIT.finditer(block):
        begin = block.rfind(b"\n", 0, match.start()) + 1
        end = block.find(b"\n", begin)
        number = line + block.count(b"\n", 0, begin) + 1
        row = parsed_object(partition.name, number, block[begin : end if end >= 0 else None], encoding)
        refuse_late_parts(row, f"{partition.name}:{number}")
        return  # the column says something else, and later lines are alike


def _checked(
    rows: Iterable[tuple[int, dict[str, Any]]], partition: DocumentPartition
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the same objects, of which none says its split in a column that the first ones lack."""
    for number, row in rows:
        refuse_late_parts(row, f"{partition.name}:{number}")
        yield number, row


def _parse_with_arrow(block: bytes, ends: np.ndarray, columns: TextColumns, line: int) -> Read | None:
    """Parse whole lines with Arrow, if they are plain objects with a text and labels of one type. Else return None."""
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
            return None  # the name has a dot and is not a nested field
        values_of = [(name, _bytes(table.column(name))) for name in columns.wanted]
        # The text stays chunked as parsed, so that it is never copied.
        parted = [values if name == columns.text else contiguous_array(values) for name, values in values_of]
        return Read(parted, numbers + line + 1)
    return None


def _schema(fields: Sequence[tuple[Sequence[str], pa.DataType]]) -> pa.Schema:
    """Return the schema of fields given by their paths. Fields of the same object share a struct."""
    names: dict[str, list[tuple[Sequence[str], pa.DataType]]] = {}
    for (first, *rest), kind in fields:
        names.setdefault(first, []).append((rest, kind))
    return pa.schema(
        [(name, inner[0][1] if not inner[0][0] else pa.struct(list(_schema(inner)))) for name, inner in names.items()]
    )


def _bytes(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return text as bytes, since Arrow's JSON reader does not check that it is UTF-8."""
    if pa.types.is_large_string(values.type) or pa.types.is_string(values.type):
        return values.cast(pa.large_binary())
    return values


def _parse_lines(
    block: bytes, partition: DocumentPartition, encoding: str, line: int, separator: str | None
) -> Iterator[Read]:
    """Parse any lines that hold an object each."""
    lines = enumerate(block.split(b"\n"), line + 1)
    rows = ((number, parsed_object(partition.name, number, text, encoding)) for number, text in lines if text.strip())
    return _collected(rows, partition, "line", separator)


def _collected(
    rows: Iterable[tuple[int, dict[str, Any]]], partition: DocumentPartition, what: str, separator: str | None
) -> Iterator[Read]:
    """Yield objects as rows, with a bounded number of bytes at a time."""
    assert partition.columns is not None
    wanted = partition.columns.wanted
    cells: list[list[bytes | None]] = []
    numbers: list[int] = []
    size = 0
    for number, row in rows:
        where = f"{partition.name}, {what} {number}: column "
        values = {name: cell(row, name) for name in wanted}
        if separator is not None and isinstance(listed := values.get(partition.columns.label or ""), list):
            values[partition.columns.label or ""] = _joined(listed, separator, f"{where}{partition.columns.label!r}")
        cells.append([_cell(value, f"{where}{name!r}") for name, value in values.items()])
        numbers.append(number)
        size += len(cells[-1][0] or b"")
        if size >= RANGE or len(cells) >= _MOST:
            yield _as_read(cells, numbers)
            cells, numbers, size = [], [], 0
    if cells:
        yield _as_read(cells, numbers)


def _joined(labels: list[Any], separator: str, where: str) -> str:
    """Return the labels of a list, joined by a separator."""
    texts = [(_cell(label, where) or b"").decode("utf-8", "replace") for label in labels]
    if any(separator in text for text in texts):
        raise DataError(f"{where} has labels that hold {separator!r}", hint="give another --label-separator")
    return separator.join(texts)


def _as_read(cells: list[list[bytes | None]], numbers: list[int]) -> Read:
    return Read([pa.array(column, pa.large_binary()) for column in zip(*cells, strict=True)], np.asarray(numbers))


def _cell(value: Any, where: str) -> bytes | None:
    """Return a text or a label as UTF-8 bytes.

    Bytes that are invalid in the encoding and lone surrogates are kept. They are found when all texts are decoded.
    """
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
