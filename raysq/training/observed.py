"""Means over observed outputs, for losses and metrics without support for missing targets."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def per_example(loss: Callable[[Any, Any], Any], y: Any, prediction: Any, observed: Any) -> Any:
    """Return the mean loss of each example over its observed outputs.

    Args:
        loss: function `(y, prediction)` that returns unreduced losses.
        y: targets, of shape (batch, outputs) where `observed` is given.
        prediction: predictions of the model, of shape (batch, outputs * values per output).
        observed: mask of 1 and 0, of the shape of y, or None where all outputs were observed.

    Returns:
        A float32 tensor of shape (batch,); 0 for an example without an observed output.
    """
    if observed is None:
        return _means(loss(y, prediction))
    y, observed = _columns(y), _columns(observed)
    values = tf.reshape(_means(loss(_per_output(y, y), _per_output(prediction, y))), tf.shape(observed))
    return tf.reduce_sum(values * observed, 1) / tf.maximum(tf.reduce_sum(observed, 1), 1.0)


def for_metric(
    y: Any, prediction: Any, observed: Any, weights: Any, output: int | None = None, sample_weight: Any = None
) -> tuple[Any, Any, Any]:
    """Return arguments for a metric's `update_state` that make it a mean over observed outputs.

    Args:
        y, prediction, observed: see `per_example`.
        weights: weights of the examples, 0 for padding, of shape (batch,).
        output: index of the output to measure. Defaults to all outputs.
        sample_weight: further weights of the examples, for weighted metrics. Defaults to None.

    Returns:
        y, predictions and sample weights. Where `observed` is given, each output is an example of its own.
    """
    if output is not None:
        size = prediction.shape[-1] // y.shape[-1]
        prediction = prediction[:, output * size : (output + 1) * size]
        y = y[:, output : output + 1]
        observed = None if observed is None else observed[:, output : output + 1]
    if observed is None:
        return y, prediction, weights if sample_weight is None else weights * sample_weight
    y, observed = _columns(y), _columns(observed)
    # `weights` holds the share of observed outputs of each example; here each observed output has weight 1.
    counted = observed * tf.cast(weights > 0, observed.dtype)[:, None]
    if sample_weight is not None:
        counted *= sample_weight[:, None]
    return _per_output(y, y), _per_output(prediction, y), tf.reshape(counted, (-1,))


def unobserved_marked(y: Any, observed: Any) -> Any:
    """Return targets with NaN, or -1 where they are integers, in place of those that were not observed.

    Args:
        y: targets.
        observed: mask of the shape of y, or None where all were observed.
    """
    if observed is None:
        return y
    mark = tf.constant(float("nan") if y.dtype.is_floating else -1, y.dtype)
    return tf.where(observed > 0, y, mark)


def _per_output(values: Any, y: Any) -> Any:
    """Reshape values so that every output is an example of its own."""
    return tf.reshape(values, (-1, values.shape[-1] // y.shape[-1]))


def _columns(values: Any) -> Any:
    """Return a vector of one value for each example as a column."""
    return values[:, None] if len(values.shape) == 1 else values


def _means(values: Any) -> Any:
    values = tf.cast(values, tf.float32)
    return tf.reduce_mean(tf.reshape(values, (tf.shape(values)[0], -1)), 1)
