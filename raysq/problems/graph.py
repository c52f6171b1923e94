"""Operations of a graph that prepares raw inputs and finishes predictions, whatever format the graph has.

A problem writes its preprocessing once, in terms of `GraphOps`. The builders of TensorFlow and ONNX implement it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Tensor = Any  # a tensor of the builder, such as a symbolic tensor of TensorFlow


class GraphOps(ABC):
    """Operations on tensors of a graph.

    Binary operations broadcast as NumPy does, and take tensors of one type. The first axis of inputs is the batch.

    Attributes:
        wide: type of numbers in their own units, "float64", or "float32" where a format has no wider one.
    """

    wide: str = "float64"

    @abstractmethod
    def constant(self, value: Any, dtype: str | None = None) -> Tensor:
        """Return a constant; texts are a list, or an array of objects."""

    @abstractmethod
    def cast(self, x: Tensor, dtype: str) -> Tensor:
        """Convert numbers to a type by its name, such as "int64"."""

    @abstractmethod
    def binary(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        """Apply "add", "subtract", "multiply", "divide", "equal", "less", "and" or "or".

        Whole numbers are divided towards negative infinity. "equal" takes texts too.
        """

    @abstractmethod
    def unary(self, name: str, x: Tensor) -> Tensor:
        """Apply "not", "is_nan", "round" (half to even), "sin" or "cos"."""

    @abstractmethod
    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """Select from a where the condition holds, else from b."""

    @abstractmethod
    def reduce(self, name: str, x: Tensor, axis: int) -> Tensor:
        """Return the "sum", the "max" or the "argmax" (int64) along an axis, which disappears."""

    @abstractmethod
    def sort(self, x: Tensor, size: int) -> Tensor:
        """Sort numbers along the last axis, which has the given size."""

    @abstractmethod
    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """Reshape; one size may be -1."""

    @abstractmethod
    def expand(self, x: Tensor, axis: int) -> Tensor:
        """Insert an axis of size 1."""

    @abstractmethod
    def concat(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Concatenate along an axis."""

    @abstractmethod
    def gather(self, x: Tensor, indices: Tensor, axis: int = 0) -> Tensor:
        """Take slices along an axis."""

    @abstractmethod
    def gather_each(self, x: Tensor, indices: Tensor) -> Tensor:
        """Return `x[row, indices[row]]` for each row; both are matrices with as many rows."""

    @abstractmethod
    def size(self, x: Tensor, axis: int) -> Tensor:
        """Return the size of an axis, an int64 scalar."""

    @abstractmethod
    def fill(self, like: Tensor, width: int, value: str | int) -> Tensor:
        """Return a matrix with as many rows as `like`, of one text or int64 number."""

    @abstractmethod
    def arange(self, end: Tensor) -> Tensor:
        """Return the whole numbers from 0 to below an int64 scalar."""

    @abstractmethod
    def cumsum(self, x: Tensor) -> Tensor:
        """Return the running sums of each row of an int64 matrix."""

    @abstractmethod
    def nonzero(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows and columns of the true cells of a matrix, int64 vectors in the order of the rows."""

    @abstractmethod
    def cells(self, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return `x[rows, columns]` of a matrix."""

    @abstractmethod
    def scatter(self, like: Tensor, width: Tensor, rows: Tensor, columns: Tensor, values: Tensor) -> Tensor:
        """Return an int64 matrix with as many rows as `like`, of 0 with values added at the given cells."""

    @abstractmethod
    def lookup(self, x: Tensor, keys: Sequence[Any], values: Sequence[Any], default: Any) -> Tensor:
        """Map texts or int64 numbers by a table, each to a text or an int64 number."""

    @abstractmethod
    def characters(self, texts: Tensor) -> Tensor:
        """Return the characters of each text as a matrix of texts, with one "" or more after the last of a row."""

    @abstractmethod
    def join(self, parts: Tensor) -> Tensor:
        """Concatenate the texts of each row of a matrix."""

    @abstractmethod
    def split(self, texts: Tensor, separator: str) -> Tensor:
        """Split texts at each separator into a matrix, "" after the last part. Parts may be empty."""

    @abstractmethod
    def concat_texts(self, a: Tensor, b: Tensor) -> Tensor:
        """Concatenate texts element by element."""

    def normalize(self, x: Tensor, mean: Sequence[float], deviation: Sequence[float]) -> Tensor:
        """Return numbers of the type `wide`, normalized by mean and deviation of each entry of the last axis."""
        centered = self.binary("subtract", x, self.constant(mean, self.wide))
        return self.cast(self.binary("divide", centered, self.constant(deviation, self.wide)), "float32")

    def denormalize(self, x: Tensor, mean: Any, deviation: Any) -> Tensor:
        """Return normalized numbers in their own units, of the type `wide`."""
        scaled = self.binary("multiply", self.cast(x, self.wide), self.constant(deviation, self.wide))
        return self.binary("add", scaled, self.constant(mean, self.wide))

    def remarks(self, messages: Mapping[str, Tensor]) -> Tensor:
        """Return for each row the messages whose masks hold, joined by "; ". Masks are vectors."""
        remark: Tensor = None
        for message, mask in messages.items():
            of_mask = self.where(mask, self.constant([message]), self.constant([""]))
            if remark is None:
                remark = of_mask
                continue
            both = self.binary("and", mask, self.unary("not", self.binary("equal", remark, self.constant([""]))))
            joined = self.concat_texts(remark, self.where(both, self.constant(["; "]), self.constant([""])))
            remark = self.concat_texts(joined, of_mask)
        return remark


def as_texts(values: Sequence[str]) -> np.ndarray:
    """Return texts as an array of objects, which keeps characters that NumPy's own type of texts drops."""
    out = np.empty(len(values), object)
    out[:] = list(values)
    return out
