"""Observed cells of a prepared series: only these are forecast and scored."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from raysq.data.dataset import Dataset
from raysq.problems.forecasting.readers.repair import FILLED


@dataclass(frozen=True)
class Stretches:
    """Ranges of rows in which the source has no value of a column.

    Attributes:
        begins: first row of each range.
        ends: row after the last of each range.
        ahead: whether the filled values of a range were computed from later values.
    """

    begins: np.ndarray
    ends: np.ndarray
    ahead: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, column: str) -> "Stretches | None":
        """Return the ranges of a column of a data set, in order; None if every value is observed."""
        if FILLED not in dataset.extras:
            return None
        table = dataset.extra(FILLED)
        table = table.filter(pc.equal(table.column("column"), column))
        if not table.num_rows:
            return None
        return cls(*(table.column(name).to_numpy() for name in ("begin", "end", "ahead")))

    def inside(self, rows: int, *, ahead: bool = False) -> np.ndarray:
        """Return whether each row lies in a range; with `ahead`, in one that was filled from later values."""
        chosen = self.ahead if ahead else np.ones(len(self.begins), bool)
        edges = np.zeros(rows + 1, np.int8)
        edges[self.begins[chosen]] += 1
        edges[self.ends[chosen]] -= 1
        return np.cumsum(edges[:-1]).astype(bool)

    def leading(self, begin: int) -> int:
        """Return the first row of a series, which begins at row `begin`, on which the column has a value."""
        first = np.flatnonzero(self.begins == begin)
        return int(self.ends[first[0]]) if len(first) else begin
