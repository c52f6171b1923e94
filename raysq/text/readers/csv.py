"""Documents in csv files. Quoted cells may hold line breaks and delimiters."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from raysq.data.columns import contiguous_array
from raysq.data.partition_stats import Stats
from raysq.data.readers import streams
from raysq.data.readers.csv.rows import Block, blocks, other_rows, parse_options, ragged
from raysq.data.readers.lines import lines_in
from raysq.data.readers.unpack import packing
from raysq.errors import DataError
from raysq.text.readers.columns import Read, columns_of, documents
from raysq.text.readers.format import RANGE, DocumentFormat, DocumentPartition
from raysq.text.readers.sniff import csv_begin

_RETURN = 13
_ASCII = bytes(range(128)) + b"?" * 128  # other bytes become single-byte characters


def partition(path: Path, format: DocumentFormat) -> list[DocumentPartition]:
    """Return the partitions of a csv file.

    They are byte ranges that end at row ends. There is one stream if the file is compressed or in a multi-byte encoding
    other than UTF-8.

    Raises:
        DataError: no header, no rows, a missing column, or quotes that do not delimit cells.
    """
    columns, (above, _) = columns_of(path, format), csv_begin(path, format)
    stream = [DocumentPartition(str(path), "csv", path.stat().st_size, columns, begin=above.size, line=above.lines)]
    if packing(path) is not None or not streams.extends_ascii(format.encoding):
        return stream
    partitions, position, line = [], above.size, above.lines
    chunks = streams.chunks(path, begin=position)
    for block in blocks(chunks, RANGE, format.csv, path.name, columns=len(columns.names), line=line):
        end = position + len(block.data)
        partitions.append(
            DocumentPartition(str(path), "csv", end - position, columns, begin=position, end=end, line=line)
        )
        position, line = end, line + lines_in(block.data)
    if not partitions:
        raise DataError(f"{path.name} has a header and no rows", hint="give another --source")
    return partitions


def read(partition: DocumentPartition, format: DocumentFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield the documents of a partition."""
    assert partition.columns is not None
    path = Path(partition.path)
    csv = format.csv
    if partition.end is None:
        stream, size = streams.below(streams.chunks(path, format.encoding), partition.begin), RANGE
    else:
        # One byte more than the range gives a single block. Its quotes were validated during partitioning.
        stream, size = (
            streams.chunks(path, begin=partition.begin, end=partition.end),
            partition.end - partition.begin + 1,
        )
        csv = csv.trusted
    line, rows = partition.line, 0
    format = replace(format, encoding=streams.given(format.encoding))
    with contextlib.closing(stream):
        for block in blocks(stream, size, csv, path.name, columns=len(partition.columns.names), line=line):
            parsed = _parsed(block, partition, line)
            rows += len(parsed.numbers)
            yield documents(parsed, partition, format)
            line += lines_in(block.data)
    if not rows and partition.end is None:
        raise DataError(f"{partition.name} has a header and no rows", hint="give another --source")


def _parsed(block: Block, partition: DocumentPartition, line: int) -> Read:
    assert partition.columns is not None
    lengths = block.ends - block.starts + 1
    lengths[:-1] -= 1
    lengths[-1] -= block.data.endswith(b"\n")
    first = np.frombuffer(block.data, np.uint8)[block.starts]
    # Arrow skips empty lines.
    lines = block.lines[(lengths > 1) | ((lengths == 1) & (first != _RETURN))] + line + 1
    places = {name: str(number) for number, name in enumerate(partition.columns.names)}
    wanted = [places[name] for name in partition.columns.wanted]
    wrong: list[pa.csv.InvalidRow] = []

    def collect(row: pa.csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    def parse(data: bytes, handler: Callable[[pa.csv.InvalidRow], str] | None) -> pa.Table:
        return pa.csv.read_csv(
            pa.BufferReader(data),
            pa.csv.ReadOptions(column_names=list(places.values()), use_threads=False, block_size=len(data) + 1),
            parse_options(block, handler, empty=False),
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.large_binary()), include_columns=wanted, check_utf8=False
            ),
        )

    try:
        table = parse(block.data, None)
    except pa.ArrowInvalid as error:
        # Arrow passes no row with invalid UTF-8 to the handler, and only the number of cells matters here.
        table = parse(block.data.translate(_ASCII), collect)
        if not wrong:
            raise DataError(f"{partition.name}, lines {line + 1:,} and more: {str(error).splitlines()[0]}") from None
    if table.num_rows + len(wrong) != len(lines):
        raise other_rows(partition.name, line, block, table.num_rows + len(wrong))
    if wrong:
        row, count, wanted_cells = wrong[0].number - 1, wrong[0].actual_columns, wrong[0].expected_columns
        raise ragged(f"{partition.name}, line {lines[row]}", count, wanted_cells, wrong[0].text)
    return Read([contiguous_array(table.column(name)) for name in wanted], lines)
