"""Moments of values: count, mean and sum of squared deviations, and their combination."""

import numpy as np

Moments = tuple[int, float, float]  # count, mean, sum of squared deviations from the mean
_ROUNDED = 1e-13  # relative deviation from the mean that rounding alone may cause


def moments(values: np.ndarray) -> Moments:
    """Return count, mean and sum of squared deviations in float64, ignoring NaN."""
    wide = np.asarray(values, dtype=np.float64)
    if not wide.size:
        return 0, 0.0, 0.0
    mean = float(wide.mean())
    if np.isnan(mean):
        return moments(wide[~np.isnan(wide)])
    shifted = wide - mean
    # Not np.dot: the order of summation in BLAS depends on the number of threads.
    total = float((shifted * shifted).sum())
    if total <= wide.size * (_ROUNDED * mean) ** 2 and wide.min() == wide.max():
        return wide.size, float(wide[0]), 0.0  # all values are equal, but their mean was rounded
    return wide.size, mean, total


def merge(a: Moments, b: Moments) -> Moments:
    """Combine the moments of two sets (Chan, Golub & LeVeque 1979) without a pass over the values."""
    count = a[0] + b[0]
    if not a[0] or not b[0]:
        return a if a[0] else b
    delta = b[1] - a[1]
    return count, a[1] + delta * b[0] / count, a[2] + b[2] + delta * delta * a[0] * b[0] / count
