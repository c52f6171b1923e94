"""TSMixer (Chen et al. 2023)."""

import keras
from keras import ops

from raysq.problems.forecasting.long_horizon import channels
from raysq.problems.setting_types import Count, Rate
from raysq.problems.specs import InputSpec


def tsmixer(inputs: InputSpec, *, blocks: Count = 2, units: Count = 64, dropout: Rate = 0.7) -> keras.Model:
    """Build TSMixer: dense layers over the steps and over the features in turn, then a linear map over the steps.

    Of "TSMixer: An All-MLP Architecture for Time Series Forecasting" (Chen et al. 2023,
    https://arxiv.org/abs/2303.06053), with layer normalization, and with reversible instance normalization of each
    feature (without affine weights). All features are mixed.

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        blocks: number of pairs of dense layers over steps and features.
        units: units of the hidden layer over the features.
        dropout: dropout rate after each dense layer.

    Raises:
        UsageError: the targets are not among the features.
    """
    channels.require_targets(inputs, alone=False)
    x = keras.Input(inputs.shape)
    steps, features = inputs.shape
    past = ops.transpose(channels.in_time_order(inputs, x), (0, 2, 1))
    mean, deviation = channels.instance_statistics(past)
    values = (past - mean) / deviation
    for _ in range(blocks):
        hidden = keras.layers.LayerNormalization(axis=(1, 2))(values)
        hidden = keras.layers.Dense(steps, activation="relu")(hidden)
        values = values + keras.layers.Dropout(dropout)(hidden)
        hidden = ops.transpose(keras.layers.LayerNormalization(axis=(1, 2))(values), (0, 2, 1))
        hidden = keras.layers.Dropout(dropout)(keras.layers.Dense(units, activation="relu")(hidden))
        hidden = keras.layers.Dropout(dropout)(keras.layers.Dense(features)(hidden))
        values = values + ops.transpose(hidden, (0, 2, 1))
    ahead = keras.layers.Dense(channels.values_per_channel(inputs))(values)
    values = channels.plus(mean, ahead * deviation)
    if inputs.targets != tuple(range(features)):
        values = ops.take(values, list(inputs.targets), axis=1)
    return keras.Model(x, channels.outputs(inputs, values), name="tsmixer")
