"""Parquet files: opening, and validation of text, which Arrow's reader omits."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from raysq.data.readers.files import check_file, damages
from raysq.errors import DataError


@contextlib.contextmanager
def open_parquet(path: Path | str) -> Iterator[pa.parquet.ParquetFile]:
    """Open a Parquet file.

    Raises:
        SourceError: the file is missing or cannot be read.
        DataError: the file is not a Parquet file, or is damaged, also if this is noticed during reading.
    """
    path = Path(path)
    check_file(path)
    with damages(path):
        try:
            file = pa.parquet.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise DataError(f"{path.name} is not a readable Parquet file: {str(error).splitlines()[0]}") from None
        with file:
            yield file


def replaced_text(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Replace bytes that are not UTF-8 by replacement characters. Columns other than text are returned unchanged."""
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return values
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        raw = values.cast(pa.large_binary()).to_pylist()
        return pa.array([None if text is None else text.decode("utf-8", "replace") for text in raw], values.type)
    return values


def check_text(table: pa.Table, name: str) -> None:
    """Raise a `DataError` that names file and column unless all text of a table is UTF-8."""
    for column in table.column_names:
        try:
            table.column(column).validate(full=True)
        except pa.ArrowInvalid:
            raise DataError(
                f"{name}: column {column!r} holds text that is not UTF-8, as such files have; write the file again"
            ) from None
