"""Documents in files of typed tables (Parquet, Arrow, xlsx), one partition per group of rows."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from raysq.data.columns import contiguous_array
from raysq.data.partition_stats import Stats
from raysq.data.readers.parquet import replaced_text
from raysq.data.readers.table_files import open_table
from raysq.errors import DataError
from raysq.text.readers.columns import Read, columns_of, documents
from raysq.text.readers.format import RANGE, DocumentFormat, DocumentPartition
from raysq.text.readers.sniff import unnested

_MOST = 1 << 16  # maximum rows of a table


def partition(path: Path, format: DocumentFormat) -> list[DocumentPartition]:
    """Return the partitions of a file.

    Raises:
        DataError: the text column does not hold text, or a column does not exist.
    """
    columns = columns_of(path, format)
    with open_table(path, format) as file:
        kind = unnested(file.schema.empty_table()).schema.field(columns.text).type
        groups = file.groups
    if not _is_text(kind):
        raise DataError(
            f"{path.name}: column {columns.text!r} holds {kind}, not text",
            hint="name another column (--text, of pairs --from and --to)",
        )
    size, rows = path.stat().st_size, max(sum(groups), 1)
    partitions, line = [], 0
    for index, count in enumerate(groups):
        if count:
            partitions.append(
                DocumentPartition(str(path), "typed", size * count // rows, columns, begin=index, line=line)
            )
        line += count
    return partitions


def read(partition: DocumentPartition, format: DocumentFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield the documents of a partition. Their ids have the row number, from 1.

    Text that is stored as bytes is in the encoding of `format`.
    """
    assert partition.columns is not None
    line = partition.line
    with open_table(partition.path, format) as file:
        # The size in the file underestimates text that is repeated in all rows, so rows are limited too.
        count, size = file.groups[partition.begin], file.sizes[partition.begin]
        batch_rows = min(max(int(count * RANGE / max(size, 1)), 1), _MOST)
        # A nested column is read with the column that holds it.
        whole = [name for name in file.schema.names if any(_holds(name, wanted) for wanted in partition.columns.wanted)]
        for batch in file.batches(partition.begin, whole, batch_rows):
            rows = unnested(pa.Table.from_batches([batch]))
            text, *others = (contiguous_array(rows.column(name)) for name in partition.columns.wanted)
            text = _text(text)
            # A string column is UTF-8 unless it is damaged, so it is decoded like bytes.
            binary = pa.types.is_large_binary(text.type)
            read = Read(
                [text if binary else text.cast(pa.large_binary()), *map(replaced_text, others)],
                np.arange(line + 1, line + 1 + batch.num_rows),
            )
            yield documents(read, partition, format if binary else replace(format, encoding="utf-8"))
            line += batch.num_rows


def _holds(column: str, name: str) -> bool:
    return name == column or name.startswith(f"{column}.")


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
