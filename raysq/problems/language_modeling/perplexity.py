"""Loss, perplexity and accuracy of language models that predict one or every position."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

_LEAST = 1e-30  # keeps the logarithm finite; below any softmax probability with a useful gradient


def loss(y: Any, prediction: Any) -> Any:
    """Return the negative log-probability of the next id in nats.

    Args:
        y: targets, as returned by `raysq.problems.language_modeling.layout.gather`.
        prediction: probabilities, `(batch, features)`, or `(batch, maxlen, features)` for every position.

    Returns:
        Loss of each example, shape `(batch,)`; for every position, the weighted sum over the positions.
    """
    ids, weight = _ids_and_weights(y)
    # A batched gather was the fastest of the variants tried, gradient included.
    shares = tf.gather(prediction, ids, batch_dims=len(ids.shape))
    values = -ops.log(ops.maximum(shares, _LEAST))
    return values if weight is None else ops.sum(values * weight, -1)


def accuracy(y: Any, prediction: Any) -> Any:
    """Return 1 for each example whose most likely id is the next id, else 0.

    Args:
        y: as for `loss`.
        prediction: as for `loss`.

    Returns:
        float32 of shape `(batch,)`; for every position, the weighted sum over the positions.
    """
    ids, weight = _ids_and_weights(y)
    right = ops.cast(ops.equal(ops.cast(ops.argmax(prediction, -1), "int32"), ids), "float32")
    return right if weight is None else ops.sum(right * weight, -1)


@keras.saving.register_keras_serializable(package="raysq")
class Perplexity(keras.metrics.Mean):
    """Perplexity: the exponential of the mean loss over all positions.

    Args:
        name: name of the metric.
        **kwargs: arguments of `keras.metrics.Mean`.
    """

    def __init__(self, name: str = "perplexity", **kwargs: Any):
        super().__init__(name=name, **kwargs)

    def update_state(self, y: Any, prediction: Any, sample_weight: Any = None) -> None:
        """Accumulate the loss of a batch.

        Args:
            y: as for `loss`.
            prediction: as for `loss`.
            sample_weight: weight of each example, shape `(batch,)`; None for equal weights.
        """
        super().update_state(loss(y, prediction), sample_weight=sample_weight)

    def result(self) -> Any:
        """Return the perplexity of all examples since the last reset."""
        return ops.exp(super().result())


def _ids_and_weights(y: Any) -> tuple[Any, Any]:
    """Split y into ids and weights of positions; the weights are None for one position."""
    if len(y.shape) == 2:
        return ops.cast(y[:, 0], "int32"), None
    return ops.cast(y[..., 0], "int32"), y[..., 1]
