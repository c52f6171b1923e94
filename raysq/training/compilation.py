"""What `Model.compile` would give a model: loss, optimizer and metrics, and whether XLA compiles its step."""

from collections.abc import Mapping
from typing import Any

import keras

from raysq.training.settings import TrainSettings


def has_max_pooling(model: keras.Model) -> bool:
    """Whether a max pooling layer is in the model: XLA has no deterministic gradient for it (TensorFlow 2.21)."""
    pooling = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D)
    return any(
        isinstance(layer, pooling) or (isinstance(layer, keras.Model) and has_max_pooling(layer))
        for layer in model.layers
    )


def make_optimizer(settings: TrainSettings, total_steps: int) -> keras.Optimizer:
    """The optimizer of the settings, with its schedule and loss scaling."""
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, total_steps)
    elif settings.schedule == "exponential":
        rate = keras.optimizers.schedules.ExponentialDecay(rate, total_steps, 0.1)
    optimizer = keras.optimizers.get({"class_name": settings.optimizer, "config": {"learning_rate": rate}})
    if settings.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def make_metrics(named: Mapping[str, Any]) -> dict[str, keras.Metric]:
    """The metrics by name, the mean loss first.

    Args:
        named: name -> a Keras metric, its name, or a function `(y, prediction) -> values of each example`.
    """
    made: dict[str, keras.Metric] = {"loss": keras.metrics.Mean(name="loss")}
    for name, what in named.items():
        metric = keras.metrics.get(what)
        made[name] = metric if isinstance(metric, keras.Metric) else keras.metrics.MeanMetricWrapper(metric, name=name)
    return made
