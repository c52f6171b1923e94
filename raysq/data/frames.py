"""Rows passed in Python (frames, dicts of arrays, data sets of other libraries), converted to a table or a file."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.data import row_streams
from raysq.errors import SourceError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

TAKEN = (
    "a DataFrame, a pyarrow Table, a dict of columns, an iterable of dicts, or a Ray, Hugging Face or tf.data data set"
)


def is_frame(value: Any) -> bool:
    """Whether a value holds or yields rows with named columns, in contrast to a path."""
    if isinstance(value, (str, Path)):
        return False
    return _is_held(value) or row_streams.is_stream(value)


def to_table(value: Any) -> "pa.Table":
    """Convert rows to an Arrow table with the contents that a csv or Parquet file of them would have.

    Args:
        value: rows in one of these forms.

            - A pandas DataFrame or Series. An index becomes a column if it has a name or holds times. Columns of mixed
              types become text, categories become their values, and periods become their start times.
            - A Polars DataFrame or another object with Arrow's stream interface.
            - A dict of columns.
            - A `ray.data.Dataset`, read in its order.
            - A Hugging Face `Dataset` or `IterableDataset`; class labels become the names of the classes. Of a
              `DatasetDict`, all splits, with the name of the split in a column `split`.
            - A finite `tf.data.Dataset`, read once. Its elements are dicts, one tensor (column `x`), or tuples
              (columns `x`, `y`, `sample_weight`). They are rows, or batches if the data set was batched.
            - An iterable of rows as dicts, or of batches as dicts of columns or frames. A dict is a batch if all its
              values are lists or arrays of one length.

            Arrays of one shape for each row become columns of fixed-shape tensors.

    Raises:
        UsageError: unsupported type, columns of different lengths, two columns of the same name, or a data set that is
            infinite or empty.
        ResourceError: Ray fails to read its data set.
    """
    import pyarrow as pa

    held = list(tables(value))
    try:
        return held[0] if len(held) == 1 else pa.concat_tables(held, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise _mixed(error) from None


def to_file(value: Any, folder: Path) -> Path:
    """Write rows, as for `to_table`, to a Parquet file named after a digest of its contents, and return its path.

    Data sets and iterables are written batch by batch. An existing file is reused.

    Raises:
        SourceError: the folder cannot be written.
    """
    from raysq.storage.atomic import discard

    partial = folder / f".{os.getpid()}.part-{uuid.uuid4().hex}.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(tables(value), partial)
        with open(partial, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        path = folder / f"frame-{digest[:16]}.parquet"
        if not path.exists():
            os.replace(partial, path)
        return path
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"{folder} cannot be written: {error.strerror or error}", "make room or set RAYSQ_HOME"
        ) from None
    finally:
        discard(partial)


def tables(value: Any) -> "Iterator[pa.Table]":
    """Yield rows, as for `to_table`, batch by batch. There is at least one table."""
    if not is_frame(value):
        raise UsageError(f"rows are {TAKEN}, received {type(value).__name__}")
    if not row_streams.is_stream(value):
        yield _table(value)
        return
    empty = True
    for table in row_streams.batches(value, _table):
        empty = False
        yield table
    if empty:
        raise UsageError(
            f"{type(value).__name__} has no rows; one that was read already, such as a generator, has none left"
        )


def _is_held(value: Any) -> bool:
    return isinstance(value, dict) or hasattr(value, "iloc") or hasattr(value, "__arrow_c_stream__")


def _table(value: Any) -> "pa.Table":
    """Convert a frame or a dict of columns."""
    import pyarrow as pa

    from raysq.data.tensors import column, storable

    if hasattr(value, "iloc"):
        columns = _of_pandas(value if hasattr(value, "columns") else value.to_frame(value.name or "value"))
    elif isinstance(value, dict):
        columns = [(str(name), column(str(name), values)) for name, values in value.items()]
    else:
        given = pa.table(value)
        columns = list(zip(given.column_names, given.columns, strict=True))
    names = [name for name, _ in columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UsageError(f"the frame has two columns named {repeated[0]!r}: rename one")
    if len({len(values) for _, values in columns}) > 1:
        lengths = ", ".join(f"{name} {len(values):,}" for name, values in columns[:5])
        raise UsageError(f"the columns of the frame have different lengths: {lengths}")
    return pa.table({name: storable(values) for name, values in columns})


def _write(batches: "Iterator[pa.Table]", path: Path) -> None:
    """Write tables to a Parquet file with row groups of fixed size, so that equal rows give equal bytes."""
    from raysq.data.parquet_writer import ParquetGroups

    with ParquetGroups(path) as groups:
        for table in batches:
            try:
                groups.write(table)
            except TypeError as error:
                raise _mixed(error) from None


def _mixed(error: Exception) -> UsageError:
    return UsageError(f"batches of the rows have different types: {str(error).splitlines()[0]}")


def _of_pandas(frame: Any) -> "list[tuple[str, pa.Array]]":
    """Return the columns of a pandas DataFrame, preceded by index levels that have a name or hold times."""
    import pandas as pd

    levels = [frame.index.get_level_values(number) for number in range(frame.index.nlevels)]
    named_levels = [
        level for level in levels if level.name is not None or isinstance(level, (pd.DatetimeIndex, pd.PeriodIndex))
    ]
    names = {str(name) for name in frame.columns}
    columns = [(str("time" if level.name is None else level.name), level.to_series()) for level in named_levels]
    columns = [(name, column) for name, column in columns if name not in names]
    columns += [(str(name), frame.iloc[:, number]) for number, name in enumerate(frame.columns)]
    return [(name, _of_series(column)) for name, column in columns]


def _of_series(column: Any) -> "pa.Array | pa.ChunkedArray":
    import pandas as pd
    import pyarrow as pa

    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if column.dtype == object and hasattr(next((value for value in column if value is not None), None), "__array__"):
        from raysq.data import tensors

        return tensors.column(str(column.name), column.tolist())
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        # A column that mixes numbers and text becomes text, as in a csv file.
        return pa.array([None if pd.api.types.is_scalar(value) and pd.isna(value) else str(value) for value in column])
