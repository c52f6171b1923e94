"""DLinear (Zeng et al. 2023)."""

import keras
from keras import ops

from raysq.problems.forecasting.long_horizon import channels
from raysq.problems.setting_types import Count
from raysq.problems.specs import InputSpec


def dlinear(inputs: InputSpec, *, kernel_size: Count = 25, per_channel: bool = False) -> keras.Model:
    """Build DLinear: a linear map of a moving average of a target's past, and one of what remains.

    Of "Are Transformers Effective for Time Series Forecasting?" (Zeng et al. 2023, https://arxiv.org/abs/2205.13504).

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        kernel_size: steps of the moving average. The first and the last value are repeated beyond the window's ends.
        per_channel: whether each target has weights of its own.

    Raises:
        UsageError: the targets are not among the features, or columns of the future are.
    """
    channels.require_targets(inputs)
    x = keras.Input(inputs.shape)
    past = channels.series_of_targets(inputs, x)
    front, back = (kernel_size - 1) // 2, kernel_size // 2
    repeated = [ops.repeat(past[:, :1], front, axis=1), past, ops.repeat(past[:, -1:], back, axis=1)]
    padded = ops.concatenate([part for part in repeated if part.shape[1]], axis=1)
    trend = keras.layers.AveragePooling1D(kernel_size, 1)(padded)
    values = [
        channels.linear_map(inputs, per_channel, name)(ops.transpose(part, (0, 2, 1)))
        for name, part in (("trend", trend), ("remainder", past - trend))
    ]
    return keras.Model(x, channels.outputs(inputs, values[0] + values[1]), name="dlinear")
