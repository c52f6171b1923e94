"""Loss, optimizer and metrics of a model, as set by `Model.compile`, and model traits that decide on XLA."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from raysq.layers.recurrent import FastRNN
from raysq.problems.specs import Objective, OutputMetric
from raysq.training.settings import OPTIMIZER_SETTINGS, TrainSettings


@dataclass(frozen=True)
class Compilation:
    """Loss, optimizer and metrics of a model.

    Attributes:
        optimizer: optimizer of all trainable variables.
        loss: function `(y, prediction)` that returns unreduced losses of shape `(batch, ...)`. None where the model's
            `compute_loss` returns one number for a batch.
        metrics: metrics by name. A value is a Keras metric, its name, or a function `(y, prediction)` that returns
            a value for each example.
        own_optimizer: whether the optimizer comes from a model that the user compiled.
        whole_batches: whether loss or metrics are the user's and may relate the rows of a batch to each other. They
            then receive batches without padding rows and without weights.
    """

    optimizer: keras.Optimizer
    loss: Callable[[Any, Any], Any] | None
    metrics: Mapping[str, Any]
    own_optimizer: bool = False
    whole_batches: bool = False

    @property
    def ignored_settings(self) -> tuple[str, ...]:
        """Names of training settings that the model's own optimizer decides."""
        return OPTIMIZER_SETTINGS if self.own_optimizer else ()


def compile_objective(objective: Objective, settings: TrainSettings, total_steps: int) -> Compilation:
    """Return the compilation of a model that was not compiled, from the objective and the settings."""
    return Compilation(make_optimizer(settings, total_steps), keras.losses.get(objective.loss), dict(objective.metrics))


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
    optimizer = keras.optimizers.get({"class_name": settings.optimizer, "config": config})
    if settings.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def make_metrics(named: Mapping[str, Any]) -> dict[str, keras.Metric]:
    """Return Keras metrics by name, the mean loss first.

    Args:
        named: metrics by name. A value is a Keras metric, its name, or a function `(y, prediction)` that returns a
            value for each example. An `OutputMetric` holds one of these for one output.
    """
    metrics: dict[str, keras.Metric] = {"loss": keras.metrics.Mean(name="loss")}
    for name, value in named.items():
        metric = keras.metrics.get(value.metric if isinstance(value, OutputMetric) else value)
        is_metric = isinstance(metric, keras.Metric)
        metrics[name] = metric if is_metric else keras.metrics.MeanMetricWrapper(metric, name=name)
    return metrics


def take_results(metrics: Mapping[str, keras.Metric], prefix: str) -> dict[str, float]:
    """Return the results of metrics by prefixed name, and reset them."""
    results: dict[str, float] = {}
    for name, metric in metrics.items():
        result = metric.result()
        named = result if isinstance(result, dict) else {name: result}
        results |= {prefix + key: float(value) for key, value in named.items()}
        metric.reset_state()
    return results
