"""Rows that are given in Python: pandas, Polars, Arrow, or a dict of arrays, as a table or as a file."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

TAKEN = "a DataFrame, a pyarrow Table or a dict of columns"
_ROW_GROUP = 1 << 17  # rows that one task reads


def is_frame(value: Any) -> bool:
    """Whether a value is rows with named columns, and no path."""
    return isinstance(value, dict) or hasattr(value, "iloc") or hasattr(value, "__arrow_c_stream__")


def to_table(value: Any) -> "pa.Table":
    """Rows as an Arrow table, with what a csv or Parquet file of them would hold.

    Args:
        value: a DataFrame or Series of pandas, whose index is a column if it has a name or tells the time; a DataFrame
            of Polars, or anything else that speaks Arrow's stream interface; or a dict of columns. Columns of pandas
            that mix types become text, categories what they stand for, periods the moments at which they begin.

    Raises:
        UsageError: not of these, columns of different lengths, or two of the same name.
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
    again = sorted({name for name in names if names.count(name) > 1})
    if again:
        raise UsageError(f"the frame has two columns named {again[0]!r}: rename one")
    if len({len(column) for _, column in columns}) > 1:
        lengths = ", ".join(f"{name} {len(column):,}" for name, column in columns[:5])
        raise UsageError(f"the columns of the frame have different lengths: {lengths}")
    return pa.table({name: _plain(column) for name, column in columns})


def to_file(value: Any, folder: Path) -> Path:
    """Rows as a Parquet file, which is written once and named after what it holds.

    Args:
        value: as for `to_table`.
        folder: that keeps such files.

    Raises:
        UsageError: as for `to_table`.
        SourceError: the folder cannot be written.
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
    """The columns of a pandas DataFrame, those of its index first where they say something."""
    import pandas as pd

    levels = [frame.index.get_level_values(number) for number in range(frame.index.nlevels)]
    told = [
        level for level in levels if level.name is not None or isinstance(level, (pd.DatetimeIndex, pd.PeriodIndex))
    ]
    there = {str(name) for name in frame.columns}
    columns = [(str("time" if level.name is None else level.name), level.to_series()) for level in told]
    columns = [(name, column) for name, column in columns if name not in there]
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
        # Numbers and text side by side, as in a csv.
        return pa.array([None if pd.api.types.is_scalar(one) and pd.isna(one) else str(one) for one in column])


def _array(name: Any, column: Any) -> "pa.Array | pa.ChunkedArray":
    import pyarrow as pa

    try:
        found = column if isinstance(column, (pa.Array, pa.ChunkedArray)) else pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError) as error:
        said = str(error).splitlines()[0]
        raise UsageError(f"column {str(name)!r} of the frame is no column of one type: {said}") from None
    return found


def _plain(column: "pa.Array | pa.ChunkedArray") -> "pa.Array | pa.ChunkedArray":
    """A column without dictionaries, views and extension types, which files do not bring."""
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
