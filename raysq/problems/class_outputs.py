"""Outputs of an exported classifier: the class by name, its probability, and the probability of each class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.problems.graph import GraphOps, Tensor
from raysq.problems.signature import TensorInfo


def class_infos(label: str, classes: Sequence[str], prefix: str = "", *, texts: bool = True) -> list[TensorInfo]:
    """Return the descriptions of the outputs of a classifier.

    Args:
        label: name of the output with the class.
        classes: names of the classes.
        prefix: prefix of the names of the other two.
        texts: whether the format has texts; without them there is no class by name.
    """
    shares = f"{prefix}probabilities"
    return [
        *([TensorInfo(label, "string", "name of the most probable class", values=classes, ties=shares)] * texts),
        TensorInfo(f"{prefix}probability", "float32", "probability of the most probable class"),
        TensorInfo(shares, "float32", "probability of each class", (len(classes),), values=classes),
    ]


def class_outputs(ops: GraphOps, output: Tensor, width: int, infos: Sequence[TensorInfo]) -> dict[str, Tensor]:
    """Return the outputs of a classifier by name.

    Args:
        ops: operations of the format.
        output: output of the model, of a softmax, or of a sigmoid, which is the probability of the second class.
        width: size of the last axis of the output.
        infos: result of `class_infos`.
    """
    shares = ops.cast(output, "float32")
    if width == 1:
        shares = ops.concat([ops.binary("subtract", ops.constant([[1.0]], "float32"), shares), shares], 1)
    found = {infos[-2].name: ops.reduce("max", shares, 1), infos[-1].name: shares}
    if len(infos) == 2:
        return found
    label = ops.gather(ops.constant(list(infos[0].values)), ops.reduce("argmax", shares, 1))
    return {infos[0].name: label, **found}


def expected_class(columns: Sequence[pa.ChunkedArray], infos: Sequence[TensorInfo]) -> dict[str, np.ndarray]:
    """Return the outputs that the columns of a prediction stand for: the class, its probability, that of each class."""
    label, probability, *shares = (np.asarray(column.to_pylist()) for column in columns)
    found: dict[str, Any] = {infos[-2].name: probability, infos[-1].name: np.stack(shares, 1)}
    return found if len(infos) == 2 else {infos[0].name: label.astype(object), **found}
