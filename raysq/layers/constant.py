"""A prediction that looks at nothing."""

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="raysq")
class Constant(keras.layers.Layer):
    """Gives the same values for every example: the share of each class, say.

    Input shape `(batch, ...)`, output shape `(batch, len(values))`, float32.

    Args:
        values: what it gives.
    """

    def __init__(self, values: Sequence[float], **kwargs: Any):
        super().__init__(**kwargs)
        self.values = [float(value) for value in values]

    def call(self, inputs):
        values = keras.ops.convert_to_tensor([self.values], "float32")
        return keras.ops.tile(values, (keras.ops.shape(inputs)[0], 1))

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((inputs.shape[0], len(self.values)), "float32")

    def get_config(self):
        return {**super().get_config(), "values": self.values}
