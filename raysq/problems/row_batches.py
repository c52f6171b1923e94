"""Base of the batch sources whose examples are rows of a data set."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.splits import SplitRows


def column_weights(dataset: Dataset, rows: np.ndarray) -> np.ndarray | None:
    """Return the weights of rows that the data set was prepared with, or None."""
    return dataset.column("weight").take(rows) if "weight" in dataset.columns else None


class SplitData(Protocol):
    """Rows of all splits."""

    split: SplitRows

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays of all rows take on the device."""
        ...


D = TypeVar("D", bound=SplitData)


@dataclass(frozen=True)
class RowBatches(Generic[D]):
    """Rows of one split, shared by all splits but for their numbers.

    Attributes:
        data: rows of all splits.
        name: name of the split.
    """

    data: D
    name: str

    @property
    def rows(self) -> np.ndarray:
        """The data set's row of each example, ascending."""
        rows: np.ndarray = getattr(self.data.split, self.name)
        return rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes that `arrays` takes on the device."""
        return self.data.nbytes + self.rows.nbytes
