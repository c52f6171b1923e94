"""Read tables (csv, JSONL, typed files) in partitions, with the line number of every row for error messages.

Uncompressed csv and JSONL files are divided into byte ranges that end at row ends, so that several CPUs can read one
file. Compressed files are streamed.
"""

import codecs
import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv

from raysq.config import join_names
from raysq.data.readers import json_lines, streams
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.quotes import scan
from raysq.data.readers.csv.rows import Block, blocks, other_rows, parse_options
from raysq.data.readers.csv.sniff import HEADER_BYTES, begin, columns
from raysq.data.readers.files import damages
from raysq.data.readers.lines import lines_in
from raysq.data.readers.parquet import check_text
from raysq.data.readers.table_files import is_typed, open_table, refuse_sheet
from raysq.data.readers.unpack import packing, unpacked, without_compression
from raysq.errors import DataError, FormatError

RANGE = 8 << 20  # bytes per range, which a task parses at once
_STREAMED = 16 << 20  # bytes of a stream parsed at a time
_CHUNK = 1 << 20  # bytes decompressed at a time
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")


@dataclass(frozen=True)
class TablePartition:
    """Partition: part of a file that can be read independently.

    Attributes:
        kind: bytes `begin` to `end` of a csv, a csv as one stream, bytes `begin` to `end` of a JSONL file or all of it
            (`end` 0), group of rows number `begin` of a typed file, or rows in memory.
        header: all column names of the file.
        above: number of lines of the file above the first row.
        size: bytes of the file that the partition covers, for progress.
        table: the rows in memory.
    """

    path: str
    kind: Literal["range", "stream", "json", "typed", "table"]
    header: tuple[str, ...]
    begin: int = 0
    end: int = 0
    first: bool = True
    above: int = 0
    size: int = 0
    table: pa.Table | None = None

    @property
    def unit(self) -> str:
        """Unit in which messages count positions."""
        return "row" if self.kind in ("typed", "table") else "line"

    @property
    def name(self) -> str:
        """Name of the file, for messages."""
        return os.path.basename(self.path)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns. A column without a name, such as an index written by pandas, is named by position."""
        return columns(self.header)


@dataclass(frozen=True)
class TableChunk:
    """Rows of a partition.

    Attributes:
        table: the requested columns. Csv columns requested as numbers are float64 if all their cells are numbers or
            missing, else text. Columns of typed files keep their types; those of JSONL are numbers or text.
        lines: for each row, the number of lines of this chunk above it.
        ragged: for the first row with a wrong number of cells, its line, and the numbers of actual and expected cells.
        dropped: number of such rows. They are not in the table.
        undecodable: line and value of a byte that is invalid in the encoding. Nothing is read after it.
    """

    table: pa.Table
    lines: np.ndarray
    count: int
    ragged: tuple[int, int, int] | None = None
    dropped: int = 0
    undecodable: tuple[int, int] | None = None


def partition(files: Sequence[Path | pa.Table], format: CsvFormat) -> list[TablePartition]:
    """Return the partitions of all files and tables, in row order.

    Raises:
        DataError: a file has no header or no rows, or files have different headers.
    """
    partitions: list[TablePartition] = []
    for path in files:
        if isinstance(path, pa.Table):
            partitions.append(
                TablePartition("the frame", "table", tuple(path.column_names), size=path.nbytes, table=path)
            )
            continue
        with damages(path):
            of_file = (
                _partition_typed(path, format)
                if is_typed(path)
                else _partition_json(path, format)
                if is_json(path)
                else _partition_csv(path, format)
            )
        if partitions and of_file[0].header != partitions[0].header:
            raise DataError(
                f"{partitions[0].name} and {path.name} have different columns: {join_names(partitions[0].header)} and "
                f"{join_names(of_file[0].header)}; give files of one layout"
            )
        partitions += of_file
    return partitions


def read(
    partition: TablePartition, text: Sequence[str], numbers: Sequence[str], format: CsvFormat
) -> Iterator[TableChunk]:
    """Yield the rows of a partition, a bounded number at a time."""
    if partition.table is not None:
        columns = partition.table.select([*text, *numbers])
        yield TableChunk(columns, np.arange(columns.num_rows), columns.num_rows)
        return
    if partition.kind == "typed":
        yield from _read_typed(partition, [*text, *numbers], format)
        return
    if partition.kind == "json":
        yield from _read_json(partition, [*text, *numbers], format)
        return
    with damages(partition.path), _open(Path(partition.path), format) as stream:
        size = _STREAMED
        if partition.kind == "stream":
            stream.read(partition.begin)  # the header
        else:
            stream.seek(partition.begin)
            # One byte more than the range has, to read it as one block. Its quotes were checked by `partition`.
            size, format = partition.end - partition.begin + 1, format.trusted
        columns, chunks = len(partition.header), _chunks(stream, partition)
        for block in blocks(chunks, size, format, partition.name, columns=columns, line=partition.above):
            yield _read_block(block, partition, text, numbers)


def is_json(path: Path | str) -> bool:
    """Whether a file holds one JSON object per line, by its name."""
    return without_compression(path).endswith(json_lines.SUFFIXES)


def is_csv(path: Path | str) -> bool:
    """Whether a file is a csv, by its name."""
    return not is_typed(path) and not is_json(path)


def _partition_typed(path: Path, format: CsvFormat) -> list[TablePartition]:
    with open_table(path, format) as file:
        header, groups = tuple(file.schema.names), file.groups
    rows = sum(groups)
    if not rows:
        raise DataError(f"{path.name} has columns and no rows", hint="give another --source")
    size = path.stat().st_size
    return [
        TablePartition(str(path), "typed", header, index, first=not index, size=size * count // rows)
        for index, count in enumerate(groups)
    ]


def _partition_json(path: Path, format: CsvFormat) -> list[TablePartition]:
    refuse_sheet(path, format)
    size = path.stat().st_size
    names = json_lines.names_of(path, format)
    if packing(path) is not None or not streams.extends_ascii(format.encoding):
        return [TablePartition(str(path), "json", names, size=size)]
    return [
        TablePartition(str(path), "json", names, begin, end, first=not begin, above=above, size=end - begin)
        for begin, end, above in streams.ranges(path, RANGE, format)
    ]


def _partition_csv(path: Path, format: CsvFormat) -> list[TablePartition]:
    refuse_sheet(path, format)
    size = path.stat().st_size
    with _open(path, format) as stream:
        data = stream.read(HEADER_BYTES)
        _check_decodes(path.name, data, format)
        beginning = begin(path.name, data, not stream.read(1), format)
        if beginning.size >= len(data):
            raise DataError(f"{path.name} has a header and no rows", hint="give another --source")
        partition = TablePartition(
            str(path), "stream", beginning.names, beginning.size, above=beginning.lines, size=size
        )
        if packing(path) is not None or not format.splittable:
            return [partition]
        stream.seek(beginning.size)
        cuts = [beginning.size]
        chunks = iter(lambda: stream.read(RANGE), b"")
        for block in blocks(chunks, RANGE, format, path.name, columns=len(beginning.names), line=beginning.lines):
            cuts.append(cuts[-1] + len(block.data))
    if len(cuts) > 2 and cuts[-1] - cuts[-2] < RANGE // 2:  # avoid a short last range
        del cuts[-2]
    return [
        replace(partition, kind="range", begin=low, end=high, first=low == beginning.size, size=high - low)
        for low, high in itertools.pairwise(cuts)
    ]


def _check_decodes(name: str, data: bytes, format: CsvFormat) -> None:
    """Raise an error if the first line is not in the encoding."""
    line = data.split(b"\n", 1)[0]
    try:
        line.decode(format.encoding if format.splittable else "utf-8")
    except UnicodeDecodeError as error:
        hint = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
        raise wrong_encoding(f"{name}, line 1", format, line[error.start], hint) from None


def head(path: Path, format: CsvFormat, count: int = HEADER_BYTES) -> tuple[bytes, bool]:
    """Return the first decompressed bytes of a csv, and whether they are the complete file.

    Raises:
        DataError: the archive is damaged, or the file is in another encoding.
    """
    with _open(path, format) as stream:
        return stream.read(count), not stream.read(1)


def wrong_encoding(where: str, format: CsvFormat, byte: int, hint: str = "latin-1") -> FormatError:
    """Return the error for a byte that is invalid in the encoding."""
    return FormatError(
        f"{where} is not {format.encoding} (byte 0x{byte:02x})", hint=f"--set encoding={hint}, or what the file is in"
    )


@contextlib.contextmanager
def _open(path: Path, format: CsvFormat) -> Iterator[IO[bytes]]:
    """Open the decompressed bytes of a file. Errors of damaged archives name the file."""
    with unpacked(path, packing(path)) as stream:
        yield stream if format.splittable else cast("IO[bytes]", _Recoded(stream, format.encoding, path.name))


class _Recoded:
    """File in an encoding with multi-byte line ends (such as UTF-16), read from its beginning as UTF-8."""

    def __init__(self, raw: IO[bytes], encoding: str, name: str) -> None:
        self._raw, self._encoding, self._name = raw, encoding, name
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._buffer = b""
        self._ended = False

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, or fewer at the end."""
        parts = [self._buffer]
        length = len(self._buffer)
        while length < size and not self._ended:
            chunk = self._raw.read(_CHUNK)
            self._ended = not chunk
            try:
                parts.append(self._decoder.decode(chunk, self._ended).encode())
            except UnicodeError:
                raise FormatError(
                    f"{self._name}: the file is not {self._encoding}",
                    hint="--set encoding=utf-8, or what the file is in",
                ) from None
            length += len(parts[-1])
        data = b"".join(parts)
        self._buffer = data[size:]
        return data[:size]

    def seek(self, position: int) -> None:
        """Skip the first bytes."""
        self.read(position)


def _chunks(stream: IO[bytes], partition: TablePartition) -> Iterator[bytes]:
    """Yield the bytes of a partition; those of a range in one chunk."""
    if partition.kind == "range":
        return iter([stream.read(partition.end - partition.begin)])
    return iter(lambda: stream.read(_CHUNK), b"")


def _read_block(block: Block, partition: TablePartition, text: Sequence[str], numbers: Sequence[str]) -> TableChunk:
    format = block.format
    encoding = format.encoding if format.splittable else "utf-8"
    try:
        # Decode UTF-8 too, because Arrow would report an invalid byte without its line.
        decoded = block.data.decode(encoding)
    except UnicodeDecodeError as error:
        return _undecodable(block.data, error, [*text, *numbers], 0)
    if codecs.lookup(encoding).name not in ("utf-8", "ascii"):
        data = decoded.encode()
        block = Block(data, format, scan(data, format) if block.quoted else None)
    return _parse(block, partition, text, numbers)


def _undecodable(block: bytes, error: UnicodeDecodeError, columns: Sequence[str], above: int) -> TableChunk:
    """Return the chunk for a block with an invalid byte. `above` is the number of lines above it."""
    line = above + block.count(b"\n", 0, error.start)
    empty = pa.table({name: pa.array([], pa.string()) for name in columns})
    return TableChunk(empty, np.arange(0), line + 1, undecodable=(line, block[error.start]))


def _parse(block: Block, partition: TablePartition, text: Sequence[str], numbers: Sequence[str]) -> TableChunk:
    skipped: list[tuple[int, int, int]] = []

    def skip(row: pa.csv.InvalidRow) -> str:
        skipped.append((row.number - 1, row.actual_columns, row.expected_columns))
        return "skip"

    def parse(types: dict[str, pa.DataType]) -> pa.Table:
        skipped.clear()
        return pa.csv.read_csv(
            pa.BufferReader(block.data),
            pa.csv.ReadOptions(column_names=partition.columns, use_threads=False, block_size=len(block.data) + 1),
            parse_options(block, skip, empty=True),
            pa.csv.ConvertOptions(
                column_types=types, include_columns=[*text, *numbers], null_values=MISSING, check_utf8=False
            ),
        )

    try:
        table = parse(dict.fromkeys(text, pa.string()) | dict.fromkeys(numbers, pa.float64()))
    except pa.ArrowInvalid:
        table = parse(dict.fromkeys([*text, *numbers], pa.string()))
    count = lines_in(block.data) + (not block.data.endswith(b"\n"))
    rows = table.num_rows + len(skipped)
    lines = block.lines if block.quoted else np.arange(rows)
    if len(lines) != rows:
        raise other_rows(partition.name, partition.above, block, rows)
    ragged = None
    if skipped:
        ragged = (int(lines[skipped[0][0]]), *skipped[0][1:])
        lines = np.delete(lines, [row for row, _, _ in skipped])
    return TableChunk(table, lines, count, ragged, len(skipped))


def _read_typed(partition: TablePartition, columns: list[str], format: CsvFormat) -> Iterator[TableChunk]:
    most = max(_STREAMED // (8 * max(len(columns), 1)), 1)  # rows: few bytes may hold many of them
    with open_table(partition.path, format) as file:
        for batch in file.batches(partition.begin, columns, most):
            table = pa.Table.from_batches([batch])
            check_text(table, partition.name)
            yield TableChunk(table, np.arange(table.num_rows), table.num_rows)


def _read_json(partition: TablePartition, columns: list[str], format: CsvFormat) -> Iterator[TableChunk]:
    end = partition.end or None
    size = partition.end - partition.begin + 1 if end else _STREAMED  # one byte more gives one block
    encoding, above = streams.given(format.encoding), 0
    with damages(partition.path):
        for block in json_lines.blocks(Path(partition.path), partition.begin, end, size, format):
            try:
                block.decode(encoding)  # Arrow does not check UTF-8
            except UnicodeDecodeError as error:
                yield _undecodable(block, error, columns, above)
                return
            table, rows, count = json_lines.parse(partition.name, block, columns, encoding, partition.above + above)
            yield TableChunk(table, rows + above, above + count)
            above += count
