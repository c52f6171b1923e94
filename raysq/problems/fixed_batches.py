"""Batches of one size for prediction: the last one is filled up.

A batch of another size would be compiled anew, and could round otherwise: a row's prediction must not depend on how
many rows are predicted with it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np


def padded(rows: np.ndarray, size: int) -> np.ndarray:
    """Fill rows up to a size by repeating the last one.

    Args:
        rows: shape `(n, ...)` with 1 <= n <= size.
        size: of the batch.

    Returns:
        Shape `(size, ...)`, the type of `rows`.
    """
    return np.concatenate([rows, np.repeat(rows[-1:], size - len(rows), 0)])


def fixed_batches(rows: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Cut rows, or their numbers, into batches of one size.

    Args:
        rows: shape `(n, ...)`.
        size: of every batch.

    Yields:
        A batch of shape `(size, ...)`, and how many of its rows count.

    Example:
        >>> [(batch.tolist(), count) for batch, count in fixed_batches(np.arange(3), 2)]
        [([0, 1], 2), ([2, 2], 1)]
    """
    for low in range(0, len(rows), size):
        part = rows[low : low + size]
        yield padded(part, size), len(part)


def example_batches(examples: Any, indices: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Gather examples of a split on the host in batches of one size.

    Args:
        examples: of the split.
        indices: of the examples, int64 of shape `(n,)`.
        size: of every batch.

    Yields:
        x and y of a batch, and how many of its examples count.
    """
    mapped = examples.mapped()
    for batch, count in fixed_batches(indices, size):
        x, y = examples.gather(batch, mapped, _take)
        yield x, y, count


def _take(array: Any, rows: np.ndarray) -> Any:
    """np.ndarray of an array or of a column; NumPy's own `take` counts without an axis over all values."""
    return array.take(rows, axis=0) if isinstance(array, np.ndarray) else array.take(rows)
