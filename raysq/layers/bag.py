"""Dense layer over bags of ids, computed as a sparse product."""

from typing import Any

import keras
import tensorflow as tf

from raysq.layers.portable import table, vector

WEIGHTS = ("multi_hot", "count", "freq", "tfidf")


@keras.saving.register_keras_serializable(package="raysq")
class BagDense(keras.layers.Layer):
    """Equivalent of `Dense(units, activation)` on bag-of-words vectors, which are given by their ids.

    With the weights "freq" and no bias, it is the mean of the embeddings of a document's words.

    A bag-of-words vector has `features` elements, of which all but about a hundred are zero. The sparse product skips
    the zeros, which take most of the time of a dense product.

    Input shape `(batch, width)`, ids, or `(batch, 2, width)`, ids and their counts. 0 is padding, and the width may
    vary between batches. Output shape `(batch, units)`.

    Weights: kernel `(features, units)`, bias `(units,)` if there is one, and, for "tfidf", the weight of each id
    `(features,)`, which is not trainable.

    Args:
        weights: element of an id in the bag-of-words vector. "multi_hot": 1. "count": its count in the document.
            "freq": its count divided by that of all ids in the document. "tfidf": `(1 + log(count)) * idf`, as in
            `Tokenizer.sequences_to_matrix` of Keras.
        use_bias: whether there is a bias.
        kernel_initializer: initializer of the kernel, or its name.

    Raises:
        ValueError: `weights` is none of these.
    """

    def __init__(
        self,
        units: int,
        features: int,
        weights: str = "multi_hot",
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if weights not in WEIGHTS:
            raise ValueError(f"weights must be one of {', '.join(WEIGHTS)}, received {weights!r}")
        self.units = units
        self.features = features
        self.weighting = weights
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        # A name becomes an initializer, which draws its seed, where the layer is built.
        self.kernel_initializer = kernel_initializer

    def build(self, input_shape: Any) -> None:
        shape = (self.features, self.units)
        self.kernel = self.add_weight(shape=shape, initializer=self.kernel_initializer, name="kernel")
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        if self.weighting == "tfidf":
            self.idf = self.add_weight(shape=(self.features,), initializer="ones", trainable=False, name="idf")

    def call(self, inputs: Any) -> Any:
        ids = inputs if self.weighting == "multi_hot" else inputs[:, 0]
        places = tf.where(ids > 0)
        words = tf.gather_nd(ids, places)
        batch = tf.shape(ids, out_type=tf.int64)[0]
        values = self._values(inputs, places, words)
        at = tf.stack([places[:, 0], tf.cast(words, tf.int64)], 1)
        # float32 at any precision policy, since the sum over a document has many terms.
        kernel = tf.cast(self.kernel, tf.float32)
        if tf.config.list_logical_devices("GPU"):
            # The sparse product has no deterministic GPU kernel, and the dense product is cheap there.
            outputs = tf.matmul(tf.scatter_nd(at, values, (batch, self.features)), kernel)
        else:
            sparse = tf.SparseTensor(at, values, (batch, self.features))
            outputs = tf.sparse.sparse_dense_matmul(sparse, kernel)
        outputs = tf.cast(outputs, self.compute_dtype)
        return self.activation(outputs if self.bias is None else outputs + tf.convert_to_tensor(self.bias))

    def _values(self, inputs: Any, places: Any, words: Any) -> Any:
        if self.weighting == "multi_hot":
            return tf.ones_like(words, tf.float32)
        counts = tf.cast(inputs[:, 1], tf.float32)
        count = tf.gather_nd(counts, places)
        if self.weighting == "freq":
            return count / tf.gather(tf.reduce_sum(counts, 1), places[:, 0])
        if self.weighting == "tfidf":
            return (1 + tf.math.log(count)) * tf.gather(tf.cast(self.idf, tf.float32), words)
        return count

    def as_keras(self, inputs: Any) -> Any:
        """Apply the layer with layers of Keras; see `raysq.layers.portable`."""
        ops = keras.ops
        ids = inputs if self.weighting == "multi_hot" else inputs[:, 0]
        kernel = ops.convert_to_numpy(self.kernel).astype("float32")
        kernel[0] = 0.0  # id 0 is padding
        rows = table(kernel, f"{self.name}_kernel")(ids)
        if self.weighting != "multi_hot":
            counts = ops.cast(inputs[:, 1], "float32")
            if self.weighting == "freq":
                counts = counts / ops.maximum(ops.sum(counts, 1, keepdims=True), 1.0)
            if self.weighting == "tfidf":
                idf = table(ops.convert_to_numpy(self.idf).astype("float32")[:, None], f"{self.name}_idf", False)
                counts = (1 + ops.log(ops.maximum(counts, 1.0))) * idf(ids)[..., 0]
            rows = rows * ops.expand_dims(counts, -1)
        outputs = ops.sum(rows, 1)
        if self.bias is not None:
            outputs = outputs + vector(ops.convert_to_numpy(self.bias).astype("float32"), f"{self.name}_bias", ids)
        return keras.layers.Activation(self.activation, name=self.name)(outputs)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        initializer = self.kernel_initializer
        named = isinstance(initializer, (str, dict))
        return {
            **super().get_config(),
            "units": self.units,
            "features": self.features,
            "weights": self.weighting,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializer if named else keras.initializers.serialize(initializer),
        }
