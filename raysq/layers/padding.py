"""How much padding stands in front."""

import keras


@keras.saving.register_keras_serializable(package="raysq")
class LeadingZeros(keras.layers.Layer):
    """The number of zeros at the front of each row: input `(batch, steps)`, output int32 `(batch,)`."""

    def call(self, inputs):
        zeros = keras.ops.cast(keras.ops.equal(inputs, 0), "int32")
        return keras.ops.sum(keras.ops.cumprod(zeros, 1), 1)

    as_keras = call  # of operations alone

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((inputs.shape[0],), "int32")
