"""What `Model.compile` would give a model: loss, optimizer and metrics, and whether XLA compiles its step."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from raysq.kinds.kind import OutputMetric
from raysq.layers.recurrent import Quick
from raysq.training.settings import TrainSettings


def has_max_pooling(model: keras.Model) -> bool:
    """Whether a max pooling layer is in the model: XLA has no deterministic gradient for it (TensorFlow 2.21)."""
    pooling = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D)
    return any(isinstance(layer, pooling) for layer in _parts(model))


def has_keras_loop(model: keras.Model) -> bool:
    """Whether a recurrent layer takes Keras's own loop, which is slow without XLA."""
    return any(
        isinstance(layer, keras.layers.RNN) and not (isinstance(layer, Quick) and layer.is_quick())
        for layer in _parts(model)
    )


def _parts(layer: Any) -> Iterator[Any]:
    """The layers of a model, and those inside of them."""
    inside = [getattr(layer, name, None) for name in ("layer", "forward_layer", "backward_layer")]
    for part in [*getattr(layer, "layers", []), *inside]:
        if isinstance(part, keras.layers.Layer):
            yield part
            yield from _parts(part)


def make_optimizer(settings: TrainSettings, total_steps: int) -> keras.Optimizer:
    """The optimizer of the settings, with its schedule and loss scaling."""
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, total_steps)
    elif settings.schedule == "exponential":
        rate = keras.optimizers.schedules.ExponentialDecay(rate, total_steps, 0.1)
    chosen = (
        {"learning_rate": rate} if settings.epsilon is None else {"learning_rate": rate, "epsilon": settings.epsilon}
    )
    optimizer = keras.optimizers.get({"class_name": settings.optimizer, "config": chosen})
    if settings.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def make_metrics(named: Mapping[str, Any]) -> dict[str, keras.Metric]:
    """The metrics by name, the mean loss first.

    Args:
        named: name -> a Keras metric, its name, a function `(y, prediction) -> values of each example`, or one of
            these for one output.
    """
    made: dict[str, keras.Metric] = {"loss": keras.metrics.Mean(name="loss")}
    for name, what in named.items():
        what = what.metric if isinstance(what, OutputMetric) else what
        metric = keras.metrics.get(what)
        made[name] = metric if isinstance(metric, keras.Metric) else keras.metrics.MeanMetricWrapper(metric, name=name)
    return made
