"""Language models, which predict the probability of each next id.

Every builder takes an `InputSpec` (ids of shape `(maxlen,)`) and keyword settings, and returns an uncompiled Keras
model. The outputs are probabilities. Their shape is `(batch, features)` for `positions="last"` and `(batch, maxlen,
features)` for `positions="every"`.
"""

import keras

from raysq import layers as quick
from raysq.errors import UsageError
from raysq.problems.base import InputSpec


def baseline(inputs: InputSpec) -> keras.Model:
    """Build a bigram model with interpolated Kneser-Ney smoothing from the counts of the training sentences.

    The model has no trainable weights.

    Raises:
        UsageError: `positions` is not "last".
    """
    if inputs.extra["positions"] != "last":
        raise UsageError("the bigrams predict one position from the one before it: set positions=last")
    found = inputs.extra["bigrams"]()
    table = quick.BigramTable(inputs.extra["features"], len(found.nexts))
    model = keras.Sequential([keras.Input(inputs.shape, dtype="int32"), table], name="bigrams")
    for name in ("begins", "nexts", "shares", "backoff", "lower"):
        getattr(table, name).assign(getattr(found, name))
    return model


def lstm(
    inputs: InputSpec, *, embedding: int = 64, units: int = 64, layers: int = 1, dropout: float = 0.3
) -> keras.Model:
    """Build an embedding, LSTM layers and a softmax over all ids.

    Dropout applies to the inputs of every LSTM, with the same mask at all steps, and to the input of the softmax.

    Args:
        inputs: spec of the input.
        embedding: dimension of the embedding.
        units: units of each LSTM.
        layers: number of LSTM layers.
        dropout: dropout rate, at least 0 and below 1.

    Raises:
        UsageError: a setting is out of range.
    """
    for name, value in (("embedding", embedding), ("units", units), ("layers", layers)):
        if value < 1:
            raise UsageError(f"setting {name} must be at least 1, received {value}")
    if not 0 <= dropout < 1:
        raise UsageError(f"setting dropout must be at least 0 and below 1, received {dropout}")
    every = inputs.extra["positions"] == "every"
    words = keras.Input(inputs.shape, dtype="int32")
    seen = keras.layers.Embedding(inputs.extra["features"], embedding)(words)
    # With one position to predict, the padding is in front, and its steps are the same in all rows.
    starts = {} if every else {"starts": quick.LeadingZeros()(words)}
    for number in range(layers):
        seen = quick.LSTM(units, dropout=dropout, return_sequences=every or number < layers - 1)(seen, **starts)
    if dropout:
        seen = keras.layers.Dropout(dropout)(seen)
    # float32 under every precision policy, because the loss takes the logarithm of the output.
    output = keras.layers.Dense(inputs.extra["features"], activation="softmax", dtype="float32")
    return keras.Model(words, output(seen), name="lstm")
