"""How right the predicted words are: their loss, and the share of them that are right. Padding counts for nothing."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def loss_of(words: float) -> Callable[[Any, Any], Any]:
    """The loss of an example: the cross-entropy of its words, summed, over `words`.

    With the mean number of words of a training example, the mean over examples is that of a word, and every word weighs
    the same, whatever the length of its sentence.
    """

    def loss(y: Any, prediction: Any) -> Any:
        """Of y `(batch, words)`, 0 for none, and logits `(batch, words, target words)`, shape (batch,)."""
        logits = tf.cast(prediction, tf.float32)
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.cast(y, tf.int32), logits=logits)
        return tf.reduce_sum(each * tf.cast(y > 0, tf.float32), 1) / words

    return loss


class WordAccuracy(keras.metrics.Metric):
    """The share of the words that are right, given all words before each."""

    def __init__(self, name: str = "accuracy", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.right = self.add_variable(shape=(), initializer="zeros", name="right")
        self.words = self.add_variable(shape=(), initializer="zeros", name="words")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch: y `(batch, words)`, 0 for none, and logits `(batch, words, target words)`."""
        there = keras.ops.cast(y_true > 0, "float32")
        if sample_weight is not None:
            there = there * keras.ops.cast(sample_weight, "float32")[:, None]
        found = keras.ops.cast(keras.ops.argmax(y_pred, axis=-1), y_true.dtype)
        right = keras.ops.cast(keras.ops.equal(found, y_true), "float32")
        self.right.assign_add(keras.ops.sum(right * there))
        self.words.assign_add(keras.ops.sum(there))

    def result(self) -> Any:
        """A number from 0 to 1."""
        return self.right / keras.ops.maximum(self.words, 1.0)
