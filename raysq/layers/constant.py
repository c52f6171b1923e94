"""Layer with a constant output, for baselines."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="raysq")
class Constant(keras.layers.Layer):
    """Layer that returns the same values for every example, such as the share of each class.

    Input shape `(batch, ...)`, output shape `(batch, len(values))`, float32.

    Args:
        values: output for each example.

    Example:
        >>> Constant([0.9, 0.1])(np.zeros((2, 8))).shape
        TensorShape([2, 2])
    """

    def __init__(self, values: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values = [float(value) for value in values]

    def call(self, inputs: Any) -> Any:
        values = keras.ops.convert_to_tensor([self.values], "float32")
        return keras.ops.tile(values, (keras.ops.shape(inputs)[0], 1))

    def as_keras(self, inputs: Any) -> Any:
        """Apply the layer with operations of Keras; see `raysq.layers.portable`."""
        ops = keras.ops
        nothing = ops.sum(ops.zeros_like(inputs), axis=tuple(range(1, len(inputs.shape))))
        return ops.add(ops.expand_dims(ops.cast(nothing, "float32"), -1), np.asarray([self.values], np.float32))

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor((inputs.shape[0], len(self.values)), "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "values": self.values}
