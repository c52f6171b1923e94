"""Reading csv and Parquet files piece by piece, with every row's line number kept so that errors can name it.

Plain csv files are planned as byte ranges that end at line ends, so that several CPUs read one file; compressed
ones are streamed. A line break inside a quoted cell is not supported: columns are numbers and time stamps.
"""

import codecs
import contextlib
import csv
import gzip
import io
import itertools
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from raysq.errors import DataError, UsageError
from raysq.sources import zip_member

RANGE = 8 << 20  # bytes that one task parses at a time
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
_HEADER = 1 << 20  # no header is longer
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Csv:
    """How the csv files are written.

    Attributes:
        delimiter: one character between cells.
        encoding: as Python names it.
    """

    delimiter: str = ","
    encoding: str = "utf-8"

    @property
    def splittable(self) -> bool:
        """Whether a byte that looks like a line end is one."""
        return "\n,1".encode(self.encoding) == b"\n,1"


@dataclass(frozen=True)
class Piece:
    """What can be read independently of the rest.

    Attributes:
        path: the file.
        form: bytes `begin` to `end` of a csv, a csv as one stream, row group number `begin` of a Parquet file, or rows
            in memory.
        header: all column names of the file.
        first: whether it is the file's first piece.
        size: bytes of the file that it covers, for progress.
        table: the rows in memory.
    """

    path: str
    form: Literal["range", "stream", "parquet", "table"]
    header: tuple[str, ...]
    begin: int = 0
    end: int = 0
    first: bool = True
    size: int = 0
    table: pa.Table | None = None

    @property
    def unit(self) -> str:
        """What its places are counted in, for messages."""
        return "row" if self.form in ("parquet", "table") else "line"

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return os.path.basename(self.path)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns by which they are asked for: one without a name (an index that pandas wrote) by its place."""
        return tuple(name or f"column {place}" for place, name in enumerate(self.header, 1))


@dataclass(frozen=True)
class Chunk:
    """Rows of a piece.

    Attributes:
        table: the wanted columns. Csv cells are float64 where all of a number column's cells are numbers or
            missing, else text; Parquet columns have their own types.
        lines: for each row, the number of lines of this chunk above it.
        count: lines of this chunk.
        ragged: the first row with another number of cells than the header: its line, cells found and wanted.
        dropped: how many such rows there are; they are not in the table.
        undecodable: the line and the byte that are not of the encoding; nothing is read after them.
    """

    table: pa.Table
    lines: np.ndarray
    count: int
    ragged: tuple[int, int, int] | None = None
    dropped: int = 0
    undecodable: tuple[int, int] | None = None


def plan(files: Sequence[Path | pa.Table], form: Csv) -> list[Piece]:
    """The pieces of all files, in row order; also of rows in memory.

    Raises:
        DataError: a file without header or rows, or files with different headers.
    """
    pieces: list[Piece] = []
    for path in files:
        if isinstance(path, pa.Table):
            pieces.append(Piece("the frame", "table", tuple(path.column_names), size=path.nbytes, table=path))
            continue
        more = _plan_parquet(path) if path.name.lower().endswith(".parquet") else _plan_csv(path, form)
        if pieces and more[0].header != pieces[0].header:
            raise DataError(
                f"{pieces[0].name} and {path.name} have different columns: {', '.join(pieces[0].header)} and "
                f"{', '.join(more[0].header)}; give files of one layout"
            )
        pieces += more
    return pieces


def read(piece: Piece, text: Sequence[str], numbers: Sequence[str], form: Csv) -> Iterator[Chunk]:
    """The rows of a piece, a bounded number at a time.

    Args:
        piece: from `plan`.
        text: columns to read as text.
        numbers: columns to read as numbers.
        form: how the csv is written.

    Raises:
        DataError: a file that is damaged.
    """
    if piece.table is not None:
        columns = piece.table.select([*text, *numbers])
        yield Chunk(columns, np.arange(columns.num_rows), columns.num_rows)
        return
    if piece.form == "parquet":
        yield _read_parquet(piece, [*text, *numbers])
        return
    with _open(Path(piece.path), form) as stream:
        stream.seek(piece.begin) if piece.form == "range" else stream.readline(_HEADER)
        for block in _blocks(stream, piece):
            encoding = form.encoding if form.splittable else "utf-8"
            try:
                # Also where it already is UTF-8: Arrow would report a wrong byte without its line.
                decoded = block.decode(encoding)
            except UnicodeDecodeError as error:
                line = block.count(b"\n", 0, error.start)
                empty = pa.table({name: pa.array([], pa.string()) for name in (*text, *numbers)})
                yield Chunk(empty, np.arange(0), line + 1, undecodable=(line, block[error.start]))
                return
            if codecs.lookup(encoding).name not in ("utf-8", "ascii"):
                block = decoded.encode()
            yield _parse(block, piece.columns, text, numbers, form.delimiter)


def _plan_parquet(path: Path) -> list[Piece]:
    try:
        file = pa.parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} is not a readable Parquet file: {str(error).splitlines()[0]}") from None
    with file:
        header = tuple(file.schema_arrow.names)
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
    rows = sum(group.num_rows for group in groups)
    if not rows:
        raise DataError(f"{path.name} has columns and no rows; give another --source")
    size = path.stat().st_size
    return [
        Piece(str(path), "parquet", header, index, first=not index, size=size * group.num_rows // rows)
        for index, group in enumerate(groups)
    ]


def _plan_csv(path: Path, form: Csv) -> list[Piece]:
    size = path.stat().st_size
    with _open(path, form) as stream:
        line = stream.readline(_HEADER)
        begin = len(line)
        if not line.strip(b"\r\n \t" + _BOM):
            raise DataError(f"{path.name}, line 1 is empty: it must name the columns")
        if not stream.read(1):
            raise DataError(f"{path.name} has a header and no rows; give another --source")
    header = _header(line, path.name, form)
    if path.suffix.lower() != ".csv" or not form.splittable:
        return [Piece(str(path), "stream", header, size=size)]
    cuts = [begin]
    with open(path, "rb") as raw:
        while size - cuts[-1] > RANGE * 3 // 2:  # no short last piece
            raw.seek(cuts[-1] + RANGE)
            raw.readline()
            cuts.append(raw.tell())
    cuts = [cut for cut in cuts if cut < size] + [size]
    return [
        Piece(str(path), "range", header, low, high, first=low == begin, size=high - low)
        for low, high in itertools.pairwise(cuts)
    ]


def head(path: Path, count: int = _HEADER) -> bytes:
    """The first bytes of a csv, unpacked, in the encoding it has.

    Raises:
        DataError: a damaged archive.
    """
    with _open(path, Csv()) as stream:
        return stream.read(count)


def split(text: str, delimiter: str) -> int:
    """The number of cells of a csv's lines when that is its delimiter; 1 where lines differ in it."""
    lines = [line for line in text.split("\n")[:100] if line.strip()][:-1] or [text.split("\n", 1)[0]]
    counts = [len(cells) for cells in _cells(lines, delimiter)]
    return counts[0] if counts and counts.count(counts[0]) >= 0.8 * len(counts) else 1


def header(line: str, form: Csv) -> tuple[str, ...]:
    """The names in a csv's first line.

    Raises:
        DataError: a line that goes on behind a carriage return.
    """
    cells = next(_cells([line.strip("\r\n")], form.delimiter), [])
    return tuple(cell.strip().strip("\"'").strip() for cell in cells)


def _cells(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    except csv.Error as error:
        if any("\r" in line.rstrip("\r\n") for line in lines):
            raise DataError(
                "the lines of the csv end in carriage returns alone, as those of old Macs do: save it with line feeds, "
                "or turn them (tr '\\r' '\\n' < OLD.csv > NEW.csv)"
            ) from None
        raise DataError(f"the first lines are no csv ({error})") from None


def _header(line: bytes, name: str, form: Csv) -> tuple[str, ...]:
    try:
        text = line.decode(form.encoding if form.splittable else "utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        raise _wrong_encoding(name, form, error, "line 1") from None
    found = header(text, form)
    twice = sorted({cell for cell in found if cell and found.count(cell) > 1})
    if twice:
        raise DataError(f"{name}, line 1 names column {twice[0]!r} twice; rename one of them")
    if len(found) == 1:
        for sign, said in ((";", "';'"), ("\t", "tab"), ("|", "'|'")):
            if sign in text and sign != form.delimiter:
                raise DataError(f"{name}, line 1 has no {form.delimiter!r} between its cells; --set delimiter={said}")
    return found


def _wrong_encoding(name: str, form: Csv, error: UnicodeError, where: str) -> DataError:
    if isinstance(error, UnicodeDecodeError) and form.splittable:
        hint = "utf-16" if error.object[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
        return wrong_encoding(f"{name}, {where}", form, error.object[error.start], hint)
    return DataError(f"{name}, {where} is not {form.encoding}; --set encoding=utf-8, or what the file is in")


def wrong_encoding(where: str, form: Csv, byte: int, hint: str = "latin-1") -> DataError:
    """The error for a byte that is not of the encoding."""
    return DataError(
        f"{where} is not {form.encoding} (byte 0x{byte:02x}); --set encoding={hint}, or what the file is in"
    )


@contextlib.contextmanager
def _open(path: Path, form: Csv) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked, with broken archives as errors that name it."""
    name = path.name.lower()
    try:
        with contextlib.ExitStack() as stack:
            if name.endswith(".gz"):
                stream: IO[bytes] = cast("IO[bytes]", stack.enter_context(gzip.open(path, "rb")))
            elif name.endswith(".zip"):
                archive = stack.enter_context(zipfile.ZipFile(path))
                stream = stack.enter_context(archive.open(zip_member(path)))
            else:
                stream = stack.enter_context(open(path, "rb"))
            yield stream if form.splittable else _Recoded(stream, form.encoding)
    except (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} is damaged or cut short ({error}); fetch or write it again") from None
    except UnicodeError as error:
        raise _wrong_encoding(path.name, form, error, "the file") from None


class _Recoded(io.BytesIO):
    """A file in an encoding whose line ends are not single bytes (UTF-16, ...), as UTF-8, whole in memory."""

    def __init__(self, raw: IO[bytes], encoding: str) -> None:
        super().__init__(raw.read().decode(encoding).encode())


def _blocks(stream: IO[bytes], piece: Piece) -> Iterator[bytes]:
    """The piece's bytes in blocks that end at line ends."""
    left = piece.end - piece.begin if piece.form == "range" else None
    rest = b""
    while True:
        block = stream.read(RANGE * 2 if left is None else left)
        if left is not None:
            left -= len(block)
        if not block:
            break
        block = rest + block
        cut = len(block) if left == 0 else block.rfind(b"\n") + 1
        rest = block[cut:]
        if cut:
            yield block[:cut]
    if rest:
        yield rest


def _parse(block: bytes, names: Sequence[str], text: Sequence[str], numbers: Sequence[str], delimiter: str) -> Chunk:
    skipped: list[tuple[int, int, int]] = []

    def skip(row: pa.csv.InvalidRow) -> str:
        skipped.append((row.number - 1, row.actual_columns, row.expected_columns))
        return "skip"

    def parse(types: dict[str, pa.DataType]) -> pa.Table:
        skipped.clear()
        return pa.csv.read_csv(
            pa.BufferReader(block),
            pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
            pa.csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=skip),
            pa.csv.ConvertOptions(
                column_types=types, include_columns=[*text, *numbers], null_values=MISSING, check_utf8=False
            ),
        )

    try:
        table = parse(dict.fromkeys(text, pa.string()) | dict.fromkeys(numbers, pa.float64()))
    except pa.ArrowInvalid:
        table = parse(dict.fromkeys([*text, *numbers], pa.string()))
    count = block.count(b"\n") + (not block.endswith(b"\n"))
    lines = np.arange(table.num_rows + len(skipped))
    ragged = None
    if skipped:
        lines = np.delete(lines, [line for line, _, _ in skipped])
        ragged = skipped[0]
    return Chunk(table, lines, count, ragged, len(skipped))


def _read_parquet(piece: Piece, columns: list[str]) -> Chunk:
    try:
        with pa.parquet.ParquetFile(piece.path) as file:
            table = file.read_row_group(piece.begin, columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{piece.name} is damaged: {str(error).splitlines()[0]}; fetch or write it again") from None
    return Chunk(table.select(columns), np.arange(table.num_rows), table.num_rows)


def check_csv(form: Csv) -> None:
    """Refuses a delimiter or an encoding that is none.

    Raises:
        UsageError: it says which.
    """
    if len(form.delimiter) != 1 or form.delimiter in '"\r\n':
        raise UsageError(f"setting delimiter must be one character or the word tab, received {form.delimiter!r}")
    try:
        "a".encode(form.encoding)
    except LookupError:
        raise UsageError(
            f"setting encoding must be one that Python knows, such as utf-8 or latin-1, received {form.encoding!r}"
        ) from None
