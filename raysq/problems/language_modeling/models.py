"""Language models, which predict the probability of each next id.

Every builder takes an `InputSpec` (ids of shape `(maxlen,)`) and keyword settings, and returns an uncompiled Keras
model. The outputs are probabilities. Their shape is `(batch, features)` for `sequence_targets=False` and `(batch,
maxlen, features)` for `sequence_targets=True`.
"""

import keras

from raysq.errors import UsageError
from raysq.layers import LSTM, BigramTable, LayerVersion, LeadingZeros, recurrent_layer
from raysq.problems.setting_types import Count, Rate
from raysq.problems.specs import InputSpec


def baseline(inputs: InputSpec) -> keras.Model:
    """Build a bigram model with interpolated Kneser-Ney smoothing from the counts of the training sentences.

    The model has no trainable weights.

    Raises:
        UsageError: `sequence_targets` is set.
    """
    if inputs.extra["sequence_targets"]:
        raise UsageError("the bigrams predict one position from the one before it: set sequence_targets=false")
    bigrams = inputs.extra["bigrams"]()
    table = BigramTable(inputs.extra["features"], len(bigrams.nexts))
    model = keras.Sequential([keras.Input(inputs.shape, dtype="int32"), table], name="bigrams")
    for name in ("begins", "nexts", "shares", "backoff", "lower"):
        getattr(table, name).assign(getattr(bigrams, name))
    return model


def lstm(
    inputs: InputSpec,
    *,
    embedding: Count = 64,
    units: Count = 64,
    layers: Count = 1,
    dropout: Rate = 0.3,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build an embedding, LSTM layers and a softmax over all ids.

    Dropout applies to the inputs of every LSTM, with the same mask at all steps, and to the input of the softmax.

    Args:
        inputs: spec of the input.
        embedding: dimension of the embedding.
        units: units of each LSTM.
        layers: number of LSTM layers.
        dropout: dropout rate, at least 0 and below 1.
        layer_version: version of Keras whose layers these are; see `raysq.layers.versions`.

    Raises:
        UsageError: a setting is out of range.
    """
    sequence = inputs.extra["sequence_targets"]
    words = keras.Input(inputs.shape, dtype="int32")
    x = keras.layers.Embedding(inputs.extra["features"], embedding)(words)
    # With one position to predict, the padding is in front, and its steps are the same in all rows.
    starts = {} if sequence else {"starts": LeadingZeros()(words)}
    layer = recurrent_layer(LSTM, layer_version)
    for number in range(layers):
        x = layer(units, dropout=dropout, return_sequences=sequence or number < layers - 1)(x, **starts)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    # float32 under every precision policy, because the loss takes the logarithm of the output.
    output = keras.layers.Dense(inputs.extra["features"], activation="softmax", dtype="float32")
    return keras.Model(words, output(x), name="lstm")
