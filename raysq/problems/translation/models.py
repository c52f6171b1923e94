"""Models of translation: an encoder reads the source sentence and a decoder writes the words of the target.

Every builder takes an `InputSpec` (x has the shape `(max_source + positions,)`, see `TranslationSettings`) and keyword
settings. It returns an uncompiled Keras model that outputs logits of shape `(batch, outputs, target_words)`.
`raysq.problems.translation.decoder` looks layers up by name to run them word by word.
"""

from typing import Any, Literal

import keras

from raysq import layers
from raysq.errors import UsageError
from raysq.problems.setting_types import Count, Rate
from raysq.problems.specs import InputSpec

ops = keras.ops

# With Keras's default of 0.05 the words are so similar at first that the encoder's state carries almost nothing about
# the source. Without attention the decoder then takes epochs to use it.
_SPREAD = 0.5


def baseline(inputs: InputSpec) -> keras.Model:
    """Build the word-by-word baseline: the most probable translation of each word, in source order (IBM Model 1).

    The model has no weights to train.
    """
    require_examples(inputs, "pairs")
    extra = inputs.extra
    dictionary = extra["dictionary"]()
    source, _ = halves(pair := pair_input(inputs), inputs)
    if extra["reversed"]:
        source = ops.flip(source, 1)
    layer = layers.WordByWord(
        extra["source_words"], extra["target_words"], inputs.outputs, dictionary.ending, name="dictionary"
    )
    model = keras.Model(pair, layer(source), name="word_by_word")
    for name in ("best", "share", "unigrams"):
        getattr(layer, name).assign(getattr(dictionary, name))
    return model


def encoder_decoder(
    inputs: InputSpec,
    *,
    embedding: Count = 128,
    units: Count = 128,
    attention: Literal["none", "dot"] = "none",
    dropout: Rate = 0.0,
    layer_version: layers.LayerVersion = "keras3",
) -> keras.Model:
    """Build an encoder-decoder of two GRUs (Cho et al. 2014).

    The last state of the encoder is the initial state of the decoder. With `attention="dot"` every target word attends
    to all source words (Luong et al. 2015). The softmax of the dot products of decoder and encoder outputs weights the
    encoder outputs. A dense layer with tanh combines the weighted sum with the decoder output.

    Args:
        inputs: the input spec.
        embedding: size of the word embeddings.
        units: units of each GRU.
        attention: "none" or "dot".
        dropout: dropout rate of the embeddings and of the output, from 0 to below 1.
        layer_version: version of Keras whose layers these are; see `raysq.layers.versions`.

    Raises:
        UsageError: if a setting is out of range, or the setting examples is not "pairs".
    """
    require_examples(inputs, "pairs")
    source, target = halves(pair := pair_input(inputs), inputs)
    encoded = _encoder(inputs, source, embedding, units, dropout, layer_version)
    target_embeddings = _embedding(inputs, "target", embedding, dropout)(target)
    outputs = _gru(units, "decoder", layer_version)(target_embeddings, initial_state=encoded[:, -1])
    if attention == "dot":
        mask = ops.expand_dims(ops.not_equal(source, 0), 1)
        context = layers.DotAttention(name="attention")(outputs, encoded, mask)
        outputs = keras.layers.Concatenate(name="both")([outputs, context])
        outputs = keras.layers.Dense(units, activation="tanh", use_bias=False, name="combine")(outputs)
    if dropout:
        outputs = keras.layers.Dropout(dropout, name="output_dropout")(outputs)
    return keras.Model(pair, _output(inputs)(outputs), name="attention" if attention == "dot" else "encoder_decoder")


def repeat(
    inputs: InputSpec,
    *,
    embedding: Count = 128,
    units: Count = 128,
    dropout: Rate = 0.0,
    layer_version: layers.LayerVersion = "keras3",
) -> keras.Model:
    """Build the tutorial's model, which predicts one next word.

    A GRU reads the source. A second one reads the known target words, and a dense layer follows at each of them. Beside
    each stands the source's vector, repeated. A third GRU reads both, and its output at the last known word predicts
    the next one. The listing's `TimeDistributed(Dense)` is a Dense here, which is the same.

    Args:
        inputs: the input spec.
        embedding: size of the word embeddings.
        units: units of each GRU and of the dense layer.
        dropout: dropout rate of the embeddings and of the output, from 0 to below 1.
        layer_version: version of Keras whose layers these are; see `raysq.layers.versions`.

    Raises:
        UsageError: if a setting is out of range, or the setting examples is not "words".
    """
    require_examples(inputs, "words")
    source, target = halves(pair := pair_input(inputs), inputs)
    encoded = _encoder(inputs, source, embedding, units, dropout, layer_version)[:, -1]
    repeated = keras.layers.RepeatVector(inputs.extra["positions"], name="repeat")(encoded)
    known = _embedding(inputs, "target", embedding, dropout)(target)
    known = _gru(units, "target_gru", layer_version)(known)
    known = keras.layers.Dense(units, name="target_dense")(known)
    both = keras.layers.Concatenate(name="both")([repeated, known])
    outputs = _gru(units, "decoder", layer_version)(both)
    # Output at the last known word.
    last = ops.sum(ops.cast(ops.not_equal(target, 0), "int32"), 1, keepdims=True) - 1
    outputs = ops.take_along_axis(outputs, ops.expand_dims(last, -1), 1)
    if dropout:
        outputs = keras.layers.Dropout(dropout, name="output_dropout")(outputs)
    return keras.Model(pair, _output(inputs)(outputs), name="repeat")


def pair_input(inputs: InputSpec) -> Any:
    """Return the model's input, x."""
    return keras.Input(inputs.shape, dtype="int32", name="pair")


def halves(pair: Any, inputs: InputSpec) -> tuple[Any, Any]:
    """Split x into the source sentence and the target so far."""
    width = inputs.extra["max_source"]
    return pair[:, :width], pair[:, width:]


def _embedding(inputs: InputSpec, side: str, size: int, dropout: float) -> Any:
    spread = keras.initializers.RandomUniform(-_SPREAD, _SPREAD)
    words = inputs.extra[f"{side}_words"]
    table = keras.layers.Embedding(words, size, embeddings_initializer=spread, name=f"{side}_embedding")
    if not dropout:
        return table
    drop = keras.layers.Dropout(dropout, name=f"{side}_dropout")
    return lambda ids: drop(table(ids))


def _encoder(
    inputs: InputSpec, source: Any, embedding: int, units: int, dropout: float, version: layers.LayerVersion
) -> Any:
    """Return the encoder's outputs at all source words, in the order of x."""
    words = _embedding(inputs, "source", embedding, dropout)(source)
    # The fast RNN loop treats the leading padding of all rows as equal, which dropout would break.
    starts = {} if dropout else {"starts": layers.LeadingZeros(name="padding")(source)}
    return _gru(units, "encoder", version)(words, **starts)


def _gru(units: int, name: str, version: layers.LayerVersion) -> Any:
    return layers.recurrent_layer(layers.GRU, version)(units, return_sequences=True, name=name)


def _output(inputs: InputSpec) -> keras.layers.Layer:
    # float32 under any precision policy: the loss takes logarithms of the output.
    return keras.layers.Dense(inputs.extra["target_words"], dtype="float32", name="output")


def require_examples(inputs: InputSpec, examples: str) -> None:
    """Raise UsageError if the examples are not those that a model learns from, "pairs" or "words"."""
    if inputs.extra["examples"] != examples:
        noun = {"pairs": "a pair, with the next word at every position", "words": "one next word"}[examples]
        raise UsageError(
            f"an example of this model is {noun}: set examples={examples}, received {inputs.extra['examples']}"
        )
