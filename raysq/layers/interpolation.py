"""Linear interpolation of the last axis."""

from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="raysq")
class LinearInterpolation(keras.layers.Layer):
    """Layer that interpolates the last axis linearly to another length, as images are resized.

    Input shape `(..., knots)`, output shape `(..., length)`. Values before the center of the first knot and after that
    of the last one repeat these knots.

    Args:
        length: length of the last axis of the output.

    Example:
        >>> LinearInterpolation(4)(np.array([[0.0, 1.0]]))
        array([[0.  , 0.25, 0.75, 1.  ]], dtype=float32)
    """

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = length

    def call(self, inputs: Any) -> Any:
        knots = inputs.shape[-1]
        if knots == self.length:
            return inputs
        places = np.clip((np.arange(self.length) + 0.5) * knots / self.length - 0.5, 0, knots - 1)
        # Each output is a mean of two neighboring knots, weighted by their nearness.
        weights = np.maximum(0, 1 - np.abs(places - np.arange(knots)[:, None])).astype(np.float32)
        # Weights as an array are a constant of the graph; as a tensor they would be an input of an ONNX model.
        return keras.ops.cast(keras.ops.matmul(inputs, weights), self.compute_dtype)

    as_keras = call  # consists of Keras operations only

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length}
