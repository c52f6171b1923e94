"""Metadata of a run on a table: how columns become inputs, and predictions become values."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypedDict

from raysq.errors import DataError
from raysq.problems.arrays.roles import Column
from raysq.problems.base import Metadata
from raysq.problems.splits import SPLITS, has_own_validation

if TYPE_CHECKING:
    from raysq.problems.arrays.batches import TableData


class Number(TypedDict):
    """Column of numbers, with mean and deviation of the training rows, and whether a missing cell is told apart."""

    name: str
    mean: float
    deviation: float
    indicator: bool


class TargetValues(TypedDict):
    """Target, as the training rows have it.

    Attributes:
        name: name of the column.
        kind: "class" or "value".
        classes: names of the classes.
        priors: share of each class.
        shape: shape of a tensor.
        mean: mean of the numbers; 0 for tensors, which are not normalized.
        deviation: standard deviation of the numbers; 1 for tensors.
        variance: variance of the normalized numbers of each split, for the share of it that a model explains.
        unobserved: number of rows without the target.
    """

    name: str
    kind: str
    classes: list[str]
    priors: list[float]
    shape: list[int]
    mean: float
    deviation: float
    variance: dict[str, float]
    unobserved: int


@dataclass(frozen=True, kw_only=True)
class TableMetadata(Metadata):
    """Metadata of a run on a table.

    Attributes:
        columns: input columns.
        numbers: columns of numbers.
        categories: values of each column of categories that the training rows have, most often first.
        ids: number of ids of each column of lists.
        targets: targets, in the order of the setting `target`.
        examples: number of train, validation and test rows.
        own_validation: number of rows of the source's own validation part.
        left_out: number of rows without any target.
    """

    columns: list[Column]
    numbers: list[Number]
    categories: dict[str, list[str]]
    ids: dict[str, int]
    targets: list[TargetValues]
    examples: list[int]
    own_validation: int
    left_out: int

    def check(self) -> None:
        """Raise DataError unless all parts are of the same columns; the file of a run may have been changed."""
        of_kind = {
            kind: [column["name"] for column in self.columns if column["kind"] == kind]
            for kind in ("number", "category", "sequence", "tensor")
        }
        known = {
            "number": [number["name"] for number in self.numbers],
            "category": list(self.categories),
            "sequence": list(self.ids),
            "tensor": of_kind["tensor"],
        }
        if known != of_kind or not self.targets or sum(map(len, of_kind.values())) != len(self.columns):
            raise DataError("the metadata of a run of arrays cannot be used: its parts are of different columns")

    @classmethod
    def of(cls, data: "TableData") -> Self:
        """Return the metadata of the rows of a data set."""
        dataset = data.dataset
        return cls(
            preprocessor=dataset.preprocessor_settings,
            columns=data.columns,
            numbers=data.numbers,
            categories=data.categories,
            ids=data.ids,
            targets=data.target_values,
            examples=[len(getattr(data.split, name)) for name in SPLITS],
            own_validation=has_own_validation(dataset),
            left_out=data.left_out,
        )
