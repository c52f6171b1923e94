"""Write a stream of tables to a Parquet file whose row groups do not depend on how the stream is cut into tables."""

import os
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet

_ROWS = 1 << 17  # rows of a group, which is the work of one task
_BYTES = 256 << 20  # most bytes of a group


class ParquetGroups:
    """Parquet file that is written in row groups of fixed size.

    Column types of later tables may be wider, and later tables may have more columns: the file is then written again.
    """

    def __init__(self, path: Path, rows: int = _ROWS) -> None:
        self._path, self._rows = path, rows
        self._held: list[pa.Table] = []
        self._count = self._bytes = 0
        self._schema: pa.Schema | None = None
        self._writer: pa.parquet.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            while self._held:
                self._write_group()
        if self._writer is not None:
            self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Append the rows of a table.

        Raises:
            TypeError: a column has a type that has nothing in common with its type so far.
        """
        table = table.replace_schema_metadata(None)
        schema = table.schema if self._schema is None else _common(self._schema, table.schema)
        if schema != self._schema:
            self._schema = schema
            self._widen()
        self._held.append(_as(table, schema))
        self._count += table.num_rows
        self._bytes += table.nbytes
        while self._count >= self._group_rows():
            self._write_group()

    def _group_rows(self) -> int:
        """Return the rows of the next group: fewer if they are large."""
        return max(1, min(self._rows, int(_BYTES * self._count / max(self._bytes, 1)))) if self._count else self._rows

    def _write_group(self) -> None:
        table = pa.concat_tables(self._held)
        group = table.slice(0, self._group_rows())
        if self._writer is None:
            self._writer = pa.parquet.ParquetWriter(self._path, self._schema)
        self._writer.write_table(group.combine_chunks(), row_group_size=self._rows)
        left = table.slice(group.num_rows)
        self._held = [left] if left.num_rows else []
        self._count, self._bytes = left.num_rows, left.nbytes if left.num_rows else 0

    def _widen(self) -> None:
        """Give all rows so far the types and columns of the schema."""
        assert self._schema is not None
        self._held = [_as(table, self._schema) for table in self._held]
        if self._writer is None:
            return
        self._writer.close()
        before = self._path.with_name(self._path.name + ".before")
        os.replace(self._path, before)
        try:
            self._writer = pa.parquet.ParquetWriter(self._path, self._schema)
            with pa.parquet.ParquetFile(before) as file:
                for group in range(file.num_row_groups):
                    self._writer.write_table(_as(file.read_row_group(group), self._schema), row_group_size=self._rows)
        finally:
            before.unlink()


def _common(schema: pa.Schema, other: pa.Schema) -> pa.Schema:
    if schema == other:
        return schema
    try:
        return pa.unify_schemas([schema, other], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TypeError(str(error)) from None


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with the columns and types of a schema. Missing columns have no values."""
    if table.schema == schema:
        return table
    try:
        columns = [
            table.column(field.name).cast(field.type)
            if field.name in table.column_names
            else pa.nulls(len(table), field.type)
            for field in schema
        ]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:  # such as whole numbers that no float holds
        raise TypeError(str(error)) from None
    return pa.table(columns, schema=schema)
