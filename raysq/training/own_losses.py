"""Loss of one output of a user's model, as a function of each example."""

from typing import Any

import keras
from keras import ops

from raysq.errors import UsageError
from raysq.training import observed
from raysq.training.compilation import OutputLoss
from raysq.training.masks import mask_of
from raysq.training.user_code import user_errors

_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


def own_loss(
    given: Any, name: str, y: Any, prediction: Any, *, unobserved: bool, weighted: bool, divided: bool = False
) -> OutputLoss:
    """Return the user's loss of an output; its function returns unreduced values, as `keras.losses.Loss` does.

    Args:
        given: loss, function or name.
        name: name of the model, for messages.
        y: targets of some examples.
        prediction: predictions for them.
        unobserved: whether some values of the output were not observed.
        weighted: whether examples have weights.
        divided: whether several replicas see a part of each batch. Defaults to False.

    Raises:
        UsageError: Keras does not know the loss, or it fails, or it is no mean over examples.
    """
    with user_errors(name, "has a loss that Keras does not know", everything=True):
        loss = keras.losses.get(resolve_name(given, y, prediction, "crossentropy", ("crossentropy", "ce")))
    if isinstance(loss, keras.losses.Loss) and loss.reduction not in _MEANS:
        raise UsageError(
            f"model {name!r}: its loss {loss.name} has reduction={loss.reduction!r}, and raysq trains on the mean over "
            f"all examples: leave reduction out"
        )
    if weighted and getattr(loss, "reduction", "") == "mean_with_sample_weight":
        raise UsageError(
            f"model {name!r}: its loss {loss.name} has reduction='mean_with_sample_weight', and the examples have "
            f"weights, with which raysq takes the sum over the number of examples: leave reduction out"
        )
    title = getattr(loss, "__name__", None) or type(loss).__name__
    validate_shapes(loss, title, name, y, prediction, "loss")

    def per_example(y: Any, prediction: Any) -> Any:
        dtype = getattr(loss, "dtype", None) or keras.config.floatx()
        y, prediction = ops.cast(y, dtype), ops.cast(prediction, dtype)
        return loss.call(y, prediction) if isinstance(loss, keras.losses.Loss) else loss(*_same_rank(y, prediction))

    with user_errors(name, f"fails in its loss {title}", everything=True):
        values = ops.convert_to_tensor(per_example(y, prediction))
    if tuple(values.shape[:1]) != tuple(y.shape[:1]):
        raise UsageError(
            f"model {name!r}: its loss {title} gives values of shape {tuple(values.shape)} for {y.shape[0]} examples, "
            f"and must give one for each: take the mean over axis -1 only"
        )
    if divided:
        rows = slice(y.shape[0] // 2), slice(y.shape[0] // 2, None)
        with user_errors(name, f"fails in its loss {title}", everything=True):
            parts = ops.concatenate([per_example(y[part], prediction[part]) for part in rows])
        if not close(ops.nan_to_num(values), ops.nan_to_num(parts)):
            raise UsageError(
                f"model {name!r}: its loss {title} of an example depends on the others of its batch, of which several "
                f"workers or devices see a part each: use one that does not, or train with one worker"
            )
    masked = _is_masked(values, title, name, prediction)
    if masked and unobserved:
        raise UsageError(
            f"model {name!r}: its loss {title} leaves out masked values, and raysq cannot combine these with targets "
            f"that were not observed, as some of these data: prepare rows that have all targets"
        )
    if unobserved:
        with user_errors(name, f"fails in its loss {title} of one output", everything=True):
            apart = observed.per_example(per_example, y, prediction, ops.ones_like(y))
        if not close(apart, observed.per_example(per_example, y, prediction, None)):
            raise UsageError(
                f"model {name!r}: its loss {title} is no mean over outputs, of which some were not observed in these "
                f"data: use one that is, or train on one output"
            )
    return OutputLoss(per_example, masked=masked)


def _is_masked(values: Any, title: str, name: str, prediction: Any) -> bool:
    """Return whether a mask applies to the values of a loss.

    Raises:
        UsageError: it has another shape than the values.
    """
    masks = [mask for mask in (mask_of(prediction), mask_of(values)) if mask is not None]
    for mask in masks:
        if _squeezed(mask.shape) != _squeezed(values.shape):
            raise UsageError(
                f"model {name!r}: its loss {title} gives values of shape {tuple(values.shape)} for predictions with a "
                f"mask of shape {tuple(mask.shape)}: it must give one for each step, a mean over axis -1"
            )
    return bool(masks)


def _squeezed(shape: Any) -> tuple[int, ...]:
    return tuple(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape)


def _same_rank(y: Any, prediction: Any) -> tuple[Any, Any]:
    """Drop an extra last axis of size 1 from y or the prediction, as Keras does for functions."""
    if len(y.shape) == len(prediction.shape) + 1 and y.shape[-1] == 1:
        return ops.squeeze(y, -1), prediction
    if len(prediction.shape) == len(y.shape) + 1 and prediction.shape[-1] == 1:
        return y, ops.squeeze(prediction, -1)
    return y, prediction


def resolve_name(identifier: Any, y: Any, prediction: Any, what: str, names: tuple[str, ...]) -> Any:
    """Return the function name that Keras selects by shape for "accuracy" and "crossentropy"."""
    if str(identifier).lower() not in names:
        return identifier
    if prediction.shape[-1] == 1:
        return f"binary_{what}"
    sparse = len(y.shape) < len(prediction.shape) or (y.shape[-1] == 1 and prediction.shape[-1] > 1)
    return f"sparse_categorical_{what}" if sparse else f"categorical_{what}"


def validate_shapes(what: Any, title: str, name: str, y: Any, prediction: Any, part: str) -> None:
    """Refuse a Keras loss or metric that would broadcast y over predictions of another shape.

    Raises:
        UsageError: the shapes differ.
    """
    module = getattr(what, "__module__", "") or ""
    of_keras = module.partition(".")[0] == "keras" and type(what) is not keras.metrics.MeanMetricWrapper
    if not of_keras or "sparse" in title.lower() or "iou" in title.lower():
        return
    truth, predicted = _same_rank(y, prediction)
    if tuple(truth.shape) != tuple(predicted.shape):
        raise UsageError(
            f"model {name!r}: its {part} {title} compares values of the same shape, and y has shape {tuple(y.shape)}, "
            f"the predictions {tuple(prediction.shape)}"
        )


def close(left: Any, right: Any) -> bool:
    """Return whether values are equal up to float rounding."""
    return bool(ops.all(ops.isclose(ops.cast(left, "float32"), ops.cast(right, "float32"), rtol=1e-4, atol=1e-6)))
