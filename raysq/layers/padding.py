"""Length of the padding in front of sequences."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="raysq")
class LeadingZeros(keras.layers.Layer):
    """Layer that counts the zeros at the front of each row.

    Input shape `(batch, steps)`, output shape `(batch,)`, int32.

    Example:
        >>> LeadingZeros()(np.array([[0, 0, 5, 0], [7, 8, 9, 0]])).numpy()
        array([2, 0], dtype=int32)
    """

    def call(self, inputs: Any) -> Any:
        zeros = keras.ops.cast(keras.ops.equal(inputs, 0), "int32")
        return keras.ops.sum(keras.ops.cumprod(zeros, 1), 1)

    as_keras = call  # consists of Keras operations only

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor((inputs.shape[0],), "int32")
