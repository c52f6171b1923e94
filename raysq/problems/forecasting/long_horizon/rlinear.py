"""RLinear (Li et al. 2023)."""

import keras

from raysq.problems.forecasting.long_horizon import channels
from raysq.problems.specs import InputSpec


def rlinear(inputs: InputSpec, *, per_channel: bool = False) -> keras.Model:
    """Build RLinear: a linear map of a target's past with reversible instance normalization.

    Of "Revisiting Long-term Time Series Forecasting: An Investigation on Linear Mapping" (Li et al. 2023,
    https://arxiv.org/abs/2305.10721).

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        per_channel: whether each target has weights of its own.

    Raises:
        UsageError: the targets are not among the features, or columns of the future are.
    """
    x, past = channels.inputs_and_past(inputs)
    mean, deviation = channels.instance_statistics(past)
    values = channels.linear_map(inputs, per_channel, "over_time")((past - mean) / deviation)
    return keras.Model(x, channels.outputs(inputs, channels.plus(mean, values * deviation)), name="rlinear")
