"""Convolution over one-hot vectors, computed by looking up rows of the kernel."""

from typing import Any

import keras

from raysq.layers.portable import table


@keras.saving.register_keras_serializable(package="raysq")
class OneHotConv1D(keras.layers.Layer):
    """Equivalent of `Conv1D(filters, kernel_size, activation)` on one-hot vectors, which are given by their ids.

    The one-hot vectors (listings 6.1 to 6.3) are never materialized. For a document of 500 words and a vocabulary of
    10,000, they would take 20 MB.

    Input shape `(batch, steps)`, ids; 0 is padding and stands for a vector of zeros. Output shape
    `(batch, steps - kernel_size + 1, filters)`.

    Weights: kernel `(kernel_size, features, filters)` and bias `(filters,)`, as in `Conv1D`.

    Args:
        filters: number of outputs per step.
        kernel_size: number of input steps per output.
        features: number of ids, including 0.
        activation: as for `Conv1D`.

    Example:
        >>> OneHotConv1D(32, 7, features=10_000)(np.ones((2, 500), "int32")).shape
        TensorShape([2, 494, 32])
    """

    def __init__(self, filters: int, kernel_size: int, features: int, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.features = features
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        shape = (self.kernel_size, self.features, self.filters)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        steps = inputs.shape[1] - self.kernel_size + 1
        present = keras.ops.cast(keras.ops.expand_dims(inputs > 0, -1), self.compute_dtype)
        outputs = self.bias
        for shift in range(self.kernel_size):
            window = slice(shift, shift + steps)
            outputs = outputs + keras.ops.take(self.kernel[shift], inputs[:, window], axis=0) * present[:, window]
        return self.activation(outputs)

    def as_keras(self, inputs: Any) -> Any:
        """Apply the layer with layers of Keras; see `raysq.layers.portable`."""
        steps = inputs.shape[1] - self.kernel_size + 1
        outputs = None
        for shift in range(self.kernel_size):
            rows = keras.ops.convert_to_numpy(self.kernel[shift]).copy()
            rows[0] = 0.0  # padding
            if shift == 0:
                rows += keras.ops.convert_to_numpy(self.bias)
            term = table(rows, f"{self.name}_{shift}")(inputs[:, shift : shift + steps])
            outputs = term if outputs is None else outputs + term
        return keras.layers.Activation(self.activation, name=self.name)(outputs)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (input_shape[0], input_shape[1] - self.kernel_size + 1, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "features": self.features,
            "activation": keras.activations.serialize(self.activation),
        }
