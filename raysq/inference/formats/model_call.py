"""The model of a run in an export: what it computes for an example, and how a signature calls it."""

from collections.abc import Callable
from typing import Any

import numpy as np

_ROWS, _WIDTH = 2, 8  # shape of the example; the width applies to dimensions of any size


class ModelCall:
    """Call of a Keras model, or of its converted graph, in the graph of a signature.

    Attributes:
        model: the Keras model.
        example: outputs of the Keras model for an example, in the model's structure.
        output_names: names of the model's outputs.
    """

    def __init__(self, model: Any, example: Any, function: Callable[[Any], Any] | None = None):
        self.model = model
        self.example = example
        self.output_names = getattr(model, "output_names", None)
        self._function = function or (lambda x: model(x, training=False))

    def __call__(self, x: Any) -> Any:
        return self._function(x)

    def through(self, function: Callable[[Any], Any]) -> "ModelCall":
        """Return the call of a converted graph."""
        return ModelCall(self.model, self.example, function)


def example_input(model: Any) -> Any:
    """Return a small batch of prepared inputs of a model, in its structure."""
    import keras

    source = np.random.RandomState(0)

    def drawn(tensor: Any) -> np.ndarray:
        shape = [_ROWS, *(_WIDTH if size is None else size for size in tensor.shape[1:])]
        values = source.randint(0, 2, shape) if "int" in tensor.dtype else source.rand(*shape)
        return np.asarray(values, tensor.dtype)

    return drawn(model.inputs[0]) if len(model.inputs) == 1 else keras.tree.map_structure(drawn, model.input)


def flat_inputs(model: Any, x: Any) -> list[Any]:
    """Return prepared inputs in the order of the model's own."""
    return [x[tensor.name] for tensor in model.inputs] if isinstance(x, dict) else x if isinstance(x, list) else [x]


def flat_outputs(outputs: Any) -> list[np.ndarray]:
    """Return one or more outputs of a model as arrays, those of a dict in the order of their names."""
    if isinstance(outputs, dict):
        outputs = [outputs[name] for name in sorted(outputs)]
    parts = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return [np.asarray(part, np.float32) for part in parts]
