"""Files of typed tables, read in groups of rows: Parquet, Arrow (.arrow and .feather) and Excel (.xlsx)."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet

from raysq.data.readers.arrow_files import open_arrow
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.parquet import open_parquet
from raysq.data.readers.xlsx import read_sheet
from raysq.data.tensors import storable
from raysq.errors import DataError

TYPED = (".parquet", ".feather", ".arrow", ".xlsx")


class TableFile(Protocol):
    """Open file whose columns have types.

    Attributes:
        schema: columns and their types.
        groups: number of rows of each group, which can be read independently.
        sizes: bytes of each group in memory, as far as the file tells.
    """

    schema: pa.Schema
    groups: Sequence[int]
    sizes: Sequence[int]

    def batches(self, group: int, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yield columns of a group, at most `rows` rows at a time."""
        ...


def is_typed(path: Path | str) -> bool:
    """Whether a file is one of typed tables, by its name."""
    return str(path).lower().endswith(TYPED)


@contextlib.contextmanager
def open_table(path: Path | str, format: CsvFormat) -> Iterator[TableFile]:
    """Open a file of typed tables.

    Args:
        format: limits of memory, and the sheet of an xlsx file.

    Raises:
        SourceError: the file is missing or cannot be read.
        DataError: the file is damaged or too large, also if this is noticed during reading.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith(".xlsx"):
        refuse_sheet(path, format)
    if name.endswith(".parquet"):
        with open_parquet(path) as parquet:
            yield _Parquet(parquet)
    elif name.endswith((".feather", ".arrow")):
        with open_arrow(path, format) as file:
            yield _Stored(file)
    else:
        yield _Memory(read_sheet(path, format.sheet, format)[0])


def describe_sheet(path: Path, format: CsvFormat) -> list[str]:
    """Return a message about the sheet of an xlsx file that is read, if it has several."""
    if not path.name.lower().endswith(".xlsx"):
        return []
    return read_sheet(path, format.sheet, format)[1]


def refuse_sheet(path: Path, format: CsvFormat) -> None:
    """Raise `DataError` if the format names a sheet. `path` is no xlsx file."""
    if format.sheet is not None:
        raise DataError(f"setting sheet names a sheet of an xlsx file, and {path.name} is none", hint="leave it out")


def read_table(path: Path, format: CsvFormat) -> pa.Table:
    """Return all rows of a file of typed tables."""
    with open_table(path, format) as file:
        names = file.schema.names
        batches = [
            batch for group, rows in enumerate(file.groups) for batch in file.batches(group, names, max(rows, 1))
        ]
        return pa.Table.from_batches(batches, file.schema)


class _Parquet:
    def __init__(self, file: pa.parquet.ParquetFile) -> None:
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
        self._file = file
        self.schema = file.schema_arrow
        self.groups: Sequence[int] = [group.num_rows for group in groups]
        self.sizes: Sequence[int] = [group.total_byte_size for group in groups]

    def batches(self, group: int, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        for batch in self._file.iter_batches(rows, [group], columns, use_threads=False):
            yield batch.select(columns)


class _Stored:
    """Arrow file whose columns are decoded: other formats have no views and dictionaries."""

    def __init__(self, file: TableFile) -> None:
        self._file = file
        self.groups, self.sizes = file.groups, file.sizes
        self.schema = _plain(file.schema.empty_table()).schema

    def batches(self, group: int, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        for batch in self._file.batches(group, columns, rows):
            yield from _plain(pa.Table.from_batches([batch])).combine_chunks().to_batches()


def _plain(table: pa.Table) -> pa.Table:
    return pa.table({name: storable(values) for name, values in zip(table.column_names, table.columns, strict=True)})


class _Memory:
    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.schema = table.schema
        self.groups: Sequence[int] = [table.num_rows]
        self.sizes: Sequence[int] = [table.nbytes]

    def batches(self, group: int, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        yield from self._table.select(columns).combine_chunks().to_batches(max_chunksize=rows)
