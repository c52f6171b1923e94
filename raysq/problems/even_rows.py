"""Rows at even distances, where all of them would be too many."""

import numpy as np


def evenly(count: int, most: int) -> np.ndarray:
    """Return at most `most` row numbers below `count`, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64)) if count else np.empty(0, np.int64)
