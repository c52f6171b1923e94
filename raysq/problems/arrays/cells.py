"""Cells of a column, converted to one of a few kinds, whatever the file format and its types."""

import json
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.columns import contiguous_array
from raysq.data.readers.tables import MISSING

Kind = Literal["empty", "number", "boolean", "text", "time", "tensor", "list", "other"]

EMPTY = pa.array([*MISSING, "?"])
_BOOLEANS = 6  # spellings of true and false


def convert(column: pa.ChunkedArray, *, text: bool = False) -> tuple[Kind, pa.Array]:
    """Convert a column.

    Args:
        column: column of a csv or Parquet file or of a table in memory.
        text: whether to keep text that holds numbers, and to convert numbers, booleans and times to text, for
            categories.

    Returns:
        The kind, and its array: "number" int64 or float64, "boolean" bool, "text" a dictionary of strings without
        surrounding spaces, "time" seconds since 1970 as float64, "tensor" fixed-size lists of numbers (the shape
        of nested ones is that of `shape_of`), "list" large lists of numbers. "empty" and "other" are not converted.
        Missing values are null, NaN among them.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        kind = kind.storage_type
    array = contiguous_array(column)
    if pa.types.is_dictionary(kind):
        array = array.cast(kind.value_type)
        kind = kind.value_type
    if pa.types.is_null(kind) or array.null_count == len(array):
        return "empty", pa.nulls(len(array))
    if pa.types.is_string_view(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _texts(array.cast(pa.large_string()), typed=not text)
    if pa.types.is_boolean(kind):
        return _texts(array.cast(pa.large_string())) if text else ("boolean", array)
    if text and pa.types.is_integer(kind):
        return _texts(array.cast(pa.large_string()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        array = _numbers(array)
        if array.null_count == len(array):
            return "empty", pa.nulls(len(array))
        return _texts(_number_texts(array)) if text else ("number", array)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        if text:
            return _texts(array.cast(pa.large_string()))
        times = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return "time", pc.divide(wide(times), 1e6)
    return _lists(array, kind)


def _lists(array: pa.Array, kind: pa.DataType) -> tuple[Kind, pa.Array]:
    inner = kind
    while pa.types.is_fixed_size_list(inner):
        inner = inner.value_type
    if inner is not kind and _is_number(inner):
        return "tensor", array
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_number(kind.value_type):
        return "list", array.cast(pa.large_list(kind.value_type))
    return "other", array


def shape_of(kind: pa.DataType) -> tuple[int, ...]:
    """Return the shape of the tensors of a column: that of Arrow's tensor type, or of nested fixed-size lists."""
    if isinstance(kind, pa.FixedShapeTensorType):
        return tuple(kind.shape)
    shape: list[int] = []
    while pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size)
        kind = kind.value_type
    return tuple(shape)


def matrix(array: pa.Array) -> np.ndarray:
    """Return tensors without missing ones as an array of shape (rows, numbers of a tensor)."""
    rows = len(array)
    while pa.types.is_fixed_size_list(array.type) or pa.types.is_large_list(array.type):
        array = array.flatten()
    return np.asarray(array.to_numpy(zero_copy_only=False)).reshape(rows, -1)


def numbers_of(array: pa.Array) -> np.ndarray:
    """Return numbers, times, booleans, or texts that are numbers, as float64 with NaN for missing values.

    Texts that are neither numbers nor times are NaN as well.
    """
    if pa.types.is_null(array.type):
        return np.full(len(array), np.nan)
    if pa.types.is_dictionary(array.type):
        values = parsed(array.dictionary)
        codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return np.where(codes >= 0, np.append(values, np.nan)[codes], np.nan)
    return np.asarray(wide(array).to_numpy(zero_copy_only=False), np.float64)


def wide(array: pa.Array) -> pa.Array:
    """Return numbers or booleans as float64. Whole numbers beyond 2^53 are rounded."""
    return array.cast(pa.float64(), safe=not pa.types.is_integer(array.type))


def parsed(texts: pa.Array) -> np.ndarray:
    """Return texts as numbers, float64: numbers as they are, times as seconds since 1970, others NaN."""
    try:
        return np.asarray(texts.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    except pa.ArrowInvalid:
        pass
    try:
        times = texts.cast(pa.timestamp("us")).cast(pa.int64())
        return np.asarray(times.to_numpy(zero_copy_only=False), np.float64) / 1e6
    except pa.ArrowInvalid:
        return np.array([_number(text) for text in texts.to_pylist()], np.float64)


def odd_text(texts: pa.Array) -> str | None:
    """Return the first text that is no number, or None if all are."""
    return next((text for text in texts.to_pylist() if np.isnan(_number(text))), None)


def is_time(texts: pa.Array) -> bool:
    """Whether all texts are dates or times of ISO 8601."""
    try:
        texts.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return False
    return len(texts) > 0


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _numbers(array: pa.Array) -> pa.Array:
    if pa.types.is_integer(array.type) and not pa.types.is_uint64(array.type):
        return array.cast(pa.int64())
    array = wide(array)
    return pc.if_else(pc.is_nan(array), pa.scalar(None, pa.float64()), array)


def _number_texts(array: pa.Array) -> pa.Array:
    """Return numbers as text, whole ones without a decimal point."""
    if pa.types.is_floating(array.type):
        try:
            array = array.cast(pa.int64())
        except pa.ArrowInvalid:
            return pa.array([None if value is None else f"{value:.15g}" for value in array.to_pylist()], "large_string")
    return array.cast(pa.large_string())


def _texts(array: pa.Array, *, typed: bool = False) -> tuple[Kind, pa.Array]:
    """Return texts as a dictionary, those that stand for a missing value as null.

    Args:
        array: large strings.
        typed: whether to return numbers, booleans or lists of numbers if all texts are such. All cells of a csv are
            text where a block has a column of text, and so are the lists of a file of JSON.
    """
    array = pc.utf8_trim_whitespace(array)
    array = pc.if_else(pc.is_in(array, value_set=EMPTY.cast(array.type)), pa.scalar(None, array.type), array)
    if array.null_count == len(array):
        return "empty", pa.nulls(len(array))
    if not typed:
        return "text", array.dictionary_encode()
    try:
        return "number", array.cast(pa.float64())
    except pa.ArrowInvalid:
        encoded = array.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    if len(values) <= _BOOLEANS and {value.lower() for value in values} <= {"true", "false"}:
        return "boolean", pa.array([value.lower() == "true" for value in values]).take(encoded.indices)
    lists = _parsed_lists(values)
    return ("text", encoded) if lists is None else ("list", lists.take(encoded.indices))


def _parsed_lists(texts: list[str]) -> pa.Array | None:
    """Return texts such as "[1, 2]" as lists of numbers, or None if any text is something else."""
    if not all(text.startswith("[") and text.endswith("]") for text in texts):
        return None
    try:
        lists = [json.loads(text) for text in texts]
    except ValueError:
        return None
    kinds = {type(value) for values in lists for value in values}
    if kinds - {int, float}:
        return None
    try:
        return pa.array(lists, pa.large_list(pa.float64() if float in kinds else pa.int64()))
    except (pa.ArrowInvalid, OverflowError):  # a whole number beyond 64 bits
        return None
