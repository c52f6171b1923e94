"""Columns of values given in Python: arrays of several dimensions become columns of fixed-shape tensors."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import UsageError


def column(name: str, values: Any) -> "pa.Array | pa.ChunkedArray":
    """Convert the values of a column, one for each row, to an Arrow array.

    Args:
        name: name of the column, for errors.
        values: an Arrow array, an array with rows in its first dimension, or a sequence of numbers, texts, bytes, lists
            or arrays. Arrays of one shape become fixed-shape tensors. Bytes that are UTF-8 become text.

    Raises:
        UsageError: the values have no common type, or are arrays of different shapes with several dimensions.
    """
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    try:
        if hasattr(values, "__array__") and not hasattr(values, "iloc"):
            return _of_array(name, np.asarray(values))
        first: Any = (
            next((value for value in values if value is not None), None) if isinstance(values, Sequence) else None
        )
        if hasattr(first, "__array__") and np.ndim(first):
            return _of_arrays(name, values)
        array = pa.array(values, from_pandas=True)
        if pa.types.is_timestamp(array.type) and isinstance(values, Sequence):
            _check_zones(name, values)
        return text_of_bytes(array)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"column {name!r} of the frame is no column of one type: {reason}") from None


def _check_zones(name: str, values: Sequence[Any]) -> None:
    """Raise UsageError for times of which some have a time zone: Arrow would take the others for UTC."""
    times = (value for value in values if isinstance(value, datetime.datetime) and value == value)  # without NaT
    if len({value.tzinfo is None for value in times}) > 1:
        raise UsageError(f"column {name!r} of the frame has times with and without a time zone: give all one, or none")


def storable(values: "pa.Array | pa.ChunkedArray") -> "pa.Array | pa.ChunkedArray":
    """Convert a column to a type without dictionaries, views and extensions except fixed-shape tensors.

    Tensors of other libraries become fixed-shape tensors.
    """
    kind = values.type
    if isinstance(kind, pa.FixedShapeTensorType) and kind.permutation in (None, list(range(len(kind.shape)))):
        return values
    if isinstance(kind, pa.BaseExtensionType):
        tensors = _of_extension(values)
        if tensors is not None:
            return tensors
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        return storable(_decoded(values))
    if pa.types.is_string_view(kind):
        kind = pa.large_string()
    if pa.types.is_binary_view(kind):
        kind = pa.large_binary()
    if pa.types.is_null(kind):
        kind = pa.string()
    return values if kind == values.type else values.cast(kind)


def _decoded(values: "pa.Array | pa.ChunkedArray") -> pa.ChunkedArray:
    """Replace the codes of a dictionary by its values. Arrow has no cast where these are views, as in Polars."""
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    decoded = [storable(chunk.dictionary).take(chunk.indices) for chunk in chunks]
    return pa.chunked_array(decoded, None if decoded else storable(pa.array([], values.type.value_type)).type)


def text_of_bytes(values: "pa.Array") -> "pa.Array":
    """Return bytes as text if all of them are UTF-8, else unchanged. TensorFlow has no other type of text."""
    if not pa.types.is_binary(values.type):
        return values
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        return values


def _of_array(name: str, array: np.ndarray) -> pa.Array:
    """Convert an array whose first dimension is that of the rows."""
    if array.ndim == 0:
        raise UsageError(f"column {name!r} of the frame is one value, {array.item()!r}: give one for each row")
    if array.ndim == 1:
        values: Any = array.tolist() if array.dtype == object else array
        arrays = array.dtype == object and any(hasattr(value, "__array__") and np.ndim(value) for value in values)
        return _of_arrays(name, values) if arrays else text_of_bytes(pa.array(values, from_pandas=True))
    if array.dtype.kind not in "biuf":
        return text_of_nested(pa.array(array.tolist()))
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(array.dtype), array.shape[1:])
    flat = pa.array(np.ascontiguousarray(array).reshape(-1))
    size = int(np.prod(array.shape[1:]))
    storage = pa.FixedSizeListArray.from_arrays(flat, size)
    return pa.ExtensionArray.from_storage(kind, storage)


def text_of_nested(values: pa.Array) -> pa.Array:
    """Return lists of bytes as lists of text if all of them are UTF-8, else unchanged."""
    kind, depth = values.type, 0
    while pa.types.is_list(kind):
        kind, depth = kind.value_type, depth + 1
    if not pa.types.is_binary(kind):
        return values
    kind = pa.string()
    for _ in range(depth):
        kind = pa.list_(kind)
    try:
        return values.cast(kind)
    except pa.ArrowInvalid:
        return values


def _of_arrays(name: str, values: Sequence[Any]) -> pa.Array:
    """Convert one array for each row: tensors if all have the same shape, else lists of one dimension."""
    arrays = [None if value is None else np.asarray(value) for value in values]
    shapes = sorted({array.shape for array in arrays if array is not None})
    if len(shapes) == 1 and all(array is not None for array in arrays):
        return _of_array(name, np.stack(arrays))  # type: ignore[arg-type]
    if max(map(len, shapes)) > 1:
        shown = " and ".join(map(str, shapes[:3])) if len(shapes) > 1 else "None and arrays"
        raise UsageError(
            f"column {name!r} of the frame holds arrays of the shapes {shown}: bring them to one shape, or give lists"
        )
    return text_of_nested(pa.array(arrays))


def _of_extension(values: "pa.Array | pa.ChunkedArray") -> "pa.Array | None":
    """Convert tensors of Arrow, Ray or Hugging Face to Arrow's fixed-shape tensors; None for other extensions."""
    kind = values.type
    shape = getattr(kind, "shape", None)
    if shape is None or values.null_count or None in tuple(shape):
        return None
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(kind, pa.FixedShapeTensorType):  # its dimensions are stored in another order
        return _of_array("", values.to_numpy_ndarray())
    flat = values.storage
    while pa.types.is_list(flat.type) or pa.types.is_large_list(flat.type) or pa.types.is_fixed_size_list(flat.type):
        flat = flat.flatten()
    size = int(np.prod(shape))
    if len(flat) != size * len(values) or flat.null_count:
        return None
    return pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(flat.type, tuple(shape)), pa.FixedSizeListArray.from_arrays(flat, size)
    )


def is_batch(row: Mapping[str, Any]) -> bool:
    """Whether a dict holds columns, in contrast to one row: all its values have the same number of elements.

    A dict of which any value is a single number or text is a row.
    """
    lengths = {_length(value) for value in row.values()}
    return len(lengths) == 1 and None not in lengths


def _length(value: Any) -> int | None:
    if isinstance(value, (str, bytes, Mapping)):
        return None
    if hasattr(value, "__array__") and not hasattr(value, "iloc"):
        return int(np.shape(value)[0]) if np.ndim(value) else None
    return len(value) if hasattr(value, "__len__") else None
