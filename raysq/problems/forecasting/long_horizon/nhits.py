"""N-HiTS (Challu et al. 2023)."""

import keras
from keras import ops

from raysq.errors import UsageError
from raysq.layers import LinearInterpolation
from raysq.problems.forecasting.long_horizon import channels
from raysq.problems.setting_types import Count, Rate
from raysq.problems.specs import InputSpec


def nhits(
    inputs: InputSpec,
    *,
    pools: tuple[int, ...] = (8, 4, 1),
    knots: tuple[int, ...] = (24, 12, 1),
    units: Count = 512,
    layers: Count = 2,
    dropout: Rate = 0.0,
) -> keras.Model:
    """Build N-HiTS: blocks that each forecast at a rate of their own and explain away a part of a target's past.

    Of "N-HiTS: Neural Hierarchical Interpolation for Time Series Forecasting" (Challu et al. 2023,
    https://arxiv.org/abs/2201.12886). Weights are the same for all targets. The forecasts of the blocks are added to
    the latest value.

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        pools: steps of the maximum pooling before each block.
        knots: rows forecast for each knot of each block, between which its forecast is interpolated linearly.
        units: units of each dense layer.
        layers: dense layers of a block.
        dropout: dropout rate after each dense layer.

    Raises:
        UsageError: `pools` and `knots` are not of the same length, a pool is longer than the window, the targets
            are not among the features, or columns of the future are.
    """
    steps, rows = inputs.shape[0], channels.horizons(inputs)
    if len(pools) != len(knots) or not pools or min(*pools, *knots) < 1:
        raise UsageError(
            f"settings pools and knots must have a number from 1 on for each block, received "
            f"{','.join(map(str, pools))} and {','.join(map(str, knots))}"
        )
    if max(pools) > steps:
        raise UsageError(f"a window of {steps} steps is too short for setting pools ({max(pools)}): raise lookback")
    x, past = channels.inputs_and_past(inputs)
    width = channels.values_per_channel(inputs)
    quantiles = width // rows
    rest = ops.reshape(past, (-1, steps))
    total = ops.repeat(rest[:, -1:], width, axis=1)
    for number, (pool, every) in enumerate(zip(pools, knots, strict=True)):
        hidden = rest
        if pool > 1:
            pooled = keras.layers.MaxPooling1D(pool, padding="same")(ops.expand_dims(rest, 2))
            hidden = ops.squeeze(pooled, 2)
        for _ in range(layers):
            hidden = keras.layers.Dense(units, activation="relu")(hidden)
            hidden = keras.layers.Dropout(dropout)(hidden) if dropout else hidden
        count = max(1, rows // every)
        coefficients = keras.layers.Dense(quantiles * count, name=f"knots_{number}")(hidden)
        forecast = LinearInterpolation(rows)(ops.reshape(coefficients, (-1, quantiles, count)))
        total = total + ops.reshape(ops.transpose(forecast, (0, 2, 1)), (-1, width))
        if number < len(pools) - 1:
            rest = rest - keras.layers.Dense(steps, name=f"past_{number}")(hidden)
    values = ops.reshape(total, (-1, len(inputs.targets), width))
    return keras.Model(x, channels.outputs(inputs, values), name="nhits")
