"""Spread of seeds: whether the means of two sets of runs differ by more than it."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_ERRORS = 2.0  # standard errors above which a difference is beyond the spread


@dataclass(frozen=True)
class SeedStatistics:
    """Mean and sample standard deviation of a metric over seeds.

    Attributes:
        count: number of seeds, at least 2.
        mean: mean.
        std: sample standard deviation.
    """

    count: int
    mean: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "SeedStatistics | None":
        """Return the statistics of a value per seed, or None for fewer than two values, which have no spread."""
        if len(values) < 2:
            return None
        return cls(len(values), statistics.fmean(values), statistics.stdev(values))


def standard_error(first: SeedStatistics, second: SeedStatistics) -> float:
    """Return the standard error of the difference of two means."""
    return math.hypot(first.std / math.sqrt(first.count), second.std / math.sqrt(second.count))


def is_beyond(difference: float, error: float) -> bool:
    """Return whether a difference of means is larger than two standard errors."""
    return abs(difference) > _ERRORS * error
