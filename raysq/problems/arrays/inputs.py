"""Inputs of a model, made from stored columns or from raw rows: numbers, ids of categories, tensors, lists of ids."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data.columns import Ragged, contiguous_array, validate_range
from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems.arrays import cells
from raysq.problems.arrays.encode import codes_of, dtype_of
from raysq.problems.arrays.metadata import Number
from raysq.problems.arrays.roles import Column

NUMBERS = "numbers"  # name of the input that holds all columns of numbers
UNKNOWN, ABSENT, FIRST = 0, 1, 2  # ids of a category: unknown, missing, and of the first value


class Input(ABC):
    """Input of a model.

    Attributes:
        name: name of the input.
        shape: shape without the batch dimension.
        dtype: type of the batch.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @abstractmethod
    def of_dataset(self, dataset: Dataset) -> "Stored":
        """Return the input's stored values of a data set."""

    @abstractmethod
    def of_rows(self, rows: pa.Table) -> np.ndarray:
        """Return the stored values of raw rows; see `raysq.problems.arrays.raw_rows.input_rows`."""

    def batch(self, values: Any) -> Any:
        """Return the values of a batch in the shape and the type that a model takes."""
        return values

    def unknown(self, rows: pa.Table) -> dict[str, np.ndarray]:
        """Return a mask by message of the raw rows that have something that no training row has."""
        return {}


class Stored(ABC):
    """Values of an input in a data set, read row by row.

    Attributes:
        row_bytes: bytes of a row.
    """

    row_bytes: int

    @abstractmethod
    def take(self, rows: Any) -> np.ndarray:
        """Return the values of the given rows."""


@dataclass(frozen=True)
class Numbers(Input):
    """All columns of numbers as one input, normalized by mean and deviation of the training rows.

    A missing number is the mean. If training rows have missing ones, a further feature is 1 where it is missing.
    """

    name: str
    columns: Sequence[Number]

    dtype = "float32"

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        missing = [f"{column['name']} missing" for column in self.columns if column["indicator"]]
        return (*(column["name"] for column in self.columns), *missing)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (len(self.features),)

    def normalized(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return the features of rows, float32 of shape (rows, features).

        Args:
            values: numbers of each column, NaN for missing ones.
        """
        out = np.empty((len(values[0]), self.shape[0]), np.float32)
        indicator = len(self.columns)
        for number, (column, cell) in enumerate(zip(self.columns, values, strict=True)):
            scaled = (cell.astype(np.float64) - column["mean"]) / column["deviation"]
            missing = np.isnan(scaled)
            out[:, number] = np.where(missing, 0.0, scaled)
            if column["indicator"]:
                out[:, indicator] = missing
                indicator += 1
        return out

    def of_dataset(self, dataset: Dataset) -> Stored:
        return _StoredNumbers(self, [dataset.column(f"x:{column['name']}") for column in self.columns])

    def of_rows(self, rows: pa.Table) -> np.ndarray:
        values = [_numbers(rows, column["name"]) for column in self.columns]
        with np.errstate(over="ignore"):
            features = self.normalized(values)
        # No training row has such numbers: any answer to them would be wrong without a word.
        odd, numbers = np.nonzero(~np.isfinite(features[:, : len(values)]))
        if len(odd):
            name, value = self.columns[numbers[0]]["name"], values[numbers[0]][odd[0]]
            raise DataError(f"column {name!r} holds {value:g}, which is too large a number")
        return features

    def unknown(self, rows: pa.Table) -> dict[str, np.ndarray]:
        names = [column["name"] for column in self.columns if not column["indicator"]]
        return {never_missing(name): np.isnan(_numbers(rows, name)) for name in names}


class _StoredNumbers(Stored):
    def __init__(self, input: Numbers, columns: Sequence[Any]):
        self._input, self._columns = input, columns
        self.row_bytes = 4 * input.shape[0]

    def take(self, rows: Any) -> np.ndarray:
        return self._input.normalized([column.take(rows) for column in self._columns])


@dataclass(frozen=True)
class Category(Input):
    """Column of categories as ids: 0 for a value that the training rows lack, 1 for a missing one, then the values.

    Attributes:
        missing: whether the data set has missing ones.
    """

    name: str
    column: str
    values: Sequence[str]
    missing: bool

    shape = (1,)
    dtype = "int32"

    @property
    def count(self) -> int:
        """Number of ids."""
        return len(self.values) + FIRST

    def of_dataset(self, dataset: Dataset) -> Stored:
        index = {value: number for number, value in enumerate(self.values, FIRST)}
        all_values = stored_values(dataset)[self.column]
        ids = np.array([ABSENT, *(index.get(value, UNKNOWN) for value in all_values)], np.int32)
        return _StoredIds(dataset.column(f"x:{self.column}"), ids)

    def of_rows(self, rows: pa.Table) -> np.ndarray:
        codes = codes_of(contiguous_array(rows.column(self.column)), self.values)
        return np.where(codes < 0, UNKNOWN, codes + ABSENT).astype(np.int32)[:, None]

    def unknown(self, rows: pa.Table) -> dict[str, np.ndarray]:
        codes = codes_of(contiguous_array(rows.column(self.column)), self.values)
        unknown = {f"{self.column} has a value that training rows lack": codes < 0}
        return unknown if self.missing else {**unknown, never_missing(self.column): codes == 0}


def never_missing(column: str) -> str:
    """Return the remark on a missing cell of a column that training rows always have."""
    return f"{column} is missing, and never is in training rows"


class _StoredIds(Stored):
    row_bytes = 4

    def __init__(self, codes: Any, ids: np.ndarray):
        self._codes, self._ids = codes, ids

    def take(self, rows: Any) -> np.ndarray:
        codes = self._codes.take(rows)
        validate_range(codes, 0, len(self._ids), "code of a category")
        return np.asarray(self._ids[codes][:, None])


@dataclass(frozen=True)
class Tensor(Input):
    """Column of tensors of one shape, as they are."""

    name: str
    column: str
    size: tuple[int, ...]
    type: np.dtype

    dtype = "float32"

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.size

    def of_dataset(self, dataset: Dataset) -> Stored:
        return _StoredRows(dataset.matrix(f"x:{self.column}"), int(np.prod(self.size)) * self.type.itemsize)

    def of_rows(self, rows: pa.Table) -> np.ndarray:
        return cells.matrix(contiguous_array(rows.column(self.column))).astype(self.type)

    def batch(self, values: Any) -> Any:
        return tensor_batch(values, self.size)


class _StoredRows(Stored):
    def __init__(self, column: Any, row_bytes: int):
        self._column, self.row_bytes = column, row_bytes

    def take(self, rows: Any) -> np.ndarray:
        values: np.ndarray = self._column.take(rows)
        return values


@dataclass(frozen=True)
class Sequences(Input):
    """Column of lists of ids, cut and filled with 0 at the end to one length."""

    name: str
    column: str
    maxlen: int
    ids: int

    dtype = "int32"

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.maxlen,)

    def of_dataset(self, dataset: Dataset) -> Stored:
        return _StoredLists(dataset.ragged(f"x:{self.column}"), self.maxlen)

    def of_rows(self, rows: pa.Table) -> np.ndarray:
        lists = contiguous_array(rows.column(self.column))
        values = lists.values.to_numpy(zero_copy_only=False)
        padded = pad(values, lists.offsets.to_numpy().astype(np.int64), self.maxlen)
        return np.where((padded < 0) | (padded >= self.ids), 0, padded)

    def unknown(self, rows: pa.Table) -> dict[str, np.ndarray]:
        lists = contiguous_array(rows.column(self.column))
        values, offsets = lists.values.to_numpy(zero_copy_only=False), lists.offsets.to_numpy()
        odd = np.concatenate([[0], np.cumsum((values < 0) | (values >= self.ids))])
        return {f"{self.column} has an id of {self.ids:,} or more": odd[offsets[1:]] > odd[offsets[:-1]]}


class _StoredLists(Stored):
    def __init__(self, lists: Ragged, maxlen: int):
        self._lists, self._maxlen = lists, maxlen
        self.row_bytes = 4 * maxlen

    def take(self, rows: Any) -> np.ndarray:
        rows = np.asarray(rows).reshape(-1)
        begins = self._lists.offsets[rows]
        lengths = np.minimum(self._lists.offsets[rows + 1] - begins, self._maxlen)
        parts = [self._lists.slice(begin, begin + length) for begin, length in zip(begins, lengths, strict=True)]
        values = np.concatenate(parts) if parts else np.empty(0, np.int32)
        return pad(values, np.concatenate([[0], np.cumsum(lengths)]), self._maxlen)


def pad(values: np.ndarray, offsets: np.ndarray, maxlen: int) -> np.ndarray:
    """Return lists cut and filled with 0 at the end, int32 of shape (rows, maxlen).

    Args:
        values: numbers of all lists.
        offsets: begin of each list, and the end of the last.
        maxlen: length.
    """
    lengths = np.minimum(np.diff(offsets), maxlen)
    out = np.zeros((len(lengths), maxlen), np.int32)
    inside = np.arange(maxlen) < lengths[:, None]
    out[inside] = values[(offsets[:-1, None] + np.arange(maxlen))[inside]]
    return out


def tensor_batch(values: Any, shape: tuple[int, ...]) -> Any:
    """Return tensors as float32 of shape (batch, *shape), a NumPy array or a tensor of TensorFlow as `values`."""
    if isinstance(values, np.ndarray):
        return values.astype(np.float32).reshape(-1, *shape)
    import tensorflow as tf

    return tf.reshape(tf.cast(values, tf.float32), (-1, *shape))


def stored_values(dataset: Dataset) -> dict[str, list[str]]:
    """Return the values of each column of categories or classes, whose codes the shards hold from 1 on."""
    return dataset.derived(_stored_values, None)


def _stored_values(dataset: Dataset, _: None) -> dict[str, list[str]]:
    table = dataset.extra("values")
    values: dict[str, list[str]] = {}
    for name, value in zip(table.column("column").to_pylist(), table.column("value").to_pylist(), strict=True):
        values.setdefault(name, []).append(value)
    return values


def make_inputs(
    columns: Sequence[Column],
    numbers: Sequence[Number],
    categories: Mapping[str, Sequence[str]],
    ids: Mapping[str, int],
    maxlen: int,
) -> list[Input]:
    """Return the inputs of a model: all numbers first, then each other column by itself.

    Args:
        columns: input columns.
        numbers: columns of numbers, with their moments.
        categories: known values of each column of categories.
        ids: number of ids of each column of lists.
        maxlen: ids of a list that a model sees.
    """
    names: list[str] = []
    inputs: list[Input] = []
    for column in columns:
        if column["kind"] == "number":
            continue
        name = layer_name(column["name"], names)
        if column["kind"] == "category":
            inputs.append(Category(name, column["name"], categories[column["name"]], column["missing"] > 0))
        elif column["kind"] == "tensor":
            inputs.append(Tensor(name, column["name"], tuple(column["shape"]), dtype_of(column)))
        elif column["kind"] == "sequence":
            inputs.append(Sequences(name, column["name"], maxlen, ids[column["name"]]))
        names.append(name)
    return [Numbers(layer_name(NUMBERS, names), numbers), *inputs] if numbers else inputs


def layer_name(name: str, taken: Sequence[str]) -> str:
    """Return a column's name as that of a layer of Keras, which is none of those taken.

    TensorFlow allows ASCII letters, digits, `.`, `-` and `_`; a run of others becomes one `_`.

    Example:
        >>> layer_name("T (degC)", [])
        'T_degC'
    """
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_-") or "column"
    while name in taken:
        name += "_"
    return name


def _numbers(rows: pa.Table, name: str) -> np.ndarray:
    return np.asarray(rows.column(name).to_numpy(), np.float64)
