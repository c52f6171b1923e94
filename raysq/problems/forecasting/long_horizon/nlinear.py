"""NLinear (Zeng et al. 2023)."""

import keras

from raysq.problems.forecasting.long_horizon import channels
from raysq.problems.specs import InputSpec


def nlinear(inputs: InputSpec, *, per_channel: bool = False) -> keras.Model:
    """Build NLinear: a linear map of the differences from a target's latest value, to which that value is added.

    Of "Are Transformers Effective for Time Series Forecasting?" (Zeng et al. 2023, https://arxiv.org/abs/2205.13504).

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        per_channel: whether each target has weights of its own.

    Raises:
        UsageError: the targets are not among the features, or columns of the future are.
    """
    x, past = channels.inputs_and_past(inputs)
    latest = past[:, :, -1:]
    values = channels.plus(latest, channels.linear_map(inputs, per_channel, "over_time")(past - latest))
    return keras.Model(x, channels.outputs(inputs, values), name="nlinear")
