"""PatchTST (Nie et al. 2023)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from raysq.errors import UsageError
from raysq.problems.forecasting.long_horizon import channels
from raysq.problems.setting_types import Count, Rate
from raysq.problems.specs import InputSpec


def patchtst(
    inputs: InputSpec,
    *,
    patch: Count = 16,
    patch_stride: Count = 8,
    units: Count = 16,
    heads: Count = 4,
    hidden_units: Count = 128,
    layers: Count = 3,
    dropout: Rate = 0.3,
) -> keras.Model:
    """Build PatchTST: a transformer encoder over patches of a target's past, with the same weights for all targets.

    Of "A Time Series is Worth 64 Words: Long-term Forecasting with Transformers" (Nie et al. 2023,
    https://arxiv.org/abs/2211.14730), with reversible instance normalization (without affine weights). The defaults
    are those of the paper for the small ETT series.

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        patch: steps of a patch.
        patch_stride: steps from one patch to the next. The latest value is repeated so many times after the window.
        units: units of the encoder.
        heads: heads of the attention, a divisor of `units`.
        hidden_units: units of the hidden layer after each attention.
        layers: layers of the encoder.
        dropout: dropout rate of the embedded patches and after attention and dense layers.

    Raises:
        UsageError: the window is shorter than a patch, `heads` does not divide `units`, the targets are not among
            the features, or columns of the future are.
    """
    steps = inputs.shape[0]
    if steps < patch:
        raise UsageError(f"a window of {steps} steps is shorter than a patch of {patch}: raise lookback or lower patch")
    if units % heads:
        raise UsageError(f"setting heads ({heads}) must divide units ({units})")
    x, past = channels.inputs_and_past(inputs)
    mean, deviation = channels.instance_statistics(past)
    past = (past - mean) / deviation
    padded = ops.concatenate([past, ops.repeat(past[:, :, -1:], patch_stride, axis=2)], axis=2)
    begins = np.arange(0, steps + patch_stride - patch + 1, patch_stride)
    rows = (begins[:, None] + np.arange(patch)).reshape(-1).tolist()
    patches = ops.reshape(ops.take(padded, rows, axis=2), (-1, len(begins), patch))
    # The bias of each place is the learned encoding of positions.
    small = keras.initializers.RandomUniform(-0.02, 0.02)
    embed = keras.layers.EinsumDense("bps,su->bpu", (len(begins), units), bias_axes="pu", bias_initializer=small)
    values = keras.layers.Dropout(dropout)(embed(patches))
    for _ in range(layers):
        attended = keras.layers.MultiHeadAttention(heads, units // heads)(values, values)
        values = keras.layers.BatchNormalization()(values + keras.layers.Dropout(dropout)(attended))
        hidden = keras.layers.Dropout(dropout)(_gelu(keras.layers.Dense(hidden_units)(values)))
        hidden = keras.layers.Dropout(dropout)(keras.layers.Dense(units)(hidden))
        values = keras.layers.BatchNormalization()(values + hidden)
    flat = ops.reshape(values, (-1, len(inputs.targets), len(begins) * units))
    values = keras.layers.Dense(channels.values_per_channel(inputs))(flat)
    return keras.Model(x, channels.outputs(inputs, channels.plus(mean, values * deviation)), name="patchtst")


def _gelu(x: Any) -> Any:
    """Return the Gaussian error linear units of x by an operation that ONNX has."""
    return 0.5 * x * (1.0 + ops.erf(x * 2**-0.5))
