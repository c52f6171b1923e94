"""Encode converted cells as the columns of a data set: narrow numbers, codes of categories, part and key."""

import itertools
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.columns import contiguous_array
from raysq.data.partition_stats import ChunkRecord, Slice
from raysq.data.parts import PARTS
from raysq.errors import DataError
from raysq.problems.arrays.cells import matrix, numbers_of
from raysq.problems.arrays.roles import Column
from raysq.problems.arrays.statistics import ColumnStats

INPUT, TARGET = "x:", "y:"  # before the names of columns, so that none is called `part`, `key` or `weight`
PART = "raysq:part"  # column of the part that a file says, in rows that wait on disk
MOST_VALUES = {"category": 100_000, "class": 1000}
_DTYPES = {
    **{name: np.dtype(name) for bits in (8, 16, 32, 64) for name in (f"int{bits}", f"uint{bits}")},
    "halffloat": np.dtype("f2"),
    "float": np.dtype("f4"),
    "double": np.dtype("f8"),
}
_ABSENT = np.float64("nan").view(np.uint64)  # checksum of a missing cell, whatever its column has elsewhere
_PRIME = np.uint64(0x9E3779B97F4A7C15)


def stored_name(column: Column) -> str:
    """Return the name of a column in the shards."""
    return (TARGET if column["target"] else INPUT) + column["name"]


def dtype_of(column: Column) -> np.dtype:
    """Return NumPy's type of the stored numbers of a column.

    Raises:
        DataError: the column has no numbers, in a file that was changed.
    """
    if column["type"] not in _DTYPES:
        raise DataError(f"column {column['name']!r} has numbers of the unknown type {column['type']!r}")
    return _DTYPES[column["type"]]


def values_of(column: Column, stats: ColumnStats, records: Sequence[ChunkRecord]) -> list[str]:
    """Return the different values of a column of categories or classes, sorted as numbers if all are.

    Raises:
        DataError: there are too many.
    """
    if stats.kind == "boolean":
        return ["false", "true"]
    if column["whole"]:
        return [f"{value:.15g}" for value in stats.distinct or ()]
    found: set[str] = set()
    for record in records:
        array = contiguous_array(record.read().column(column["name"])) if record.rows else pa.nulls(0)
        if pa.types.is_dictionary(array.type):
            found.update(array.dictionary.to_pylist())
        most = MOST_VALUES[column["kind"]]
        if len(found) > most:
            noun = "categories" if column["kind"] == "category" else "classes"
            raise DataError(f"column {column['name']!r} has more than {most:,} different values, the most of {noun}")
    try:
        return sorted(found, key=lambda text: (float(text), text))
    except ValueError:
        return sorted(found)


@dataclass(frozen=True)
class Encode:
    """Encode rows that wait on disk. Runs on workers.

    Attributes:
        columns: inputs and targets.
        values: values of each column of categories or classes.
        group: column whose equal values get equal keys; None for keys of the inputs.
        split_column: column of the parts, or None.
        weight: column of the weights, or None.
        test: share of the rows to draw for the test part if no part is given.
    """

    columns: Sequence[Column]
    values: Mapping[str, Sequence[str]]
    group: str | None
    split_column: str | None
    weight: str | None
    test: float

    def __call__(self, slices: list[Slice]) -> pa.Table:
        return pa.concat_tables([self.table(part.read()) for part in slices])

    def table(self, rows: pa.Table) -> pa.Table:
        """Return the stored columns of converted rows."""
        arrays = {name: contiguous_array(rows.column(name)) for name in rows.column_names}
        stored = {stored_name(column): self._stored(column, arrays[column["name"]]) for column in self.columns}
        inputs = [column["name"] for column in self.columns if not column["target"]]
        key = row_keys([arrays[self.group]] if self.group else [arrays[name] for name in inputs])
        part = part_of_rows(rows, self.split_column)
        drawn = (key < self.test * 2.0**32).astype(np.int8)
        stored["part"] = pa.array(np.where(part >= 0, part, drawn).astype(np.int8))
        stored["key"] = pa.array(key)
        if self.weight:
            stored["weight"] = pa.array(numbers_of(arrays[self.weight]).astype(np.float32))
        return pa.table(stored)

    def _stored(self, column: Column, array: pa.Array) -> pa.Array:
        if column["kind"] in ("category", "class"):
            codes = codes_of(array, self.values[column["name"]], whole=column["whole"])
            return pa.array(codes.astype(code_type(len(self.values[column["name"]]))))
        if column["kind"] == "sequence":
            return sequences(array)
        if column["shape"]:
            return _tensors(array, column)
        return pa.array(numbers_of(array).astype(dtype_of(column)))


def code_type(values: int) -> np.dtype:
    """Return the narrowest type of the codes from 0, which stands for a missing value, to the number of values."""
    return np.dtype("i1" if values < 128 else "i2" if values < 1 << 15 else "i4")


def codes_of(array: pa.Array, values: Sequence[str], *, whole: bool = False) -> np.ndarray:
    """Return the code of each cell: 0 if it is missing, 1 for the first value, and -1 for a value that is none of them.

    Args:
        array: converted column.
        values: the values.
        whole: whether the values are numbers.
    """
    if pa.types.is_null(array.type):
        return np.zeros(len(array), np.int64)
    if whole:
        numbers = numbers_of(array)
        found = pc.index_in(pa.array(numbers), value_set=pa.array([float(value) for value in values], pa.float64()))
        codes = found.fill_null(-2).to_numpy(zero_copy_only=False).astype(np.int64) + 1
        return np.where(np.isnan(numbers), 0, codes)
    if not pa.types.is_dictionary(array.type):
        array = array.cast(pa.large_string()).dictionary_encode()
    wanted = pa.array(values, array.dictionary.type)
    known = pc.index_in(array.dictionary, value_set=wanted).fill_null(-2).to_numpy(zero_copy_only=False) + 1
    codes = array.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
    return np.asarray(np.append(known, 0)[codes], np.int64)


def sequences(array: pa.Array, unknown: int | None = None) -> pa.Array:
    """Return lists of ids as large lists of int32, empty for missing ones.

    Args:
        array: lists of whole numbers.
        unknown: what stands for missing numbers and for those beyond int32; None where there are none.
    """
    if pa.types.is_null(array.type):
        return pa.array([[]] * len(array), pa.large_list(pa.int32()))
    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = array.flatten()
    if unknown is not None:
        ids = ids.cast(pa.int64(), safe=False)
        known = pc.and_(pc.greater_equal(ids, 0), pc.less_equal(ids, np.iinfo(np.int32).max))
        ids = pc.if_else(known.fill_null(False), ids, pa.scalar(unknown, ids.type))
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), ids.cast(pa.int32()))


def row_keys(arrays: Sequence[pa.Array]) -> np.ndarray:
    """Return a checksum of the cells of each row, uint32. Equal cells give equal keys, whatever their types."""
    return np.asarray(row_checksums(arrays) >> np.uint64(32), np.uint32)


def row_checksums(arrays: Sequence[pa.Array]) -> np.ndarray:
    """Return a checksum of the cells of each row, uint64, whose upper half is the key of the row."""
    total = np.full(len(arrays[0]), _PRIME, np.uint64)
    with np.errstate(over="ignore"):
        for array in arrays:
            total = (total ^ _checksums(array)) * _PRIME
            total ^= total >> np.uint64(29)
        total *= _PRIME
    return total


def _checksums(array: pa.Array) -> np.ndarray:
    """Return an integer for each cell of a column, uint64."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        texts = [zlib.crc32(text.encode()) for text in array.dictionary.to_pylist()]
        codes = array.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
        return np.asarray(np.array([*texts, _ABSENT], np.uint64)[codes])
    if pa.types.is_fixed_size_list(kind):
        return np.array([zlib.crc32(np.ascontiguousarray(row).data) for row in matrix(array)], np.uint64)
    if pa.types.is_large_list(kind):
        lists = sequences(array) if pa.types.is_integer(kind.value_type) else array
        values, offsets = np.ascontiguousarray(lists.values.to_numpy(zero_copy_only=False)), lists.offsets.to_pylist()
        parts = itertools.pairwise(offsets)
        checksums = np.array([zlib.crc32(values[begin:end].data) for begin, end in parts], np.uint64)
        return np.where(array.is_valid().to_numpy(zero_copy_only=False), checksums, _ABSENT)
    numbers = numbers_of(array) + 0.0  # -0 and 0 are equal
    return np.where(np.isnan(numbers), _ABSENT, numbers.view(np.uint64))


def part_of_rows(rows: pa.Table, split_column: str | None) -> np.ndarray:
    """Return the part that the source says of each row, -1 where it says none, int8.

    Args:
        rows: converted rows. Those of the source that validates may lack the split column.
        split_column: column of the parts, whose values were checked, or None.
    """
    part = np.asarray(contiguous_array(rows.column(PART)).to_numpy(), np.int8)
    if split_column is None or split_column not in rows.column_names:
        return part
    array = contiguous_array(rows.column(split_column))
    if pa.types.is_null(array.type):
        return part
    parts = np.array([PARTS[text.lower()] for text in array.dictionary.to_pylist()], np.int8)
    said = np.append(parts, np.int8(-1))[array.indices.fill_null(len(parts)).to_numpy(zero_copy_only=False)]
    return np.where(part >= 0, part, said).astype(np.int8)


def _tensors(array: pa.Array, column: Column) -> pa.Array:
    values = matrix(array).astype(dtype_of(column))
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])
