"""Linear (Zeng et al. 2023)."""

import keras

from raysq.problems.forecasting.long_horizon import channels
from raysq.problems.specs import InputSpec


def linear(inputs: InputSpec, *, per_channel: bool = False) -> keras.Model:
    """Build Linear: a linear map of a target's past to its future, the same for all targets.

    Of "Are Transformers Effective for Time Series Forecasting?" (Zeng et al. 2023, https://arxiv.org/abs/2205.13504).

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        per_channel: whether each target has weights of its own.

    Raises:
        UsageError: the targets are not among the features, or columns of the future are.
    """
    x, past = channels.inputs_and_past(inputs)
    values = channels.linear_map(inputs, per_channel, "over_time")(past)
    return keras.Model(x, channels.outputs(inputs, values), name="linear")
