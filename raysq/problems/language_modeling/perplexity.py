"""How surprised a model is: the loss, perplexity and accuracy of positions, for models of one or of all positions."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

_LEAST = 1e-30  # below any probability of a softmax that can be learned from


def loss(y: Any, prediction: Any) -> Any:
    """The negative logarithm of the probability of the id that follows, shape (batch,), in nats.

    Args:
        y: as `raysq.problems.language_modeling.batches.gather` makes it.
        prediction: probabilities, `(batch, features)`; of every position `(batch, maxlen, features)`. Then the value
            is the weighted sum over the positions.
    """
    ids, weight = _parted(y)
    # The quickest of some ways to choose them, with its gradient.
    found = tf.gather(prediction, ids, batch_dims=len(ids.shape))
    values = -ops.log(ops.maximum(found, _LEAST))
    return values if weight is None else ops.sum(values * weight, -1)


def accuracy(y: Any, prediction: Any) -> Any:
    """Whether the most likely id is the one that follows, float32 of shape (batch,); of every position the weighted
    sum.

    Args:
        y: as for `loss`.
        prediction: as for `loss`.
    """
    ids, weight = _parted(y)
    right = ops.cast(ops.equal(ops.cast(ops.argmax(prediction, -1), "int32"), ids), "float32")
    return right if weight is None else ops.sum(right * weight, -1)


@keras.saving.register_keras_serializable(package="raysq")
class Perplexity(keras.metrics.Mean):
    """exp of the mean loss over all positions."""

    def __init__(self, name: str = "perplexity", **kwargs: Any):
        super().__init__(name=name, **kwargs)

    def update_state(self, y: Any, prediction: Any, sample_weight: Any = None) -> None:
        """Adds the examples of a batch; see `loss`."""
        super().update_state(loss(y, prediction), sample_weight=sample_weight)

    def result(self) -> Any:
        """The perplexity of all examples so far."""
        return ops.exp(super().result())


def _parted(y: Any) -> tuple[Any, Any]:
    """Ids, and the weights of positions; None where there is one position."""
    if len(y.shape) == 2:
        return ops.cast(y[:, 0], "int32"), None
    return ops.cast(y[..., 0], "int32"), y[..., 1]
