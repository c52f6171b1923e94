"""Batches of a fixed size for prediction; the last batch is padded.

A batch of another size would be compiled again and could round differently. The prediction of a row must not depend on
the number of rows that are predicted with it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from raysq.data.columns import take_rows


def padded(rows: np.ndarray, size: int) -> np.ndarray:
    """Pad 1 to `size` rows to `size` rows by repeating the last one."""
    return np.concatenate([rows, np.repeat(rows[-1:], size - len(rows), 0)])


def fixed_batches(rows: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Cut rows, or their indices, into batches of a fixed size.

    Yields:
        A batch of shape `(size, ...)`, and the number of its rows that are not padding.

    Example:
        >>> [(batch.tolist(), count) for batch, count in fixed_batches(np.arange(3), 2)]
        [([0, 1], 2), ([2, 2], 1)]
    """
    for low in range(0, len(rows), size):
        part = rows[low : low + size]
        yield padded(part, size), len(part)


def example_batches(examples: Any, indices: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Gather examples of a split on the host in batches of a fixed size.

    Args:
        examples: batch source of the split.
        indices: indices of the examples, int64 of shape `(n,)`.
        size: batch size.

    Yields:
        x and y of a batch, and the number of its examples that are not padding.
    """
    mapped = examples.mapped()
    for batch, count in fixed_batches(indices, size):
        x, y = examples.gather(batch, mapped, take_rows)
        yield x, y, count
