"""Raw rows for predictions: the input columns of a run, each of one type."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.config import join_names
from raysq.errors import DataError, UsageError
from raysq.problems.arrays import cells
from raysq.problems.arrays.encode import dtype_of, sequences
from raysq.problems.arrays.roles import Column


def input_rows(table: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Return the input columns of raw rows, each of one type: numbers float64, categories text, tensors as lists.

    The result is the same for its own result.

    Raises:
        DataError: a column is missing, or its cells are of another kind than in the training rows.
    """
    missing = [column["name"] for column in columns if column["name"] not in table.column_names]
    if missing:
        raise DataError(
            f"the rows lack column{'s' * (len(missing) > 1)} {join_names([repr(name) for name in missing])}; "
            f"there are {join_names(table.column_names)}"
        )
    return pa.table({column["name"]: _input_column(table.column(column["name"]), column) for column in columns})


def array_rows(array: Any, columns: Sequence[Column]) -> pa.Table:
    """Return the raw rows of an array given in Python, for runs whose only input is a tensor or numbers.

    Args:
        array: tensors of shape (n, *shape), or numbers of shape (n, columns) in the order of the training data.
        columns: input columns of the run.

    Raises:
        UsageError: the run has other inputs, or the array has another shape.
    """
    values = np.asarray(array)
    kinds = {column["kind"] for column in columns}
    if kinds == {"tensor"} and len(columns) == 1:
        shape = tuple(columns[0]["shape"])
        if values.shape[1:] == shape and values.dtype.kind in "biuf":
            flat = pa.array(_tensor_numbers(np.ascontiguousarray(values).reshape(-1), columns[0]))
            return pa.table({columns[0]["name"]: pa.FixedSizeListArray.from_arrays(flat, int(np.prod(shape)))})
        wanted = f"(n, {', '.join(map(str, shape))})"
    elif kinds == {"number"}:
        if values.ndim == 2 and values.shape[1] == len(columns) and values.dtype.kind in "biuf":
            return pa.table({column["name"]: values[:, number] for number, column in enumerate(columns)})
        wanted = f"(n, {len(columns)})"
    else:
        names = join_names([column["name"] for column in columns])
        raise UsageError(f"the run takes columns of several kinds: give a dict of arrays or a table with {names}")
    raise UsageError(f"the run takes numbers of shape {wanted}, received shape {values.shape} of {values.dtype}")


def _input_column(values: pa.ChunkedArray, column: Column) -> pa.Array:
    kind, array = cells.convert(values, text=column["kind"] == "category")
    if column["kind"] == "category":
        if kind in ("text", "empty"):
            return array.cast(pa.large_string())
    elif column["kind"] == "number":
        if kind in ("number", "boolean", "text", "time", "empty"):
            if not column.get("time") and (kind == "time" or (kind == "text" and cells.is_time(array.dictionary))):
                raise DataError(f"column {column['name']!r} holds times, and the training rows have numbers")
            numbers = cells.numbers_of(array)
            odd = np.flatnonzero(np.isnan(numbers) & array.is_valid().to_numpy(zero_copy_only=False))
            if len(odd):
                raise DataError(f"column {column['name']!r} holds {array[int(odd[0])].as_py()!r}, which is no number")
            return pa.array(numbers, from_pandas=True)
    elif column["kind"] == "sequence":
        if kind == "empty" or (kind == "list" and pa.types.is_integer(array.type.value_type)):
            return sequences(array, unknown=-1)
    elif kind in ("tensor", "list") and not array.null_count:
        size = int(np.prod(column["shape"]))
        flat = array
        while pa.types.is_fixed_size_list(flat.type) or pa.types.is_large_list(flat.type):
            flat = flat.flatten()
        even = kind == "tensor" or bool((np.diff(array.offsets.to_numpy()) == size).all())
        if even and len(flat) == size * len(array):
            numbers = _tensor_numbers(flat.to_numpy(zero_copy_only=False), column)
            return pa.FixedSizeListArray.from_arrays(pa.array(numbers), size)
    wanted = {"category": "text or numbers", "number": "numbers", "sequence": "lists of ids"}
    raise DataError(
        f"column {column['name']!r} holds {values.type}, and the run takes "
        + wanted.get(column["kind"], f"tensors of shape {tuple(column['shape'])}, one in each row")
    )


def _tensor_numbers(numbers: np.ndarray, column: Column) -> np.ndarray:
    """Return the numbers of tensors in the type of the training rows, or raise DataError if it does not hold them."""
    dtype = dtype_of(column)
    with np.errstate(invalid="ignore"):
        converted = numbers.astype(dtype)
    # NaN is no number of an integer type, and no training row has it.
    changed = converted != numbers if dtype.kind in "iu" else ~np.isfinite(converted)
    if changed.any():
        raise DataError(
            f"column {column['name']!r} holds the number {numbers[np.argmax(changed)]}, and the training rows have "
            + (f"whole numbers of type {dtype}" if dtype.kind in "iu" else "finite numbers only")
        )
    return converted
