"""Language models: what follows a beginning.

Every builder takes `InputSpec` (x of shape `(maxlen,)`, ids) and keyword settings, and returns an uncompiled Keras
model whose output are probabilities, `(batch, features)` of the position behind the last, or `(batch, maxlen,
features)` of every position, as the setting `positions` says.
"""

import keras

from raysq import layers as quick
from raysq.errors import UsageError
from raysq.problems.base import InputSpec


def baseline(inputs: InputSpec) -> keras.Model:
    """Bigrams with interpolated Kneser-Ney smoothing, from the training sentences' counts. Nothing to train."""
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
    """An embedding, LSTMs and a softmax over all ids.

    Dropout is on what goes into every LSTM (the same mask at all steps) and into the softmax.
    """
    for name, value in (("embedding", embedding), ("units", units), ("layers", layers)):
        if value < 1:
            raise UsageError(f"setting {name} must be at least 1, received {value}")
    if not 0 <= dropout < 1:
        raise UsageError(f"setting dropout must be at least 0 and below 1, received {dropout}")
    every = inputs.extra["positions"] == "every"
    words = keras.Input(inputs.shape, dtype="int32")
    seen = keras.layers.Embedding(inputs.extra["features"], embedding)(words)
    # Padding stands in front where one position is predicted: its steps are the same in all rows.
    starts = {} if every else {"starts": quick.LeadingZeros()(words)}
    for number in range(layers):
        seen = quick.LSTM(units, dropout=dropout, return_sequences=every or number < layers - 1)(seen, **starts)
    if dropout:
        seen = keras.layers.Dropout(dropout)(seen)
    # float32 whatever the precision of the others: the loss takes logarithms of it.
    output = keras.layers.Dense(inputs.extra["features"], activation="softmax", dtype="float32")
    return keras.Model(words, output(seen), name="lstm")
