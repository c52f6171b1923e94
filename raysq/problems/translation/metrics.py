"""Loss and accuracy of predicted words. Padding is excluded from both."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def word_loss(words: float) -> Callable[[Any, Any], Any]:
    """Return a loss function: the summed cross-entropy of an example's words, divided by `words`.

    If `words` is the mean number of words of a training example, the mean loss over examples equals the mean loss over
    words. Every word then has the same weight, whatever the length of its sentence.
    """

    def loss(y: Any, prediction: Any) -> Any:
        """Return the loss of each example, shape `(batch,)`.

        Args:
            y: word ids, shape `(batch, words)`; 0 is padding.
            prediction: logits, shape `(batch, words, target_words)`.
        """
        logits = tf.cast(prediction, tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.cast(y, tf.int32), logits=logits)
        return tf.reduce_sum(losses * tf.cast(y > 0, tf.float32), 1) / words

    return loss


class WordAccuracy(keras.metrics.Metric):
    """Share of correctly predicted words, given all words before each."""

    def __init__(self, name: str = "accuracy", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.right = self.add_variable(shape=(), initializer="zeros", name="right")
        self.words = self.add_variable(shape=(), initializer="zeros", name="words")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Accumulate a batch.

        Args:
            y_true: word ids, shape `(batch, words)`; 0 is padding.
            y_pred: logits, shape `(batch, words, target_words)`.
            sample_weight: weight of each example, shape `(batch,)`.
        """
        weights = keras.ops.cast(y_true > 0, "float32")
        if sample_weight is not None:
            weights = weights * keras.ops.cast(sample_weight, "float32")[:, None]
        predicted = keras.ops.cast(keras.ops.argmax(y_pred, axis=-1), y_true.dtype)
        right = keras.ops.cast(keras.ops.equal(predicted, y_true), "float32")
        self.right.assign_add(keras.ops.sum(right * weights))
        self.words.assign_add(keras.ops.sum(weights))

    def result(self) -> Any:
        """Return the accuracy, from 0 to 1."""
        return self.right / keras.ops.maximum(self.words, 1.0)
