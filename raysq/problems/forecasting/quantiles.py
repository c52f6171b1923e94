"""Quantile forecasts: the pinball loss, the error of the median forecast, and the coverage."""

from collections.abc import Callable, Sequence
from typing import Any


def pinball(quantiles: Sequence[float]) -> Callable[[Any, Any], Any]:
    """Return the pinball loss (Koenker and Bassett 1978), averaged over the quantiles of each output.

    For a quantile q and an error e = y - prediction, the loss is q * e above and (q - 1) * e below. It is least where
    a share q of the values lies below the prediction.

    Args:
        quantiles: rising, between 0 and 1.

    Returns:
        A function of y, shape `(batch, outputs)`, and predictions, shape `(batch, outputs * quantiles)` with the
        quantiles of an output next to each other. It returns losses of shape `(batch, outputs)`.
    """
    levels = list(quantiles)

    def pinball_loss(y: Any, prediction: Any) -> Any:
        from keras import ops

        error = ops.expand_dims(y, -1) - _by_quantile(prediction, len(levels))
        share = ops.convert_to_tensor(levels, error.dtype)
        return ops.mean(ops.maximum(share * error, (share - 1.0) * error), axis=-1)

    return pinball_loss


def absolute_error(count: int, middle: int) -> Callable[[Any, Any], Any]:
    """Return the absolute error of the forecast, averaged over outputs, for a Keras metric.

    Args:
        count: predictions of each output.
        middle: index of the prediction that is the forecast.
    """

    def mae(y: Any, prediction: Any) -> Any:
        from keras import ops

        if count > 1:
            prediction = _in_order(prediction, count)[..., middle]
        return ops.mean(ops.absolute(y - prediction), axis=-1)

    return mae


def squared_error(count: int, middle: int) -> Callable[[Any, Any], Any]:
    """Return the squared error of the forecast, averaged over outputs, for a Keras metric; see `absolute_error`."""

    def mse(y: Any, prediction: Any) -> Any:
        from keras import ops

        if count > 1:
            prediction = _in_order(prediction, count)[..., middle]
        return ops.mean(ops.square(y - prediction), axis=-1)

    return mse


def coverage(count: int, low: int, high: int) -> Callable[[Any, Any], Any]:
    """Return the share of values between two quantiles, averaged over outputs, for a Keras metric."""

    def covered(y: Any, prediction: Any) -> Any:
        from keras import ops

        ordered = _in_order(prediction, count)
        inside = ops.logical_and(y >= ordered[..., low], y <= ordered[..., high])
        return ops.mean(ops.cast(inside, "float32"), axis=-1)

    return covered


def median_index(quantiles: Sequence[float]) -> int:
    """Return the index of the quantile that serves as the forecast: the nearest to one half. 0 without quantiles."""
    return min(range(len(quantiles)), key=lambda index: abs(quantiles[index] - 0.5), default=0)


def _by_quantile(prediction: Any, count: int) -> Any:
    from keras import ops

    return ops.reshape(prediction, (-1, prediction.shape[-1] // count, count))


def _in_order(prediction: Any, count: int) -> Any:
    """Sort the quantiles of each output as `predict` does: they are trained independently and may cross."""
    from keras import ops

    return ops.sort(_by_quantile(prediction, count), axis=-1)
