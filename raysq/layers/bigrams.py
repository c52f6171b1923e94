"""Bigram language model with back-off, as a lookup table."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="raysq")
class BigramTable(keras.layers.Layer):
    """Layer that returns the probability of each id, given the last id of the input.

    The probability is `lower` times the `backoff` of the last id, plus the entry of `shares` if the pair is known.

    Input `(batch, steps)`, ids, of which only the last step is used. Output `(batch, features)`, float32. The memory
    for the table grows with the number of known pairs.

    Args:
        features: number of ids.
        pairs: number of known pairs.
    """

    def __init__(self, features: int, pairs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features
        self.pairs = pairs

    def build(self, input_shape: Any) -> None:
        integers = {"dtype": "int32", "initializer": "zeros", "trainable": False}
        floats = {"dtype": "float32", "initializer": "zeros", "trainable": False}
        self.begins = self.add_weight(shape=(self.features + 1,), name="begins", **integers)
        self.nexts = self.add_weight(shape=(self.pairs,), name="nexts", **integers)
        self.shares = self.add_weight(shape=(self.pairs,), name="shares", **floats)
        self.backoff = self.add_weight(shape=(self.features,), name="backoff", **floats)
        self.lower = self.add_weight(shape=(self.features,), name="lower", **floats)

    def call(self, inputs: Any) -> Any:
        last = inputs[:, -1]
        begins = tf.convert_to_tensor(self.begins)
        entries = tf.ragged.range(tf.gather(begins, last), tf.gather(begins, last + 1))
        flat = entries.flat_values
        rows = tf.cast(entries.value_rowids(), tf.int32)
        places = tf.stack([rows, tf.gather(tf.convert_to_tensor(self.nexts), flat)], 1)
        rest = tf.gather(tf.convert_to_tensor(self.backoff), last)[:, None] * tf.convert_to_tensor(self.lower)[None]
        return tf.tensor_scatter_nd_add(rest, places, tf.gather(tf.convert_to_tensor(self.shares), flat))

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor((inputs.shape[0], self.features), "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features, "pairs": self.pairs}
