"""Documents in Parquet files, one row group a piece."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from raysq.columns import one_array
from raysq.corpus.reading.columns import Read, columns_of, documents
from raysq.corpus.reading.form import RANGE, Form, Piece
from raysq.corpus.reading.heads import unnested
from raysq.errors import DataError


def plan(path: Path, form: Form) -> list[Piece]:
    """The pieces of a Parquet file.

    Raises:
        DataError: a text column that does not hold text, or one that is not there.
    """
    columns = columns_of(path, form)
    with pa.parquet.ParquetFile(path) as file:
        kind = unnested(file.schema_arrow.empty_table()).schema.field(columns.text).type
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
    if not _is_text(kind):
        raise DataError(
            f"{path.name}: column {columns.text!r} holds {kind}, not text",
            hint="name another column (--text, of pairs --from and --to)",
        )
    size, rows = path.stat().st_size, max(sum(group.num_rows for group in groups), 1)
    pieces, line = [], 0
    for index, group in enumerate(groups):
        if group.num_rows:
            pieces.append(Piece(str(path), "parquet", size * group.num_rows // rows, columns, begin=index, line=line))
        line += group.num_rows
    return pieces


def read(piece: Piece, form: Form) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """The documents of a piece; their ids have the number of the row, from 1. Text that is stored as bytes is in the
    form's encoding."""
    assert piece.columns is not None
    line = piece.line
    try:
        with pa.parquet.ParquetFile(piece.path) as file:
            group = file.metadata.row_group(piece.begin)
            few = max(int(group.num_rows * RANGE / max(group.total_byte_size, 1)), 1)
            for batch in file.iter_batches(few, [piece.begin], piece.columns.wanted, use_threads=False):
                rows = unnested(pa.Table.from_batches([batch]))
                columns = [one_array(rows.column(name)) for name in piece.columns.wanted]
                columns[0] = _text(columns[0])
                yield documents(Read(columns, np.arange(line + 1, line + 1 + batch.num_rows)), piece, form)
                line += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{piece.name} is damaged: {str(error).splitlines()[0]}; fetch or write it again") from None


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        check(kind)
        for check in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,
            pa.types.is_large_binary,
        )
    )


def _text(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    binary = pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)
    return values.cast(pa.large_binary() if binary else pa.large_string())
