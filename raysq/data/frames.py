"""Rows passed in Python (pandas, Polars, Arrow, or a dict of arrays), converted to a table or a file."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

TAKEN = "a DataFrame, a pyarrow Table or a dict of columns"
_ROW_GROUP = 1 << 17  # rows per task


def is_frame(value: Any) -> bool:
    """Whether a value holds rows with named columns, in contrast to a path."""
    return isinstance(value, dict) or hasattr(value, "iloc") or hasattr(value, "__arrow_c_stream__")


def to_table(value: Any) -> "pa.Table":
    """Convert rows to an Arrow table with the contents that a csv or Parquet file of them would have.

    Args:
        value: a pandas DataFrame or Series, a Polars DataFrame or another object with Arrow's stream interface, or a
            dict of columns. A pandas index becomes a column if it has a name or holds times. pandas columns of mixed
            types become text, categories become their values, and periods become their start times.

    Raises:
        UsageError: unsupported type, columns of different lengths, or two columns of the same name.
    """
    import pyarrow as pa

    if hasattr(value, "iloc"):
        columns = _of_pandas(value if hasattr(value, "columns") else value.to_frame(value.name or "value"))
    elif isinstance(value, dict):
        columns = [(str(name), _array(name, column)) for name, column in value.items()]
    elif hasattr(value, "__arrow_c_stream__"):
        given = pa.table(value)
        columns = list(zip(given.column_names, given.columns, strict=True))
    else:
        raise UsageError(f"rows are {TAKEN}, received {type(value).__name__}")
    names = [name for name, _ in columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UsageError(f"the frame has two columns named {repeated[0]!r}: rename one")
    if len({len(column) for _, column in columns}) > 1:
        lengths = ", ".join(f"{name} {len(column):,}" for name, column in columns[:5])
        raise UsageError(f"the columns of the frame have different lengths: {lengths}")
    return pa.table({name: _storable(column) for name, column in columns})


def to_file(value: Any, folder: Path) -> Path:
    """Write rows, as for `to_table`, to a Parquet file named after a digest of its contents, and return its path.

    An existing file is reused.
    """
    import pyarrow as pa
    import pyarrow.parquet

    from raysq.storage.atomic import atomic_write

    table = to_table(value)
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(table.replace_schema_metadata(None), sink, row_group_size=_ROW_GROUP)
    data = sink.getvalue()
    path = folder / f"frame-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
    if not path.exists():
        with atomic_write(path) as partial:
            partial.write_bytes(data)
    return path


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
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        # A column that mixes numbers and text becomes text, as in a csv file.
        return pa.array([None if pd.api.types.is_scalar(value) and pd.isna(value) else str(value) for value in column])


def _array(name: Any, column: Any) -> "pa.Array | pa.ChunkedArray":
    import pyarrow as pa

    try:
        array = column if isinstance(column, (pa.Array, pa.ChunkedArray)) else pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"column {str(name)!r} of the frame is no column of one type: {reason}") from None
    return array


def _storable(column: "pa.Array | pa.ChunkedArray") -> "pa.Array | pa.ChunkedArray":
    """Convert a column to a type without dictionaries, views and extensions, which files do not have either."""
    import pyarrow as pa

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string_view(kind):
        kind = pa.large_string()
    if pa.types.is_null(kind):
        kind = pa.string()
    return column if kind == column.type else column.cast(kind)
