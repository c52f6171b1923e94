"""Signature of an exported model: its raw inputs and its outputs by name, and the graph between them."""

import keyword
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from raysq.problems.graph import GraphOps, Tensor

if TYPE_CHECKING:
    import pyarrow as pa

    from raysq.data.dataset import Dataset


@dataclass(frozen=True)
class TensorInfo:
    """Description of an input or an output.

    Attributes:
        name: name in the exported model: ASCII letters, digits and `_`.
        dtype: "string", or the name of a type of numbers.
        about: meaning, in a sentence.
        shape: shape without the batch; None for any size.
        column: column of the raw rows, or None.
        unit: unit of the numbers, or None.
        values: names of the entries of the last axis, such as classes or columns; for ids of a category, the values.
        scale: size of a usual difference of the numbers, to which the tolerance of the verification is relative.
        ties: for a text, the output of probabilities that it names the largest of; a tie leaves it open.
    """

    name: str
    dtype: str
    about: str
    shape: tuple[int | None, ...] = ()
    column: str | None = None
    unit: str | None = None
    values: Sequence[str] = field(default_factory=tuple)
    scale: float = 1.0
    ties: str | None = None

    def description(self) -> dict[str, Any]:
        """Return the description as JSON-ready values."""
        values: dict[str, Any] = {"name": self.name, "dtype": self.dtype, "shape": ["batch", *self.shape]}
        values |= {"about": self.about}
        optional = {"column": self.column, "unit": self.unit, "values": list(self.values)}
        return values | {name: value for name, value in optional.items() if value}


class ModelGraph(Protocol):
    """The model of a run in a graph: its function, which takes prepared inputs and returns what the model returns.

    Attributes:
        model: the Keras model.
        example: what the model returns for a small batch.
        output_names: names of the model's outputs, or None.
    """

    model: Any
    example: Any
    output_names: Sequence[str] | None

    def __call__(self, x: Any) -> Any:
        """Return the outputs for prepared inputs."""
        ...


class Graph(ABC):
    """Graph from inputs to outputs.

    Attributes:
        inputs: inputs.
    """

    inputs: Sequence[TensorInfo]

    @abstractmethod
    def trace(self, ops: GraphOps, inputs: Mapping[str, Tensor], model: ModelGraph) -> dict[str, Tensor]:
        """Build the graph.

        Args:
            ops: operations of the format.
            inputs: inputs by name.
            model: the model.

        Returns:
            The outputs by name.
        """


class Signature(Graph):
    """Raw inputs and outputs of an exported model, with the graph from one to the other.

    Attributes:
        outputs: outputs.
        notes: what the exported model does not do that `predict` does, in sentences.
    """

    outputs: Sequence[TensorInfo]
    notes: Sequence[str] = ()

    @abstractmethod
    def samples(self, dataset: "Dataset | None") -> "pa.Table":
        """Return raw rows as `predict` takes them, to verify an export with: of the data set, if it is there, and odd
        ones.
        """

    @abstractmethod
    def feed(self, rows: "pa.Table") -> dict[str, np.ndarray]:
        """Return the inputs of raw rows by name. Texts are arrays of objects."""

    @abstractmethod
    def expected(self, rows: "pa.Table", predictions: "pa.Table") -> dict[str, np.ndarray]:
        """Return the outputs that the problem's predictions for raw rows stand for, by name."""


def tensor_name(name: str, taken: Sequence[str]) -> str:
    """Return a column's name as that of a tensor, which is none of those taken: each run of other characters is `_`.

    Words of Python's language get a prefix, since TensorFlow takes inputs as arguments by name.

    Example:
        >>> tensor_name("T (degC)", [])
        'T_degC'
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "column"
    name = f"column_{name}" if name[0].isdigit() or keyword.iskeyword(name) or name == "self" else name
    number, free = 2, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free
