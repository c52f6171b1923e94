"""Means over the outputs that were observed, for losses and metrics that know nothing of missing targets."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def per_example(loss: Callable[[Any, Any], Any], y: Any, prediction: Any, observed: Any) -> Any:
    """Mean the loss of each example over its observed outputs.

    Args:
        loss: from y and predictions to unreduced losses.
        y: targets, shape (batch, outputs) where `observed` is given.
        prediction: of the model, shape (batch, outputs * values of an output).
        observed: 1 and 0, shape (batch, outputs), or None where all outputs were observed.

    Returns:
        float32 of shape (batch,); 0 for an example of which nothing was observed.
    """
    if observed is None:
        return _means(loss(y, prediction))
    values = tf.reshape(_means(loss(_apart(y, y), _apart(prediction, y))), tf.shape(observed))
    return tf.reduce_sum(values * observed, 1) / tf.maximum(tf.reduce_sum(observed, 1), 1.0)


def for_metric(y: Any, prediction: Any, observed: Any, weights: Any, output: int | None = None) -> tuple[Any, Any, Any]:
    """Arguments for a metric's `update_state`, so that it is a mean over observed outputs.

    Args:
        y: as for `per_example`.
        prediction: as for `per_example`.
        observed: as for `per_example`.
        weights: of the examples, 0 for padding, shape (batch,).
        output: the output that the metric is of; all when None.
    """
    if output is not None:
        size = prediction.shape[-1] // y.shape[-1]
        prediction = prediction[:, output * size : (output + 1) * size]
        y = y[:, output : output + 1]
        observed = None if observed is None else observed[:, output : output + 1]
    if observed is None:
        return y, prediction, weights
    # The weight of an example is the share of its outputs that was observed: each of these counts as one.
    counted = observed * tf.cast(weights > 0, observed.dtype)[:, None]
    return _apart(y, y), _apart(prediction, y), tf.reshape(counted, (-1,))


def _apart(values: Any, y: Any) -> Any:
    """Every output as an example of its own."""
    return tf.reshape(values, (-1, values.shape[-1] // y.shape[-1]))


def _means(values: Any) -> Any:
    values = tf.cast(values, tf.float32)
    return tf.reduce_mean(tf.reshape(values, (tf.shape(values)[0], -1)), 1)
