"""A convolution over one-hot vectors, which picks rows of its kernel instead of multiplying by noughts."""

from typing import Any

import keras

from raysq.layers.portable import table


@keras.saving.register_keras_serializable(package="raysq")
class OneHotConv1D(keras.layers.Layer):
    """Equals `Conv1D(filters, kernel_size, activation)` on the one-hot vectors of ids.

    The vectors (listings 6.1 to 6.3) are not made: a document of 500 words of 10,000 would be 20 MB of them.

    Input shape `(batch, steps)`, ids, of which 0 is padding and has a vector of noughts. Output shape
    `(batch, steps - kernel_size + 1, filters)`. Weights: kernel `(kernel_size, features, filters)` and bias
    `(filters,)`, as those of `Conv1D`.

    Args:
        filters: outputs of a step.
        kernel_size: steps that an output looks at.
        features: ids in all, 0 among them.
        activation: as `Conv1D` has it.
    """

    def __init__(self, filters: int, kernel_size: int, features: int, activation: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.features = features
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        shape = (self.kernel_size, self.features, self.filters)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs):
        steps = inputs.shape[1] - self.kernel_size + 1
        there = keras.ops.cast(keras.ops.expand_dims(inputs > 0, -1), self.compute_dtype)
        outputs = self.bias
        for place in range(self.kernel_size):
            seen = slice(place, place + steps)
            outputs = outputs + keras.ops.take(self.kernel[place], inputs[:, seen], axis=0) * there[:, seen]
        return self.activation(outputs)

    def as_keras(self, inputs):
        """See `raysq.layers.portable`."""
        steps = inputs.shape[1] - self.kernel_size + 1
        outputs = None
        for place in range(self.kernel_size):
            rows = keras.ops.convert_to_numpy(self.kernel[place]).copy()
            rows[0] = 0.0  # padding
            if place == 0:
                rows += keras.ops.convert_to_numpy(self.bias)
            found = table(rows, f"{self.name}_{place}")(inputs[:, place : place + steps])
            outputs = found if outputs is None else outputs + found
        return keras.layers.Activation(self.activation, name=self.name)(outputs)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[1] - self.kernel_size + 1, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "features": self.features,
            "activation": keras.activations.serialize(self.activation),
        }
