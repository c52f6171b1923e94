"""Loss, optimizer and metrics of a user's model, from `compile(...)` and `compute_loss`."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from raysq.errors import UsageError
from raysq.problems.specs import BatchSource, Objective
from raysq.training import observed
from raysq.training.batch_feed import Batch
from raysq.training.compilation import Compilation, OutputLoss, compile_objective, make_optimizer
from raysq.training.settings import TrainSettings
from raysq.training.user_code import is_own, user_errors
from raysq.training.validation import overridden, sample

# Keys of an epoch's record, which a metric's name must not repeat.
_RECORD_KEYS = ("loss", "epoch", "step", "seconds", "learning_rate", "best")
_PREFIXES = ("train_", "val_", "test_")
_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


def compilation_of(
    model: keras.Model,
    name: str,
    objective: Objective,
    settings: TrainSettings,
    total_steps: int,
    splits: Mapping[str, BatchSource],
    replicas: int,
) -> Compilation:
    """Return the compilation of a model; the objective and the settings complete what the model does not define.

    Args:
        model: a Keras model.
        name: name of the model, for messages.
        objective: loss and metrics of a model that defines none.
        settings: training settings.
        total_steps: number of steps of all epochs.
        splits: batch sources by split. The loss and metrics of a user's model are tried on some of their examples.
        replicas: number of replicas over all workers.

    Raises:
        UsageError: raysq cannot train with the user's loss, optimizer or metrics, or not with several replicas, or
            not where targets are unobserved.
    """
    if replicas > 1 and settings.batch_size % replicas:
        _validate_penalties(model, name, settings.batch_size, replicas)
    compiled = bool(getattr(model, "compiled", False))
    if not compiled and overridden(model, "compute_loss") is None:
        return compile_objective(objective, settings, total_steps)
    batch = sample(splits["train"])
    if isinstance(batch.y, Mapping):
        raise UsageError(f"model {name!r} is compiled, and the data have several targets: leave compile() out")
    # Why loss and metrics see weighted parts of a batch, for messages; empty where they see whole batches.
    parts = f"{replicas} workers or devices" if replicas > 1 else ""
    if any(getattr(examples, "shares", None) is not None for examples in splits.values()):
        parts = "data with targets that were not observed"
    given = _arguments(model, name) if compiled else {}
    with user_errors(name, "cannot be called with a batch", everything=True):
        prediction = model(batch.x, training=False)
    optimizer = model.optimizer if compiled else make_optimizer(settings, total_steps)
    if compiled:
        _validate_optimizer(optimizer, name, replicas)
    losses: dict[str, OutputLoss] | None = None
    if owner := overridden(model, "compute_loss"):
        if parts:
            raise UsageError(
                f"model {name!r}: the compute_loss of its class {owner} gives one number for all that it sees, which "
                f"is not exact for {parts}: compile the model with a loss of each example instead"
            )
        if not compiled:  # for `super().compute_loss`
            model.compile(optimizer=optimizer, loss=objective.loss)
        with user_errors(name, "fails in compute_loss", everything=True):
            value = batch_loss(model, batch, prediction, training=False)
            _validate_batch_loss(value, name)
    elif given.get("loss") is None:
        raise UsageError(f"model {name!r} is compiled without a loss: compile it with one, or not at all")
    else:
        loss = _own_loss(given["loss"], name, batch.y, prediction, mask=parts.startswith("data"))
        losses = {"": OutputLoss(loss)}
    metrics = _own_metrics(given.get("metrics"), name, batch.y, prediction) if compiled else dict(objective.metrics)
    if compiled:
        for key, metric in metrics.items():
            _validate_metric(metric, key, name, batch.y, prediction, parts)
    return Compilation(optimizer, losses, metrics, own_optimizer=compiled, whole_batches=not parts)


def batch_loss(model: keras.Model, batch: Batch, prediction: Any, *, training: bool) -> Any:
    """Return the loss of a batch from the model's own `compute_loss`, called as Keras calls it.

    `prediction` is the result of calling the model.
    """
    parameters = inspect.signature(model.compute_loss).parameters
    named = "training" in parameters or any(part.kind is part.VAR_KEYWORD for part in parameters.values())
    weights = (batch.sample_weight or {}).get("")
    return model.compute_loss(batch.x, batch.y, prediction, weights, **({"training": training} if named else {}))


def _arguments(model: keras.Model, name: str) -> Mapping[str, Any]:
    """Return the arguments that `compile` was called with; `get_compile_config` returns them serialized only."""
    config = getattr(model, "_compile_config", None)
    if config is None:
        raise UsageError(f"model {name!r} says that it is compiled and was never: call compile(), or leave it out")
    given: Mapping[str, Any] = config.config
    for argument, instead in (
        ("loss_weights", "multiply the loss instead"),
        ("weighted_metrics", "give them as metrics instead, which weigh all examples alike, as the data do"),
    ):
        if given.get(argument) is not None:
            raise UsageError(f"model {name!r} is compiled with {argument}, which raysq does not apply: {instead}")
    loss, metrics = given.get("loss"), given.get("metrics")
    if isinstance(loss, (list, tuple, dict)):
        raise UsageError(
            f"model {name!r} is compiled with {len(loss)} losses in a {type(loss).__name__}: it has one output here, "
            f"give its loss by itself"
        )
    if isinstance(metrics, dict) or any(isinstance(metric, (list, tuple, dict)) for metric in metrics or ()):
        raise UsageError(f"model {name!r} is compiled with metrics by output: it has one output here, give one list")
    return given


def _validate_penalties(model: keras.Model, name: str, size: int, replicas: int) -> None:
    """Refuse penalties on activations, to which the padding rows of a replica's part would contribute."""
    on_weights = sum(getattr(variable, "regularizer", None) is not None for variable in model.trainable_variables)
    if is_own(name) and len(model.losses) > on_weights:  # `build_own_model` has called it with a batch
        raise UsageError(
            f"model {name!r} has penalties on activations (add_loss or activity_regularizer), which are exact only "
            f"where batch_size divides over the {replicas} workers or devices, received {size}"
        )


def _validate_optimizer(optimizer: keras.Optimizer, name: str, replicas: int) -> None:
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if getattr(inner, "use_ema", False) and not inner.ema_overwrite_frequency:
        raise UsageError(
            f"model {name!r}: its optimizer keeps averages of the weights (use_ema) that only Keras's fit puts in "
            f"their place at the end: set ema_overwrite_frequency, or leave use_ema out"
        )
    if replicas > 1 and getattr(inner, "gradient_accumulation_steps", None):
        raise UsageError(
            f"model {name!r}: its optimizer's gradient_accumulation_steps are for one worker: raise batch_size instead"
        )


# ---- loss


def _own_loss(given: Any, name: str, y: Any, prediction: Any, mask: bool) -> Callable[[Any, Any], Any]:
    """Return the user's loss as a function that returns unreduced values, as `keras.losses.Loss` computes them."""
    with user_errors(name, "has a loss that Keras does not know", everything=True):
        loss = keras.losses.get(_resolve(given, y, prediction, "crossentropy", ("crossentropy", "ce")))
    if isinstance(loss, keras.losses.Loss) and loss.reduction not in _MEANS:
        raise UsageError(
            f"model {name!r}: its loss {loss.name} has reduction={loss.reduction!r}, and raysq trains on the mean over "
            f"all examples: leave reduction out"
        )
    title = getattr(loss, "__name__", None) or type(loss).__name__
    _validate_shapes(loss, title, name, y, prediction, "loss")

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
    if mask:
        with user_errors(name, f"fails in its loss {title} of one output", everything=True):
            apart = observed.per_example(per_example, y, prediction, ops.ones_like(y))
        if not _close(apart, observed.per_example(per_example, y, prediction, None)):
            raise UsageError(
                f"model {name!r}: its loss {title} is no mean over outputs, of which some were not observed in these "
                f"data: use one that is, or train on one output"
            )
    return per_example


def _validate_batch_loss(value: Any, name: str) -> None:
    if value is None or tuple(getattr(value, "shape", ())) != ():
        what = "None" if value is None else f"values of shape {tuple(value.shape)}"
        raise UsageError(f"model {name!r}: its compute_loss must return one number, it returns {what}")


def _same_rank(y: Any, prediction: Any) -> tuple[Any, Any]:
    """Drop an extra last axis of size 1 from y or the prediction, as Keras does for functions."""
    if len(y.shape) == len(prediction.shape) + 1 and y.shape[-1] == 1:
        return ops.squeeze(y, -1), prediction
    if len(prediction.shape) == len(y.shape) + 1 and prediction.shape[-1] == 1:
        return y, ops.squeeze(prediction, -1)
    return y, prediction


def _resolve(identifier: Any, y: Any, prediction: Any, what: str, names: tuple[str, ...]) -> Any:
    """Return the function name that Keras selects by shape for "accuracy" and "crossentropy"."""
    if str(identifier).lower() not in names:
        return identifier
    if prediction.shape[-1] == 1:
        return f"binary_{what}"
    sparse = len(y.shape) < len(prediction.shape) or (y.shape[-1] == 1 and prediction.shape[-1] > 1)
    return f"sparse_categorical_{what}" if sparse else f"categorical_{what}"


def _validate_shapes(what: Any, title: str, name: str, y: Any, prediction: Any, part: str) -> None:
    """Refuse a Keras loss or metric that would broadcast y over predictions of another shape."""
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


# ---- metrics


def _own_metrics(given: Any, name: str, y: Any, prediction: Any) -> dict[str, Any]:
    """Return the user's metrics by displayed name."""
    by_name: dict[str, Any] = {}
    for identifier in given or ():
        if identifier is None:
            continue
        with user_errors(name, "has a metric that Keras does not know", everything=True):
            metric = keras.metrics.get(_resolve(identifier, y, prediction, "accuracy", ("accuracy", "acc")))
        title = getattr(metric, "__name__", None) or type(metric).__name__
        key = identifier if isinstance(identifier, str) else getattr(metric, "name", None) or title
        if key in by_name or key in _RECORD_KEYS or key.startswith(_PREFIXES):
            raise UsageError(
                f"model {name!r} has a metric named {key!r}, which is the name of something else in its record: give "
                f"it another name"
            )
        _validate_shapes(metric, title, name, y, prediction, "metric")
        by_name[key] = metric
    return by_name


def _validate_metric(metric: Any, key: str, name: str, y: Any, prediction: Any, parts: str) -> None:
    """Try a metric on a batch.

    Raises:
        UsageError: it fails, returns no number, or would not be exact on weighted parts of a batch.
    """
    title = getattr(metric, "__name__", None) or type(metric).__name__
    with user_errors(name, f"fails in its metric {title}", everything=True):
        if not isinstance(metric, keras.Metric):
            metric = keras.metrics.MeanMetricWrapper(metric, name=key)
        after = metric.stateless_update_state(_fresh(metric), y, prediction)
        if len(after) != len(metric.variables):  # its variables are created with the first batch
            after = metric.stateless_update_state(_fresh(metric), y, prediction)
        shapes = [tuple(value.shape) for value in _results(metric, after)]
    if any(shapes):
        raise UsageError(
            f"model {name!r}: its metric {title} gives values of shape {shapes[0]}, and must give a number"
        )
    if parts:
        _validate_sums(metric, title, name, y, prediction, parts)


def _validate_sums(metric: keras.Metric, title: str, name: str, y: Any, prediction: Any, parts: str) -> None:
    """Refuse a metric whose variables are not weighted sums over the rows of a batch."""
    fresh, half = _fresh(metric), y.shape[0] // 2

    def added(rows: slice, *weights: float) -> list[Any]:
        weight = ops.convert_to_tensor(weights or [1.0] * len(y[rows]), "float32")
        after = metric.stateless_update_state(fresh, y[rows], prediction[rows], sample_weight=weight)
        return [new - old for new, old in zip(after, fresh, strict=True)]

    def result(*changes: list[Any]) -> list[Any]:
        return _results(metric, [sum(values[1:], values[0]) for values in zip(fresh, *changes, strict=True)])

    with user_errors(name, f"has a metric {title} that takes no weights, which {parts} need", everything=True):
        first, second = added(slice(half)), added(slice(half, None))
        alone, at_once = result(first), result(added(slice(None)))
        together = result(first, second)
        weighted = result(added(slice(None), *[1.0] * half, *[0.0] * (len(y) - half)))
    for values, expected, reason in (
        (at_once, together, "it keeps no sum over examples"),
        (weighted, alone, "it does not apply sample_weight"),
    ):
        if not all(map(_close, values, expected)):
            raise UsageError(
                f"model {name!r}: its metric {title} is not exact for {parts}, for {reason}: leave it out, or write "
                f"one that is a weighted mean over examples"
            )


def _fresh(metric: keras.Metric) -> list[Any]:
    """Return the initial values of a metric's variables."""
    return [tf.convert_to_tensor(variable.value) for variable in metric.variables]


def _results(metric: keras.Metric, values: list[Any]) -> list[Any]:
    """Return a metric's results for given values of its variables.

    `stateless_result` is not used, since it may return a variable itself.
    """
    with keras.StatelessScope(state_mapping=list(zip(metric.variables, values, strict=True))):
        result = metric.result()
        scalars = result.values() if isinstance(result, dict) else [result]
        return [tf.convert_to_tensor(value.value if isinstance(value, keras.Variable) else value) for value in scalars]


def _close(left: Any, right: Any) -> bool:
    return bool(ops.all(ops.isclose(ops.cast(left, "float32"), ops.cast(right, "float32"), rtol=1e-4, atol=1e-6)))
