"""Columns of a csv or Parquet file, for preprocessors that need no format of their own."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from raysq.config import nearest_name
from raysq.data.readers.files import check_file, damages
from raysq.data.readers.parquet import check_text, open_parquet
from raysq.errors import DataError


def read_columns(source: Path | pa.Table, *names: str) -> pa.Table:
    """Read columns of a csv or Parquet file, or of a table given in Python.

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
    if path.suffix == ".parquet":
        with open_parquet(path) as file:
            table = file.read()
        check_text(table, path.name)
        return table
    check_file(path)
    with damages(path):
        return pa.csv.read_csv(path)
