"""Columns of a table in a file, for preprocessors that need no format of their own."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.json

from raysq.config import nearest_name
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.files import check_file, damages
from raysq.data.readers.limits import LIMITS
from raysq.data.readers.parquet import check_text
from raysq.data.readers.streams import read_all
from raysq.data.readers.table_files import is_typed, read_table
from raysq.data.readers.tables import is_json
from raysq.data.readers.unpack import is_tsv, packing
from raysq.errors import DataError


def read_columns(source: Path | pa.Table, *names: str) -> pa.Table:
    """Read columns of a file, or of a table given in Python.

    A file is a csv, a tsv or JSONL, which may be compressed (.gz, .bz2, .xz, .zst; csv also .zip), or a .parquet,
    .feather, .arrow or .xlsx file.

    Args:
        source: a partition: the file, or the table that `Predictor.predict` was called with.
        names: names of the columns.

    Returns:
        The columns in this order, without empty cells.

    Raises:
        DataError: a column is missing or has empty cells, or the file is damaged.
        SourceError: the file cannot be read.

    Example:
        >>> raysq.read_columns(Path("series.csv"), "value", "label").num_columns
        2
    """
    label = "the table" if isinstance(source, pa.Table) else source.name
    table = source if isinstance(source, pa.Table) else _read(source)
    for name in names:
        if name not in table.column_names:
            raise DataError(f"{label} has no column {name!r}: {nearest_name(name, table.column_names)}")
        if table.column(name).null_count:
            raise DataError(f"{label}: column {name!r} has {table.column(name).null_count:,} empty cells: fill them")
    return table.select(list(names))


def _read(path: Path) -> pa.Table:
    if is_typed(path):
        table = read_table(path, CsvFormat())
        check_text(table, path.name)
        return table
    check_file(path)
    delimiter = "\t" if is_tsv(path) else ","
    with damages(path):
        data = pa.BufferReader(read_all(path, LIMITS)) if packing(path) is not None else path
        if is_json(path):
            table = pa.json.read_json(data)
            check_text(table, path.name)
            return table
        return pa.csv.read_csv(data, parse_options=pa.csv.ParseOptions(delimiter=delimiter))
