"""Masks of Keras (`mask_zero`, `Masking`) on predictions and losses: values that do not count."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

Tensor = Any  # TensorFlow has no types


def mask_of(tensor: Any) -> Any:
    """Return the mask that Keras attached to a tensor, True where a value counts; None without one."""
    return getattr(tensor, "_keras_mask", None)


def masks_of(prediction: Any) -> dict[str, Tensor]:
    """Return the masks of predictions by output, "" for the only one, without outputs that have none."""
    outputs = prediction if isinstance(prediction, Mapping) else {"": prediction}
    return {name: mask_of(values) for name, values in outputs.items() if mask_of(values) is not None}


def with_mask(tensor: Tensor, mask: Any) -> Tensor:
    """Return a tensor to which a mask is attached."""
    tensor = tf.identity(tensor)
    tensor._keras_mask = mask
    return tensor


def masked_values(loss: Callable[[Any, Any], Any], y: Any, prediction: Any) -> tuple[Tensor, Tensor]:
    """Return the values of a loss, and 1 for each value that counts, else 0.

    A value counts if it does by the mask of the predictions and by that of the loss, such as of `ignore_class`.

    Args:
        loss: function `(y, prediction)` that returns unreduced losses.
        y: targets.
        prediction: predictions, to which their mask is attached.

    Returns:
        Two float32 tensors of shape (batch, values).
    """
    values = loss(y, prediction)
    masks = [mask for mask in (mask_of(prediction), mask_of(values)) if mask is not None]
    values = tf.cast(values, tf.float32)
    values = tf.reshape(values, (tf.shape(values)[0], -1))
    counted = tf.ones_like(values)
    for mask in masks:
        counted *= tf.reshape(tf.cast(mask, tf.float32), tf.shape(values))
    return values, counted


def metric_weights(mask: Tensor, weights: Tensor) -> Tensor:
    """Return the weight of each value for a metric that is a mean.

    Args:
        mask: mask of the predictions, of shape (batch, ...).
        weights: weight of each example, of shape (batch,).
    """
    return tf.cast(mask, tf.float32) * tf.reshape(weights, (-1, *[1] * (len(mask.shape) - 1)))
