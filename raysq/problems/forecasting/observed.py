"""Which cells of a prepared series are of its source: only these are forecast, and counted."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from raysq.data.dataset import Dataset
from raysq.problems.forecasting.readers.repair import FILLED


@dataclass(frozen=True)
class Stretches:
    """Stretches of rows in which the source has no value of a column.

    Attributes:
        begins: first row of each.
        ends: row after the last of each.
        ahead: whether the values that were put there were made of what follows the stretch.
    """

    begins: np.ndarray
    ends: np.ndarray
    ahead: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, column: str) -> "Stretches | None":
        """Those of a column of a data set, in order; None where every value is of the source."""
        if FILLED not in dataset.extras:
            return None
        table = dataset.extra(FILLED)
        table = table.filter(pc.equal(table.column("column"), column))
        if not table.num_rows:
            return None
        return cls(*(table.column(name).to_numpy() for name in ("begin", "end", "ahead")))

    def inside(self, rows: int, *, ahead: bool = False) -> np.ndarray:
        """Whether each of so many rows lies in a stretch; in one that was filled from what follows, where asked."""
        chosen = self.ahead if ahead else np.ones(len(self.begins), bool)
        edges = np.zeros(rows + 1, np.int8)
        edges[self.begins[chosen]] += 1
        edges[self.ends[chosen]] -= 1
        return np.cumsum(edges[:-1]).astype(bool)

    def leading(self, begin: int) -> int:
        """The first row from `begin`, that of a series, on which the column has a value: none is made up before it."""
        first = np.flatnonzero(self.begins == begin)
        return int(self.ends[first[0]]) if len(first) else begin
