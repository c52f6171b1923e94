"""Columns of tables and of memory-mapped shard sets, read without a copy where possible."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DamagedError

# For requests that span more shards than this, sorting the rows is cheaper than one mask per shard.
_MASKED_SHARDS = 16
_BLOCK = 1 << 22  # numbers of ragged rows processed at a time


def contiguous_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a table's column as one array. Copies only if there are several chunks, unlike Arrow."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def validate_range(values: np.ndarray, low: int, end: int, what: str) -> None:
    """Raise `DamagedError` unless integers used as indices lie in `range(low, end)`.

    `what` names a value, such as "word number".
    """
    if values.size and (values.min() < low or values.max() >= end):
        odd = values[(values < low) | (values >= end)][0]
        raise DamagedError(
            f"the data set is damaged ({what} {odd:,} where there are {end:,}); prepare the data set again with --fresh"
        )


def take_rows(array: Any, rows: Any) -> np.ndarray:
    """Return the given rows of an array or a `Column`, on the host. NumPy's `take` would index the flattened array."""
    values: np.ndarray = array.take(rows, axis=0) if isinstance(array, np.ndarray) else array.take(rows)
    return values


def count_codes(codes: np.ndarray, chosen: np.ndarray, words: int) -> np.ndarray:
    """Count how often each word of a vocabulary occurs.

    Returns:
        int64 array of shape (words + 1,). The first entry counts unknown words.
    """
    validate_range(codes, -1, words, "word number")
    return np.bincount(codes[chosen] + 1, minlength=words + 1)


class Column:
    """Column over all shards, read from memory-mapped files. Shards are not concatenated.

    Args:
        views: memory-mapped array of the column in each shard. All have `shard_rows` rows except the last.
        inner: shape of a row's value; () for a number.
    """

    def __init__(
        self, views: list[np.ndarray], shard_rows: int, rows: int, dtype: np.dtype, inner: tuple[int, ...] = ()
    ) -> None:
        self._views = views
        self._shard_rows = shard_rows
        self._rows = rows
        self.dtype = dtype
        self.inner = inner

    def __len__(self) -> int:
        return self._rows

    def take(self, rows: Any) -> np.ndarray:
        """Return the values of the given rows.

        Returns:
            Array of shape `rows.shape + inner`.

        Raises:
            IndexError: a row is negative or beyond the end.
        """
        rows = np.asarray(rows)
        if not rows.size:
            return np.empty((*rows.shape, *self.inner), self.dtype)
        low, high = int(rows.min()), int(rows.max())
        if low < 0 or high >= self._rows:
            raise IndexError(f"rows {low} to {high} were asked of a column of {self._rows} rows")
        first, last = low // self._shard_rows, high // self._shard_rows
        if first == last:
            values: np.ndarray = self._views[first].take(rows - first * self._shard_rows if first else rows, axis=0)
            return values
        out = np.empty((*rows.shape, *self.inner), self.dtype)
        shard = rows // self._shard_rows
        if last - first < _MASKED_SHARDS:
            for index in range(first, last + 1):
                inside = shard == index
                out[inside] = self._views[index].take(rows[inside] - index * self._shard_rows, axis=0)
            return out
        flat, flat_rows, shard = out.reshape(-1, *self.inner), rows.reshape(-1), shard.reshape(-1)
        order = np.argsort(shard, kind="stable")
        shards, begins = np.unique(shard[order], return_index=True)
        for index, places in zip(shards.tolist(), np.split(order, begins[1:]), strict=True):
            flat[places] = self._views[index].take(flat_rows[places] - index * self._shard_rows, axis=0)
        return out

    def slice(self, begin: int, end: int) -> np.ndarray:
        """Return the values of rows `begin` to `end`: a view of the map within one shard, else a copy."""
        begin, end, _ = slice(begin, end).indices(self._rows)
        parts = [view[low:high] for _, view, low, high in self.parts(begin, end)]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty((0, *self.inner), self.dtype)

    def parts(self, begin: int, end: int) -> list[tuple[int, np.ndarray, int, int]]:
        """Return number, view, first row and end within the view of each shard that overlaps rows `begin` to `end`."""
        parts = []
        for index in range(begin // self._shard_rows, -(-end // self._shard_rows) if end > begin else 0):
            base = index * self._shard_rows
            parts.append((index, self._views[index], max(begin - base, 0), min(end - base, self._shard_rows)))
        return parts


class Ragged:
    """Column whose rows are lists of numbers, read from memory-mapped files.

    Args:
        arrays: `large_list` array of the column in each shard.

    Attributes:
        offsets: int64 array of shape (rows + 1,): start of each row's numbers, counted over all shards.
    """

    def __init__(self, arrays: Sequence[pa.Array]) -> None:
        self._views = [array.values.to_numpy(zero_copy_only=True) for array in arrays]
        parts, base = [np.zeros(1, np.int64)], 0
        for array in arrays:
            parts.append(array.offsets.to_numpy(zero_copy_only=True)[1:].astype(np.int64) + base)
            base = int(parts[-1][-1]) if len(parts[-1]) else base
        self.offsets = np.concatenate(parts)
        self._begins = np.concatenate([[0], np.cumsum([len(view) for view in self._views])]).astype(np.int64)
        self.dtype = self._views[0].dtype if self._views else np.dtype(np.int32)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Length of each row."""
        return np.diff(self.offsets)

    def slice(self, begin: int, end: int) -> np.ndarray:
        """Return numbers `begin` to `end`, counted over all rows: a view of the map within one shard, else a copy."""
        parts: list[np.ndarray] = [
            view[max(begin - base, 0) : end - base]
            for view, base in zip(self._views, self._begins, strict=False)
            if base < end and base + len(view) > begin
        ]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, self.dtype)

    def row(self, number: int) -> np.ndarray:
        """Return the numbers of one row."""
        return self.slice(int(self.offsets[number]), int(self.offsets[number + 1]))

    def blocks(self) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """Yield all rows in blocks of a bounded size.

        Yields:
            The first row, the end row (exclusive), the numbers, and the offsets of the rows in them.
        """
        begin = 0
        while begin < len(self):
            end = max(int(np.searchsorted(self.offsets, self.offsets[begin] + _BLOCK, side="right")) - 1, begin + 1)
            low, high = int(self.offsets[begin]), int(self.offsets[end])
            yield begin, end, self.slice(low, high), self.offsets[begin : end + 1] - low
            begin = end
