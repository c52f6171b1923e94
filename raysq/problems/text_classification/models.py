"""Text models from "Deep Learning with Python" (F. Chollet, 2017), chapters 3 and 6, and from the Keras examples.

Every builder takes an `InputSpec` and keyword settings, and returns an uncompiled Keras model. The input is a sequence
of ids of shape `(maxlen,)` or a bag, see `TextClassificationSettings`. The output has shape `(batch, outputs)`: one
sigmoid for two classes, a softmax for more. As in the book, the padding id 0 is not masked.

Several builders share keywords: `embedding` is the dimension of an embedding that is learned from scratch, and `units`
the units of each hidden or recurrent layer, of which there are `layers`. `dropout` is the dropout rate of the inputs of
each recurrent layer, and `recurrent_dropout` that of its state. `filters` and `kernel_size` are those of each
convolution, and `pool` is the pool size between convolutions. `layer_version` is the version of Keras whose layers
these are; see `raysq.layers.versions`.

Every builder raises UsageError if it does not take the input (a bag, a sequence, or one that is too short), or if a
setting is out of range.
"""

from typing import Annotated, Any, Literal

import keras

from raysq.config import Range
from raysq.errors import DataError, UsageError
from raysq.layers import (
    GRU,
    LSTM,
    BagDense,
    Constant,
    LayerVersion,
    LeadingZeros,
    OneHotConv1D,
    SimpleRNN,
    convolution_arguments,
    recurrent_layer,
)
from raysq.problems.setting_types import Count, Rate
from raysq.problems.specs import InputSpec
from raysq.problems.text_classification.naive_bayes import MOST_CELLS, fits, log_odds

Cell = Literal["lstm", "gru", "simple_rnn"]
_CELLS = {"lstm": LSTM, "gru": GRU, "simple_rnn": SimpleRNN}


def baseline(inputs: InputSpec) -> keras.Model:
    """Build a model that predicts the class priors of the training documents for every text."""
    priors = [float(share) for share in inputs.extra["priors"]]
    values = priors[1:] if inputs.outputs == 1 else priors  # of several labels, one for each too
    return keras.Sequential([document_input(inputs), Constant(values)], name="baseline")


def naive_bayes(inputs: InputSpec, *, alpha: Annotated[float, Range(above=0)] = 1.0) -> keras.Model:
    """Build multinomial naive Bayes from the word counts of each class. There is nothing to train.

    Weights of documents and classes count in the words and in the shares of the classes.

    Args:
        inputs: spec of bags.
        alpha: occurrences that are added to those of each word in each class.

    Raises:
        UsageError: the input is no bag of presences or counts, or the table of words by class is too large.
    """
    weights, features = inputs.extra["vectorization"], inputs.extra["features"]
    classes = len(inputs.extra["classes"])
    if weights not in ("multi_hot", "count"):
        raise UsageError(f"model naive_bayes counts words, and vectorization is {weights}: set count or multi_hot")
    if not fits(classes, features):
        raise UsageError(
            f"model naive_bayes would count {features:,} ids in {classes:,} classes, more than {MOST_CELLS:,} numbers: "
            "lower max_features or hashing"
        )
    priors = inputs.extra["weighted_priors"]
    kernel, bias = log_odds(inputs.extra["class_counts"](), priors, inputs.extra["first"], alpha)
    activation = output_activation(inputs)
    layer = BagDense(inputs.outputs, features, weights, activation=activation, trainable=False, dtype="float32")
    model = keras.Sequential([document_input(inputs), layer], name="naive_bayes")
    layer.set_weights([kernel, bias])
    return model


def multihot(
    inputs: InputSpec,
    *,
    units: Count = 16,
    layers: Count = 2,
    activation: Literal["relu", "tanh"] = "relu",
    dropout: Rate = 0.0,
) -> keras.Model:
    """Build dense layers over a bag of words (listing 3.3), with dropout after each hidden layer."""
    if inputs.extra["vectorization"] == "sequence":
        raise UsageError("this model takes bags of words: set vectorization to multi_hot, count, freq or tfidf")
    weights = inputs.extra["vectorization"]
    first = BagDense(units, inputs.extra["features"], weights, activation=activation)
    parts: list[keras.layers.Layer] = [first]
    for number in range(layers):
        if number:
            parts.append(keras.layers.Dense(units, activation=activation))
        if dropout:
            parts.append(keras.layers.Dropout(dropout))
    model = keras.Sequential([document_input(inputs), *parts, class_output(inputs)], name="multihot")
    if weights == "tfidf":
        first.idf.assign(inputs.extra["idf"]())
    return model


def embedding(inputs: InputSpec, *, embedding: Count = 8) -> keras.Model:
    """Build an embedding that is flattened into the output layer (listing 6.7)."""
    parts = (_embedding(inputs, embedding), keras.layers.Flatten())
    return keras.Sequential([sequence_input(inputs), *parts, class_output(inputs)], name="embedding")


def glove(
    inputs: InputSpec,
    *,
    units: Count = 32,
    vectors: bool = True,
    embedding_trainable: bool = False,
    embedding: Count = 100,
) -> keras.Model:
    """Build a flattened embedding of pretrained word vectors with a hidden layer (listings 6.12 and 6.13).

    Args:
        inputs: spec of sequences.
        vectors: use the data set's word vectors; False learns the embedding from scratch (listing 6.16).
        embedding_trainable: train the pretrained vectors too.

    Raises:
        DataError: `vectors` is true and the data set has no word vectors.
    """
    table = _vectors(inputs, embedding_trainable) if vectors else _embedding(inputs, embedding)
    parts = (table, keras.layers.Flatten(), keras.layers.Dense(units, activation="relu"))
    return keras.Sequential([sequence_input(inputs), *parts, class_output(inputs)], name="glove")


def average(inputs: InputSpec, *, embedding: Count = 16) -> keras.Model:
    """Build an embedding averaged over all positions, padding included, into the output layer."""
    parts = (_embedding(inputs, embedding), keras.layers.GlobalAveragePooling1D())
    return keras.Sequential([sequence_input(inputs), *parts, class_output(inputs)], name="average")


def one_hot(inputs: InputSpec, *, filters: Count = 32, kernel_size: Count = 7) -> keras.Model:
    """Build a convolution over one-hot vectors (listings 6.1 to 6.3) with global max pooling."""
    _require_length(inputs, kernel_size)
    parts = (
        OneHotConv1D(filters, kernel_size, inputs.extra["features"], activation="relu"),
        keras.layers.GlobalMaxPooling1D(),
    )
    return keras.Sequential([sequence_input(inputs), *parts, class_output(inputs)], name="one_hot")


def simple_rnn(
    inputs: InputSpec,
    *,
    embedding: Count = 32,
    units: Count = 32,
    layers: Count = 1,
    dropout: Rate = 0.0,
    recurrent_dropout: Rate = 0.0,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build an embedding and simple recurrent layers (listing 6.23)."""
    return _recurrent("simple_rnn", inputs, embedding, units, layers, dropout, recurrent_dropout, layer_version)


def lstm(
    inputs: InputSpec,
    *,
    embedding: Count = 32,
    units: Count = 32,
    layers: Count = 1,
    dropout: Rate = 0.0,
    recurrent_dropout: Rate = 0.0,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build an embedding and LSTM layers (listing 6.27)."""
    return _recurrent("lstm", inputs, embedding, units, layers, dropout, recurrent_dropout, layer_version)


def lstm_bidirectional(
    inputs: InputSpec,
    *,
    embedding: Count = 32,
    units: Count = 32,
    dropout: Rate = 0.0,
    recurrent_dropout: Rate = 0.0,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build an embedding and a bidirectional LSTM (listing 6.43), of `units` in each direction."""
    rates = {"dropout": dropout, "recurrent_dropout": recurrent_dropout}
    words = sequence_input(inputs)
    x = _embedding(inputs, embedding)(words)
    layer = recurrent_layer(LSTM, layer_version)
    forward = layer(units, **rates, name="forward")(x, starts=LeadingZeros()(words))
    backward = layer(units, **rates, go_backwards=True, name="backward")(x)
    both = keras.layers.Concatenate()([forward, backward])
    return keras.Model(words, class_output(inputs)(both), name="lstm_bidirectional")


def gru(
    inputs: InputSpec,
    *,
    embedding: Count = 100,
    units: Count = 20,
    layers: Count = 1,
    dropout: Rate = 0.0,
    recurrent_dropout: Rate = 0.0,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build an embedding and GRU layers."""
    return _recurrent("gru", inputs, embedding, units, layers, dropout, recurrent_dropout, layer_version)


def gru_stacked(
    inputs: InputSpec,
    *,
    embedding: Count = 100,
    units: Count = 20,
    dropout: Rate = 0.0,
    recurrent_dropout: Rate = 0.0,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build an embedding and two stacked GRU layers."""
    return _recurrent("gru", inputs, embedding, units, 2, dropout, recurrent_dropout, layer_version, name="gru_stacked")


def rnn(
    inputs: InputSpec,
    *,
    cell: Cell = "lstm",
    embedding: Count = 32,
    units: Count = 32,
    layers: Count = 1,
    dropout: Rate = 0.0,
    recurrent_dropout: Rate = 0.0,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build recurrent layers whose cell is a setting, so that a search can select it.

    The result equals `lstm`, `gru` or `simple_rnn` with the same settings.
    """
    return _recurrent(cell, inputs, embedding, units, layers, dropout, recurrent_dropout, layer_version, name="rnn")


def conv1d(
    inputs: InputSpec,
    *,
    embedding: Count = 128,
    filters: Count = 32,
    kernel_size: Count = 7,
    pool: Count = 5,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build two convolutions with pooling in between and global max pooling (listing 6.46).

    The listing has no activation on the output layer, so its cross-entropy is computed on values that are not
    probabilities. This model has the intended sigmoid.
    """
    _require_length(inputs, kernel_size * (1 + pool) - 1)
    conv = _convolution(kernel_size, filters, layer_version)
    parts = (
        _embedding(inputs, embedding),
        keras.layers.Conv1D(**conv),
        keras.layers.MaxPooling1D(pool),
        keras.layers.Conv1D(**conv),
        keras.layers.GlobalMaxPooling1D(),
    )
    return keras.Sequential([sequence_input(inputs), *parts, class_output(inputs)], name="conv1d")


def conv1d_glove(
    inputs: InputSpec,
    *,
    filters: Count = 128,
    kernel_size: Count = 5,
    pool: Count = 5,
    units: Count = 128,
    vectors: bool = True,
    embedding_trainable: bool = False,
    embedding: Count = 100,
    dense_dropout: Rate = 0.0,
    layer_version: LayerVersion = "keras3",
) -> keras.Model:
    """Build three convolutions over pretrained word vectors (Keras example "Using pre-trained word embeddings").

    Args:
        inputs: spec of sequences.
        vectors: use the data set's word vectors; False learns the embedding from scratch.
        embedding_trainable: train the pretrained vectors too, as the example suggests.
        dense_dropout: share of the values to drop in training, before and after the dense layer.

    Raises:
        DataError: `vectors` is true and the data set has no word vectors.
    """
    _require_length(inputs, kernel_size * (1 + pool + pool * pool) - pool - 1)
    conv = _convolution(kernel_size, filters, layer_version)
    dropped = [keras.layers.Dropout(dense_dropout)] if dense_dropout else []
    parts = (
        _vectors(inputs, embedding_trainable) if vectors else _embedding(inputs, embedding),
        keras.layers.Conv1D(**conv),
        keras.layers.MaxPooling1D(pool),
        keras.layers.Conv1D(**conv),
        keras.layers.MaxPooling1D(pool),
        keras.layers.Conv1D(**conv),
        keras.layers.GlobalMaxPooling1D(),
        *dropped,
        keras.layers.Dense(units, activation="relu"),
        *([keras.layers.Dropout(dense_dropout)] if dense_dropout else []),
    )
    return keras.Sequential([sequence_input(inputs), *parts, class_output(inputs)], name="conv1d_glove")


def _recurrent(
    cell: Cell,
    inputs: InputSpec,
    embedding: int,
    units: int,
    layers: int,
    dropout: float,
    recurrent_dropout: float,
    version: LayerVersion,
    name: str | None = None,
) -> keras.Model:
    rates = {"dropout": dropout, "recurrent_dropout": recurrent_dropout}
    words = sequence_input(inputs)
    x = _embedding(inputs, embedding)(words)
    layer_class = recurrent_layer(_CELLS[cell], version)
    starts = LeadingZeros()(words)
    for number in range(layers):
        x = layer_class(units, **rates, return_sequences=number < layers - 1)(x, starts=starts)
    return keras.Model(words, class_output(inputs)(x), name=name or cell)


def _convolution(kernel_size: int, filters: int, version: LayerVersion) -> dict[str, Any]:
    initial = convolution_arguments(version, (kernel_size, 1, filters))
    return {"filters": filters, "kernel_size": kernel_size, "activation": "relu", **initial}


def document_input(inputs: InputSpec) -> Any:
    """Return the input of a model of documents, a sequence or a bag."""
    return keras.Input(inputs.shape, dtype="int32")


def _require_order(inputs: InputSpec) -> None:
    if inputs.extra["vectorization"] != "sequence":
        raise UsageError(
            f"this model takes words in their order, and vectorization is {inputs.extra['vectorization']}: set "
            "vectorization=sequence"
        )


def sequence_input(inputs: InputSpec) -> Any:
    """Return the input of a model that needs word order, or raise UsageError if it is a bag."""
    _require_order(inputs)
    return document_input(inputs)


def output_activation(inputs: InputSpec) -> str:
    """Return the activation of the output: a sigmoid for two classes or several labels, a softmax for more classes."""
    return "sigmoid" if inputs.outputs == 1 or inputs.extra["several"] else "softmax"


def class_output(inputs: InputSpec) -> keras.layers.Layer:
    """Return the output layer; see `output_activation`."""
    # float32 under every precision policy, because the loss takes the logarithm of the output.
    return keras.layers.Dense(inputs.outputs, activation=output_activation(inputs), dtype="float32")


def _embedding(inputs: InputSpec, dimension: int) -> keras.layers.Layer:
    return keras.layers.Embedding(inputs.extra["features"], dimension)


def _vectors(inputs: InputSpec, trainable: bool) -> keras.layers.Layer:
    """Return an embedding of the data set's word vectors, with zeros for words without a vector."""
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


def _require_length(inputs: InputSpec, needed: int) -> None:
    """Raise UsageError if `maxlen` is too short for a model's convolutions and pooling."""
    _require_order(inputs)
    maxlen = inputs.extra["maxlen"]
    if maxlen < needed:
        raise UsageError(f"maxlen={maxlen} is too short for the model's convolutions: it needs {needed}; raise maxlen")
