"""Loss, optimizer and metrics of a model, as set by `Model.compile`, and model traits that decide on XLA."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from raysq.layers.recurrent import FastRNN
from raysq.problems.specs import Objective, OutputMetric
from raysq.training.old_optimizers import Adagrad2, Nadam2, RMSprop2
from raysq.training.settings import OPTIMIZER_SETTINGS, TrainSettings


@dataclass(frozen=True)
class OutputLoss:
    """Loss of one output.

    Attributes:
        function: function `(y, prediction)` that returns unreduced losses of shape `(batch, ...)`.
        weight: factor of the loss in the sum over all outputs; None for 1.
        masked: whether some values do not count, by the mask of the predictions or of the losses. The loss of a batch
            is then the mean over the others, as in Keras.
    """

    function: Callable[[Any, Any], Any]
    weight: float | None = None
    masked: bool = False


@dataclass(frozen=True)
class Compilation:
    """Loss, optimizer and metrics of a model.

    Attributes:
        optimizer: optimizer of all trainable variables.
        losses: losses by output, "" for the only one. None where the model's `compute_loss` returns one number for a
            batch.
        metrics: metrics by name. A value is a Keras metric, its name, or a function `(y, prediction)` that returns
            a value for each example. An `OutputMetric` holds one of these for one output.
        weighted_metrics: names of metrics that weigh examples as the data say; others weigh all alike.
        own_optimizer: whether the optimizer comes from a model that the user compiled.
        penalized: whether the loss in an epoch's record includes penalties, such as of `add_loss`, as Keras's does.
        whole_batches: whether loss or metrics are the user's and may relate the rows of a batch to each other. They
            then receive batches without padding rows and without weights.
        masked: whether predictions of a user's model carry masks, which then apply to metrics.
    """

    optimizer: keras.Optimizer
    losses: Mapping[str, OutputLoss] | None
    metrics: Mapping[str, Any]
    weighted_metrics: tuple[str, ...] = ()
    own_optimizer: bool = False
    penalized: bool = False
    whole_batches: bool = False
    masked: bool = False

    @property
    def ignored_settings(self) -> tuple[str, ...]:
        """Names of training settings that the model's own optimizer decides."""
        return OPTIMIZER_SETTINGS if self.own_optimizer else ()

    @property
    def masked_losses(self) -> tuple[str, ...]:
        """Outputs whose loss leaves out masked values."""
        return tuple(output for output, loss in (self.losses or {}).items() if loss.masked)

    @property
    def loss_names(self) -> dict[str, str]:
        """Names in an epoch's record of the losses of each output, where there are several."""
        several = self.losses is not None and len(self.losses) > 1
        return {output: f"{output}_loss" for output in self.losses or ()} if several else {}


def compile_objective(objective: Objective, settings: TrainSettings, total_steps: int) -> Compilation:
    """Return the compilation of a model that was not compiled, from the objective and the settings."""
    by_output = objective.loss if isinstance(objective.loss, Mapping) else {"": objective.loss}
    factors = objective.loss_weights or {}
    losses = {
        output: OutputLoss(keras.losses.get(loss), factors.get(output))
        for output, loss in by_output.items()
        if loss is not None
    }
    optimizer = make_optimizer(settings, total_steps)
    return Compilation(optimizer, losses, dict(objective.metrics), objective.weighted_metrics)


def has_max_pooling(model: keras.Model) -> bool:
    """Return whether the model has max pooling, of which XLA has no deterministic gradient (TensorFlow 2.21)."""
    pooling = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D)
    return any(isinstance(layer, pooling) for layer in parts(model))


def has_keras_loop(model: keras.Model) -> bool:
    """Return whether a recurrent layer of the model runs Keras's own loop, which is slow without XLA."""
    return any(
        isinstance(layer, keras.layers.RNN) and not (isinstance(layer, FastRNN) and layer.uses_fast_loop())
        for layer in parts(model)
    )


def parts(layer: Any) -> Iterator[Any]:
    """Iterate over the layers of a Keras model or layer, including nested layers."""
    inside = [getattr(layer, name, None) for name in ("layer", "forward_layer", "backward_layer")]
    for part in [*getattr(layer, "layers", []), *inside]:
        if isinstance(part, keras.layers.Layer):
            yield part
            yield from parts(part)


def make_optimizer(settings: TrainSettings, total_steps: int) -> keras.Optimizer:
    """Return the optimizer of the settings, with its learning rate schedule and loss scaling."""
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, total_steps)
    elif settings.schedule == "exponential":
        rate = keras.optimizers.schedules.ExponentialDecay(rate, total_steps, 0.1)
    config = {"learning_rate": rate} | ({} if settings.epsilon is None else {"epsilon": settings.epsilon})
    if settings.optimizer == "adagrad" and settings.preset != "keras3":
        config["initial_accumulator_value"] = 0.0
    old = {"rmsprop": RMSprop2, "adagrad": Adagrad2, "nadam": Nadam2} if settings.preset == "keras2" else {}
    optimizer = (
        old[settings.optimizer](**config)
        if settings.optimizer in old
        else keras.optimizers.get({"class_name": settings.optimizer, "config": config})
    )
    if settings.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def make_metrics(compilation: Compilation) -> dict[str, keras.Metric]:
    """Return Keras metrics by name: the mean loss, those of each of several outputs, and the metrics."""
    losses = ("loss", *compilation.loss_names.values())
    metrics: dict[str, keras.Metric] = {name: keras.metrics.Mean(name=name) for name in losses}
    for name, value in compilation.metrics.items():
        metric = keras.metrics.get(value.metric if isinstance(value, OutputMetric) else value)
        is_metric = isinstance(metric, keras.Metric)
        metrics[name] = metric if is_metric else keras.metrics.MeanMetricWrapper(metric, name=name)
    return metrics


def read_results(metrics: Mapping[str, keras.Metric], prefix: str) -> dict[str, float]:
    """Return the results of metrics by prefixed name."""
    results: dict[str, float] = {}
    for name, metric in metrics.items():
        result = metric.result()
        named = result if isinstance(result, dict) else {name: result}
        results |= {prefix + key: float(value) for key, value in named.items()}
    return results


def take_results(metrics: Mapping[str, keras.Metric], prefix: str) -> dict[str, float]:
    """Return the results of metrics by prefixed name, and reset them."""
    results = read_results(metrics, prefix)
    for metric in metrics.values():
        metric.reset_state()
    return results
