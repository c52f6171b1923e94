"""Forecasting models of "Deep Learning with Python" (F. Chollet, 2017), section 6.3, and variants of them.

Every builder takes an `InputSpec` (x of shape `(steps, features)`) and keyword settings. It returns an uncompiled
Keras model with output of shape `(batch, outputs)` in normalized units.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import keras

from raysq.config import Range
from raysq.errors import UsageError
from raysq.layers import LayerVersion, Persistence, convolution_arguments, recurrent_layer
from raysq.problems.setting_types import Count, Rate
from raysq.problems.specs import InputSpec

DenseLayers = Annotated[int, Range(least=0)]


def _sequential(inputs: InputSpec, *parts: keras.layers.Layer, name: str) -> keras.Model:
    return keras.Sequential([keras.Input(inputs.shape), *parts, keras.layers.Dense(inputs.outputs)], name=name)


def baseline(inputs: InputSpec) -> keras.Model:
    """Build the persistence baseline (listing 6.35), which repeats the latest value seen for every horizon.

    It has nothing to train.

    Raises:
        UsageError: the targets are not among the features.
    """
    return _persistence(inputs, "latest", "baseline")


def seasonal(inputs: InputSpec) -> keras.Model:
    """Build the seasonal-naive baseline, which repeats the value a whole number of seasons before the row to forecast.

    It has nothing to train.

    Raises:
        UsageError: the window holds no whole season, or the targets are not among the features.
    """
    if inputs.extra["seasonal"] is None:
        raise UsageError("the window holds no whole season: set season, or raise lookback")
    return _persistence(inputs, "seasonal", "seasonal")


def _persistence(inputs: InputSpec, positions: str, name: str) -> keras.Model:
    if not inputs.targets:
        raise UsageError("it repeats the targets, which are not all among the features")
    steps = tuple(inputs.extra[positions])
    layer = Persistence(inputs.targets, steps, inputs.outputs // (len(steps) * len(inputs.targets)))
    return keras.Sequential([keras.Input(inputs.shape), layer], name=name)


def dense(inputs: InputSpec, *, units: Count = 32, dropout: Rate = 0.0) -> keras.Model:
    """Build a model that flattens the window into one hidden layer (listing 6.37).

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        units: units of the hidden layer.
        dropout: dropout rate after the hidden layer; 0 for no dropout layer.

    Raises:
        UsageError: a dropout rate outside [0, 1).
    """
    hidden = [keras.layers.Flatten(), keras.layers.Dense(units, activation="relu")]
    return _sequential(inputs, *hidden, *([keras.layers.Dropout(dropout)] if dropout else []), name="dense")


def _recurrent(cell: type, name: str, bidirectional: bool = False) -> Callable[..., keras.Model]:
    def build(
        inputs: InputSpec,
        *,
        units: Count = 32,
        layers: Count = 1,
        dropout: Rate = 0.0,
        recurrent_dropout: Rate = 0.0,
        dense_layers: DenseLayers = 0,
        dense_units: Count = 32,
        layer_version: LayerVersion = "keras3",
    ) -> keras.Model:
        layer = recurrent_layer(cell, layer_version)
        parts: list[keras.layers.Layer] = [
            layer(
                units,
                dropout=dropout,
                recurrent_dropout=recurrent_dropout,
                return_sequences=number < layers - 1,
            )
            for number in range(layers)
        ]
        if bidirectional:
            parts = [keras.layers.Bidirectional(part) for part in parts]
        parts += [keras.layers.Dense(dense_units, activation="relu") for _ in range(dense_layers)]
        return _sequential(inputs, *parts, name=name)

    build.__doc__ = (
        f"{name.upper()} layers of equal width, the last one's final state through `dense_layers` dense layers of "
        "`dense_units` into the output."
    )
    return build


gru = _recurrent(keras.layers.GRU, "gru")
lstm = _recurrent(keras.layers.LSTM, "lstm")


def rnn(
    inputs: InputSpec,
    *,
    cell: Literal["gru", "lstm", "simple_rnn"] = "gru",
    units: Count = 32,
    layers: Count = 1,
    dropout: Rate = 0.0,
    recurrent_dropout: Rate = 0.0,
    bidirectional: bool = False,
    dense_layers: DenseLayers = 0,
    dense_units: Count = 32,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build recurrent layers with a choice of cell, for searches.

    Without `bidirectional` it is the same model as `gru` or `lstm` with the same settings.

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        cell: type of the recurrent cell.
        units: units of each layer.
        layers: number of layers, at least 1.
        dropout: dropout rate of the inputs of each layer.
        recurrent_dropout: dropout rate of the recurrent state.
        bidirectional: whether each layer reads the window in both directions.
        dense_layers: number of dense layers above the recurrent ones.
        dense_units: units of each of them.
        layer_version: version of Keras whose layers these are; see `raysq.layers.versions`.

    Raises:
        UsageError: a dropout rate outside [0, 1), or no layer.
    """
    kinds = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM, "simple_rnn": keras.layers.SimpleRNN}
    build = _recurrent(kinds[cell], f"rnn_{cell}", bidirectional)
    return build(
        inputs,
        units=units,
        layers=layers,
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        dense_layers=dense_layers,
        dense_units=dense_units,
        layer_version=layer_version,
    )


def gru_stacked(
    inputs: InputSpec,
    *,
    units: Count = 32,
    top_units: Count = 64,
    dropout: Rate = 0.1,
    recurrent_dropout: Rate = 0.5,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build two stacked GRUs, the upper one with relu (listing 6.41).

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        units: units of the lower layer.
        top_units: units of the upper layer.
        dropout: dropout rate of the inputs of each layer.
        recurrent_dropout: dropout rate of the recurrent state.
        layer_version: version of Keras whose layers these are; see `raysq.layers.versions`.

    Raises:
        UsageError: a dropout rate outside [0, 1).
    """
    rates = {"dropout": dropout, "recurrent_dropout": recurrent_dropout}
    layer = recurrent_layer(keras.layers.GRU, layer_version)
    return _sequential(
        inputs,
        layer(units, return_sequences=True, **rates),
        layer(top_units, activation="relu", **rates),
        name="gru_stacked",
    )


def gru_bidirectional(
    inputs: InputSpec,
    *,
    units: Count = 32,
    dropout: Rate = 0.0,
    recurrent_dropout: Rate = 0.0,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build a GRU over the window in each direction (listing 6.44).

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        units: units of the GRU in each direction.
        dropout: dropout rate of the inputs.
        recurrent_dropout: dropout rate of the recurrent state.
        layer_version: version of Keras whose layers these are; see `raysq.layers.versions`.

    Raises:
        UsageError: a dropout rate outside [0, 1).
    """
    layer = recurrent_layer(keras.layers.GRU, layer_version)
    cell = layer(units, dropout=dropout, recurrent_dropout=recurrent_dropout)
    return _sequential(inputs, keras.layers.Bidirectional(cell), name="gru_bidirectional")


def _convolution(kernel_size: int, filters: int, version: LayerVersion) -> dict[str, Any]:
    initial = convolution_arguments(version, (kernel_size, 1, filters))
    return {"filters": filters, "kernel_size": kernel_size, "activation": "relu", **initial}


def _shrinks(inputs: InputSpec, kernel_size: int, needed: int) -> None:
    if inputs.shape[0] < needed:
        raise UsageError(
            f"a window of {inputs.shape[0]} steps is too short for convolutions of {kernel_size} with pooling: "
            f"they need {needed}; raise lookback or lower step"
        )


def conv1d(
    inputs: InputSpec,
    *,
    filters: Count = 32,
    kernel_size: Count = 5,
    pool: Count = 3,
    pooling: Literal["max", "average"] = "max",
    dilation: Count = 1,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build three convolutions with pooling between them, then the maximum over time (listing 6.47).

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        filters: filters of each convolution.
        kernel_size: steps of each convolution's kernel.
        pool: steps of each pooling window.
        pooling: "max" or "average" of each window; the last one is over all of time.
        dilation: a kernel sees one step in so many.
        layer_version: version of Keras whose layers these are; see `raysq.layers.versions`.

    Raises:
        UsageError: the window is too short.
    """
    reach = dilation * (kernel_size - 1)  # steps that a convolution takes off
    _shrinks(inputs, kernel_size, (reach + 1) * pool * pool + reach * (pool + 1))
    conv = _convolution(kernel_size, filters, layer_version) | {"dilation_rate": dilation}
    between = keras.layers.MaxPooling1D if pooling == "max" else keras.layers.AveragePooling1D
    overall = keras.layers.GlobalMaxPooling1D if pooling == "max" else keras.layers.GlobalAveragePooling1D
    return _sequential(
        inputs,
        keras.layers.Conv1D(**conv),
        between(pool),
        keras.layers.Conv1D(**conv),
        between(pool),
        keras.layers.Conv1D(**conv),
        overall(),
        name="conv1d",
    )


def conv1d_gru(
    inputs: InputSpec,
    *,
    filters: Count = 32,
    kernel_size: Count = 5,
    pool: Count = 3,
    units: Count = 32,
    dropout: Rate = 0.1,
    recurrent_dropout: Rate = 0.5,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build convolutions that shorten the window before a GRU (listing 6.49).

    Args:
        inputs: input spec, with windows of shape `(steps, features)`.
        filters: filters of each convolution.
        kernel_size: steps of each convolution's kernel.
        pool: steps of the pooling window between the convolutions.
        units: units of the GRU.
        dropout: dropout rate of the GRU's inputs.
        recurrent_dropout: dropout rate of the GRU's recurrent state.
        layer_version: version of Keras whose layers these are; see `raysq.layers.versions`.

    Raises:
        UsageError: the window is too short, or a dropout rate is outside [0, 1).
    """
    _shrinks(inputs, kernel_size, kernel_size * (1 + pool) - 1)
    conv = _convolution(kernel_size, filters, layer_version)
    return _sequential(
        inputs,
        keras.layers.Conv1D(**conv),
        keras.layers.MaxPooling1D(pool),
        keras.layers.Conv1D(**conv),
        recurrent_layer(keras.layers.GRU, layer_version)(units, dropout=dropout, recurrent_dropout=recurrent_dropout),
        name="conv1d_gru",
    )
