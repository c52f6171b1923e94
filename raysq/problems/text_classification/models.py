"""The text models of "Deep Learning with Python" (F. Chollet, 2017), chapters 3 and 6, and of Keras's examples.

Every builder takes `InputSpec` (x of shape `(maxlen,)`, ids, or a bag, see `TextClassificationSettings`) and keyword
settings, and returns an uncompiled Keras model with output `(batch, outputs)`: one sigmoid for two classes, a softmax
for more. As in the book, id 0, the padding, is an id like others: nothing masks it.
"""

from typing import Any, Literal

import keras

from raysq import layers as quick
from raysq.errors import DataError, UsageError
from raysq.problems.base import InputSpec

Cell = Literal["lstm", "gru", "simple_rnn"]
_CELLS = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "SimpleRNN"}


def baseline(inputs: InputSpec) -> keras.Model:
    """The share of each class among the training documents, whatever the text. Nothing to train."""
    priors = [float(share) for share in inputs.extra["priors"]]
    values = priors[1:] if inputs.outputs == 1 else priors
    return keras.Sequential([_input(inputs), quick.Constant(values)], name="baseline")


def multihot(
    inputs: InputSpec,
    *,
    units: int = 16,
    layers: int = 2,
    activation: Literal["relu", "tanh"] = "relu",
    dropout: float = 0.0,
) -> keras.Model:
    """Dense layers over a bag of words (listing 3.3)."""
    if inputs.extra["vectorization"] == "sequence":
        raise UsageError("this model takes bags of words: set vectorization to multi_hot, count, freq or tfidf")
    _at_least(1, units=units, layers=layers)
    rate = _rate(dropout=dropout)["dropout"]
    weights = inputs.extra["vectorization"]
    first = quick.BagDense(units, inputs.extra["features"], weights, activation=activation)
    parts: list[keras.layers.Layer] = [first]
    for number in range(layers):
        if number:
            parts.append(keras.layers.Dense(units, activation=activation))
        if rate:
            parts.append(keras.layers.Dropout(rate))
    model = keras.Sequential([_input(inputs), *parts, _output(inputs)], name="multihot")
    if weights == "tfidf":
        first.idf.assign(inputs.extra["idf"]())
    return model


def embedding(inputs: InputSpec, *, embedding: int = 8) -> keras.Model:
    """The vectors of all words in a row, into the output (listing 6.7)."""
    parts = (_embedding(inputs, embedding), keras.layers.Flatten())
    return keras.Sequential([_words(inputs), *parts, _output(inputs)], name="embedding")


def glove(
    inputs: InputSpec, *, units: int = 32, vectors: bool = True, embedding_trainable: bool = False, embedding: int = 100
) -> keras.Model:
    """The same with given word vectors and a hidden layer (listings 6.12 and 6.13).

    With `vectors=false` vectors of `embedding` numbers are learned from scratch (listing 6.16).
    """
    table = _vectors(inputs, embedding_trainable) if vectors else _embedding(inputs, embedding)
    parts = (table, keras.layers.Flatten(), keras.layers.Dense(units, activation="relu"))
    return keras.Sequential([_words(inputs), *parts, _output(inputs)], name="glove")


def average(inputs: InputSpec, *, embedding: int = 16) -> keras.Model:
    """The mean of the words' vectors, padding among them, into the output."""
    parts = (_embedding(inputs, embedding), keras.layers.GlobalAveragePooling1D())
    return keras.Sequential([_words(inputs), *parts, _output(inputs)], name="average")


def one_hot(inputs: InputSpec, *, filters: int = 32, kernel_size: int = 7) -> keras.Model:
    """A convolution over one-hot vectors (listings 6.1 to 6.3), the maximum over time. For words and characters."""
    _shrinks(inputs, kernel_size)
    parts = (
        quick.OneHotConv1D(filters, kernel_size, inputs.extra["features"], activation="relu"),
        keras.layers.GlobalMaxPooling1D(),
    )
    return keras.Sequential([_words(inputs), *parts, _output(inputs)], name="one_hot")


def simple_rnn(
    inputs: InputSpec,
    *,
    embedding: int = 32,
    units: int = 32,
    layers: int = 1,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
) -> keras.Model:
    """An embedding and a simple recurrent layer (listing 6.23)."""
    return _recurrent("simple_rnn", inputs, embedding, units, layers, dropout, recurrent_dropout)


def lstm(
    inputs: InputSpec,
    *,
    embedding: int = 32,
    units: int = 32,
    layers: int = 1,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
) -> keras.Model:
    """An embedding and an LSTM (listing 6.27)."""
    return _recurrent("lstm", inputs, embedding, units, layers, dropout, recurrent_dropout)


def lstm_bidirectional(
    inputs: InputSpec,
    *,
    embedding: int = 32,
    units: int = 32,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
) -> keras.Model:
    """An LSTM in each direction (listing 6.43)."""
    drop = _rate(dropout=dropout, recurrent_dropout=recurrent_dropout)
    words = _words(inputs)
    seen = _embedding(inputs, embedding)(words)
    forward = quick.LSTM(units, **drop, name="forward")(seen, starts=quick.LeadingZeros()(words))
    backward = quick.LSTM(units, **drop, go_backwards=True, name="backward")(seen)
    both = keras.layers.Concatenate()([forward, backward])
    return keras.Model(words, _output(inputs)(both), name="lstm_bidirectional")


def gru(
    inputs: InputSpec,
    *,
    embedding: int = 100,
    units: int = 20,
    layers: int = 1,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
) -> keras.Model:
    """An embedding and a GRU."""
    return _recurrent("gru", inputs, embedding, units, layers, dropout, recurrent_dropout)


def gru_stacked(
    inputs: InputSpec,
    *,
    embedding: int = 100,
    units: int = 20,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
) -> keras.Model:
    """An embedding and two GRUs."""
    return _recurrent("gru", inputs, embedding, units, 2, dropout, recurrent_dropout, name="gru_stacked")


def rnn(
    inputs: InputSpec,
    *,
    cell: Cell = "lstm",
    embedding: int = 32,
    units: int = 32,
    layers: int = 1,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
) -> keras.Model:
    """Recurrent layers of a kind to choose, for searches: as `lstm`, `gru` or `simple_rnn` with the same settings."""
    return _recurrent(cell, inputs, embedding, units, layers, dropout, recurrent_dropout, name="rnn")


def conv1d(
    inputs: InputSpec, *, embedding: int = 128, filters: int = 32, kernel_size: int = 7, pool: int = 5
) -> keras.Model:
    """Two convolutions with pooling between, the maximum over time (listing 6.46).

    The listing ends without an activation and so trains a cross-entropy on what are no probabilities; this one ends
    with the sigmoid that was meant.
    """
    _shrinks(inputs, kernel_size * (1 + pool) - 1)
    conv: dict[str, Any] = {"kernel_size": kernel_size, "activation": "relu"}
    parts = (
        _embedding(inputs, embedding),
        keras.layers.Conv1D(filters, **conv),
        keras.layers.MaxPooling1D(pool),
        keras.layers.Conv1D(filters, **conv),
        keras.layers.GlobalMaxPooling1D(),
    )
    return keras.Sequential([_words(inputs), *parts, _output(inputs)], name="conv1d")


def conv1d_glove(
    inputs: InputSpec,
    *,
    filters: int = 128,
    kernel_size: int = 5,
    pool: int = 5,
    units: int = 128,
    vectors: bool = True,
    embedding_trainable: bool = False,
    embedding: int = 100,
) -> keras.Model:
    """Three convolutions over given word vectors (Keras example "Using pre-trained word embeddings").

    With `vectors=false` vectors of `embedding` numbers are learned from scratch.
    """
    _shrinks(inputs, kernel_size * (1 + pool + pool * pool) - pool - 1)
    conv: dict[str, Any] = {"kernel_size": kernel_size, "activation": "relu"}
    parts = (
        _vectors(inputs, embedding_trainable) if vectors else _embedding(inputs, embedding),
        keras.layers.Conv1D(filters, **conv),
        keras.layers.MaxPooling1D(pool),
        keras.layers.Conv1D(filters, **conv),
        keras.layers.MaxPooling1D(pool),
        keras.layers.Conv1D(filters, **conv),
        keras.layers.GlobalMaxPooling1D(),
        keras.layers.Dense(units, activation="relu"),
    )
    return keras.Sequential([_words(inputs), *parts, _output(inputs)], name="conv1d_glove")


def _recurrent(
    cell: Cell,
    inputs: InputSpec,
    embedding: int,
    units: int,
    layers: int,
    dropout: float,
    recurrent_dropout: float,
    name: str | None = None,
) -> keras.Model:
    _at_least(1, units=units, layers=layers)
    drop = _rate(dropout=dropout, recurrent_dropout=recurrent_dropout)
    words = _words(inputs)
    seen = _embedding(inputs, embedding)(words)
    make = getattr(quick, _CELLS[cell])
    starts = quick.LeadingZeros()(words)
    for number in range(layers):
        seen = make(units, **drop, return_sequences=number < layers - 1)(seen, starts=starts)
    return keras.Model(words, _output(inputs)(seen), name=name or cell)


def _input(inputs: InputSpec) -> Any:
    return keras.Input(inputs.shape, dtype="int32")


def _in_order(inputs: InputSpec) -> None:
    """Refuses bags where a model reads words in their order."""
    if inputs.extra["vectorization"] != "sequence":
        raise UsageError(
            f"this model takes words in their order, and vectorization is {inputs.extra['vectorization']}: set "
            "vectorization=sequence"
        )


def _words(inputs: InputSpec) -> Any:
    """The input of a model that reads words in their order."""
    _in_order(inputs)
    return _input(inputs)


def _output(inputs: InputSpec) -> keras.layers.Layer:
    # float32 whatever the precision of the others: the loss takes logarithms of it.
    activation = "sigmoid" if inputs.outputs == 1 else "softmax"
    return keras.layers.Dense(inputs.outputs, activation=activation, dtype="float32")


def _embedding(inputs: InputSpec, dimension: int) -> keras.layers.Layer:
    _at_least(1, embedding=dimension)
    return keras.layers.Embedding(inputs.extra["features"], dimension)


def _vectors(inputs: InputSpec, trainable: bool) -> keras.layers.Layer:
    """An embedding of the data set's word vectors, noughts for words without one."""
    table = inputs.extra["vectors"]()
    if table is None:
        raise DataError(
            "this model takes word vectors, and the data set has none",
            hint="prepare it with --set vectors=FILE, or train with --set vectors=false",
        )
    layer = keras.layers.Embedding(*table.shape, trainable=trainable)
    layer.build(None)
    layer.embeddings.assign(table)
    return layer


def _at_least(least: int, **values: int) -> None:
    for name, value in values.items():
        if value < least:
            raise UsageError(f"setting {name} must be at least {least}, received {value}")


def _rate(**rates: float) -> dict[str, float]:
    """Dropout rates as keyword arguments; Keras's recurrent layers would clip a wrong one silently."""
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise UsageError(f"setting {name} must be at least 0 and below 1, received {rate}")
    return rates


def _shrinks(inputs: InputSpec, needed: int) -> None:
    """Refuses documents that are too short for a model's convolutions and pooling."""
    _in_order(inputs)
    maxlen = inputs.extra["maxlen"]
    if maxlen < needed:
        raise UsageError(f"maxlen={maxlen} is too short for the model's convolutions: it needs {needed}; raise maxlen")
