"""Metrics of a user's compiled model, by their names in an epoch's record."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from raysq.errors import UsageError
from raysq.problems.specs import OutputMetric
from raysq.training.batch_feed import Batch
from raysq.training.compilation import Compilation, make_metrics
from raysq.training.masks import masks_of, metric_weights, with_mask
from raysq.training.outputs import CompileArguments, pick
from raysq.training.own_losses import close, resolve_name, validate_shapes
from raysq.training.user_code import user_errors

# Keys of an epoch's record, which a metric's name must not repeat.
_RECORD_KEYS = ("loss", "epoch", "step", "seconds", "learning_rate", "best")
_PREFIXES = ("train_", "val_", "test_")


def own_metrics(
    given: dict[str, Any], arguments: CompileArguments, name: str, y: Any, prediction: Any, taken: tuple[str, ...]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the user's metrics by their name in an epoch's record, and the names of the weighted ones.

    Names are those of Keras: that of the metric, after that of its output where there are several.

    Args:
        given: arguments of `compile`.
        arguments: order and names of the outputs.
        name: name of the model, for messages.
        y: targets of some examples, in the structure of the data.
        prediction: predictions for them, in the same structure.
        taken: names in the record that are those of losses.

    Raises:
        UsageError: Keras does not know a metric, or its name is taken.
    """
    metrics: dict[str, Any] = {}
    weighted: list[str] = []
    for argument in ("metrics", "weighted_metrics"):
        for output, identifiers in arguments.metrics_by_output(given.get(argument), argument, name).items():
            for identifier in identifiers:
                values = pick(y, output), pick(prediction, output)
                key, metric = _own_metric(identifier, name, *values)
                prefix = f"{output}_" if output else ""
                if argument == "weighted_metrics" and prefix + key in metrics:
                    key = f"weighted_{key}"
                key = prefix + key
                if key in metrics or key in (*_RECORD_KEYS, *taken) or key.startswith(_PREFIXES):
                    raise UsageError(
                        f"model {name!r} has a metric named {key!r}, which is the name of something else in its "
                        f"record: give it another name"
                    )
                metrics[key] = OutputMetric(output, metric) if output else metric
                weighted += [key] if argument == "weighted_metrics" else []
    return metrics, tuple(weighted)


def _own_metric(identifier: Any, name: str, y: Any, prediction: Any) -> tuple[str, Any]:
    """Return a metric and its name."""
    with user_errors(name, "has a metric that Keras does not know", everything=True):
        metric = keras.metrics.get(resolve_name(identifier, y, prediction, "accuracy", ("accuracy", "acc")))
    title = getattr(metric, "__name__", None) or type(metric).__name__
    validate_shapes(metric, title, name, y, prediction, "metric")
    return identifier if isinstance(identifier, str) else getattr(metric, "name", None) or title, metric


def validate_metrics(
    compilation: Compilation, name: str, y: Any, prediction: Any, parts: str, *, weighted: bool
) -> None:
    """Try the metrics on a batch.

    Args:
        compilation: losses and metrics.
        name: name of the model, for messages.
        y: targets of some examples, in the structure of the data.
        prediction: predictions for them, in the same structure.
        parts: why metrics see weighted parts of a batch, for messages; empty where they see whole batches.
        weighted: whether examples have weights.

    Raises:
        UsageError: see `validate_metric`.
    """
    for key, metric in compilation.metrics.items():
        output = str(metric.output) if isinstance(metric, OutputMetric) else ""
        of_output = metric.metric if isinstance(metric, OutputMetric) else metric
        needs = parts or ("weights of examples" if weighted and key in compilation.weighted_metrics else "")
        validate_metric(of_output, key, name, pick(y, output), pick(prediction, output), needs)


def validate_metric(metric: Any, key: str, name: str, y: Any, prediction: Any, parts: str) -> None:
    """Try a metric on a batch.

    Args:
        metric: the metric.
        key: its name in an epoch's record.
        name: name of the model, for messages.
        y: targets of some examples.
        prediction: predictions for them.
        parts: why metrics see weighted parts of a batch, for messages; empty where they see whole batches.

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
        if not all(map(close, values, expected)):
            raise UsageError(
                f"model {name!r}: its metric {title} is not exact for {parts}, for {reason}: leave it out, or write "
                f"one that is a weighted mean over examples"
            )


def validate_masks(
    compilation: Compilation, name: str, batch: Batch, prediction: Any, parts: str, *, weighted: bool
) -> None:
    """Refuse what raysq cannot weigh as Keras does where predictions carry masks.

    Keras leaves out masked values in metrics that are functions, and in no others of its own.

    Args:
        compilation: losses and metrics.
        name: name of the model, for messages.
        batch: some examples.
        prediction: predictions for them, in the structure of the data.
        parts: see `validate_metrics`.
        weighted: whether examples have weights.

    Raises:
        UsageError: some targets were not observed, or a metric reads the mask itself, or it needs weights, too.
    """
    masks = masks_of(prediction)
    where = f"model {name!r}: its predictions carry the mask of its inputs (mask_zero or Masking), and"
    for of_mask in masks:
        if parts.startswith("data") and (not of_mask or batch.output(of_mask).observed is not None):
            raise UsageError(
                f"{where} some targets were not observed, which raysq cannot combine: prepare rows that have all "
                f"targets, or end the model with a layer that drops the mask"
            )
    for key, metric in make_metrics(compilation).items() if masks else ():
        given = compilation.metrics.get(key)
        output: int | str = given.output if isinstance(given, OutputMetric) else ""
        if given is None or (isinstance(output, str) and output not in masks):
            continue
        is_mean = isinstance(metric, keras.metrics.MeanMetricWrapper)
        if not isinstance(output, str) or (weighted and key in compilation.weighted_metrics and not is_mean):
            raise UsageError(f"{where} the metric {key!r} has no place for one: leave it out, or use a function")
        _validate_mask(metric, key, where, pick(batch.y, output), pick(prediction, output), masks[output], name)


def _validate_mask(metric: keras.Metric, key: str, where: str, y: Any, values: Any, mask: Any, name: str) -> None:
    """Refuse a metric that Keras would compute otherwise from predictions with a mask."""
    # A mask that leaves out something, which that of some examples may not.
    mask = tf.reshape(tf.range(tf.size(mask)) % 2 == 0, tf.shape(mask))
    is_mean = isinstance(metric, keras.metrics.MeanMetricWrapper)
    weights = {"sample_weight": metric_weights(mask, tf.ones(mask.shape[:1]))} if is_mean else {}
    with user_errors(name, f"fails in its metric {key}", everything=True):
        metric.stateless_update_state(_fresh(metric), y, tf.identity(values))  # may create its variables
        by_keras = metric.stateless_update_state(_fresh(metric), y, with_mask(values, mask))
        by_raysq = metric.stateless_update_state(_fresh(metric), y, tf.identity(values), **weights)
    if not all(map(close, _results(metric, by_keras), _results(metric, by_raysq))):
        raise UsageError(
            f"{where} its metric {key!r} reads the mask itself, which raysq does not give to it: write it as a "
            f"function of y and predictions, to which Keras applies the mask"
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
