"""Parts of models that forecast each target from its own past: inputs, maps over time, normalization, outputs.

Channels are the targets. Values of channels have the shape `(batch, targets, steps)`, oldest first.
"""

from typing import Any

import keras
from keras import ops

from raysq.errors import UsageError
from raysq.problems.specs import InputSpec

_EPSILON = 1e-5


def horizons(inputs: InputSpec) -> int:
    """Return the number of rows that are forecast."""
    return len(inputs.extra["latest"])


def values_per_channel(inputs: InputSpec) -> int:
    """Return the number of values to predict for each channel: a value, or its quantiles, of each row."""
    return inputs.outputs // len(inputs.targets)


def in_time_order(inputs: InputSpec, x: Any) -> Any:
    """Return x, of shape `(batch, steps, features)`, oldest first."""
    return ops.flip(x, 1) if inputs.extra["reversed"] else x


def require_targets(inputs: InputSpec, *, alone: bool = True) -> None:
    """Raise UsageError unless the targets are among the features.

    Args:
        inputs: input spec.
        alone: whether the model sees nothing but the targets, so that it refuses columns of the future.
    """
    if not inputs.targets:
        raise UsageError("it forecasts targets from their own past, and they are not all among the features")
    if alone and inputs.extra["future"]:
        raise UsageError(
            f"it forecasts targets from their own past, and would not see {', '.join(inputs.extra['future'])}: "
            "leave out future, or take tsmixer, ridge, dense, conv1d or a recurrent model"
        )


def series_of_targets(inputs: InputSpec, x: Any) -> Any:
    """Return the past of the targets, of shape `(batch, steps, targets)`, oldest first."""
    x = in_time_order(inputs, x)
    return x if inputs.targets == tuple(range(inputs.shape[1])) else ops.take(x, list(inputs.targets), axis=2)


def channels(inputs: InputSpec, x: Any) -> Any:
    """Return the past of the targets, of shape `(batch, targets, steps)`, oldest first."""
    return ops.transpose(series_of_targets(inputs, x), (0, 2, 1))


def inputs_and_past(inputs: InputSpec, *, alone: bool = True) -> tuple[Any, Any]:
    """Return the input of a model, and of it the past of the targets; see `require_targets` and `channels`."""
    require_targets(inputs, alone=alone)
    x = keras.Input(inputs.shape)
    return x, channels(inputs, x)


def linear_map(inputs: InputSpec, per_channel: bool, name: str) -> keras.layers.Layer:
    """Return a linear map of the steps of a channel to the values to predict, with the initial weights of PyTorch.

    Args:
        inputs: input spec.
        per_channel: whether each channel has weights of its own.
        name: name of the layer.
    """
    width = values_per_channel(inputs)
    bound = inputs.shape[0] ** -0.5
    initializer = keras.initializers.RandomUniform(-bound, bound)
    if not per_channel:
        return keras.layers.Dense(width, kernel_initializer=initializer, name=name)
    shape = (len(inputs.targets), width)
    return keras.layers.EinsumDense("bcs,csh->bch", shape, bias_axes="ch", kernel_initializer=initializer, name=name)


def instance_statistics(values: Any) -> tuple[Any, Any]:
    """Return mean and standard deviation over the last axis, without gradients.

    Subtracted and divided before a model and put back after it, they are reversible instance normalization (Kim et al.
    2022, "Reversible Instance Normalization for Accurate Time-Series Forecasting against Distribution Shift"), here
    without its affine weights.
    """
    mean = ops.mean(values, axis=-1, keepdims=True)
    deviation = ops.sqrt(ops.var(values, axis=-1, keepdims=True) + _EPSILON)
    return ops.stop_gradient(mean), ops.stop_gradient(deviation)


def plus(level: Any, values: Any) -> Any:
    """Add a level of each channel, of shape `(batch, targets, 1)`, to its values.

    The level comes first: where the second summand has as many elements as the first has columns, Keras adds it as a
    bias along the columns, which is wrong for a batch of that size.
    """
    return level + values


def outputs(inputs: InputSpec, values: Any) -> Any:
    """Return predictions of channels, `(batch, targets, rows * quantiles)`, in the order of a problem's outputs."""
    rows, targets = horizons(inputs), len(inputs.targets)
    values = ops.reshape(values, (-1, targets, rows, values_per_channel(inputs) // rows))
    return ops.reshape(ops.transpose(values, (0, 2, 1, 3)), (-1, inputs.outputs))
