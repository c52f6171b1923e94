"""The models of translation: an encoder that reads the source sentence, a decoder that writes the target's words.

Every builder takes `InputSpec` (x of shape `(max_source + positions,)`, see `TranslationSettings`) and keyword
settings, and returns an uncompiled Keras model with output `(batch, outputs, target_words)`, logits. The names of their
layers are those that `raysq.problems.translation.decoder` looks up to run them word by word.
"""

from typing import Any, Literal

import keras

from raysq import layers as quick
from raysq.errors import UsageError
from raysq.problems.base import InputSpec

ops = keras.ops

# Keras's own 0.05 makes words so much alike at first that the state which is handed over says next to nothing of the
# source, and without attention it takes epochs until the decoder heeds it.
_SPREAD = 0.5


def baseline(inputs: InputSpec) -> keras.Model:
    """The most probable translation of every word, in the order of the source (IBM Model 1). Nothing to train."""
    _form(inputs, "all")
    extra = inputs.extra
    dictionary = extra["dictionary"]()
    source, _ = _halves(pair := _input(inputs), inputs)
    if extra["reversed"]:
        source = ops.flip(source, 1)
    layer = quick.WordByWord(
        extra["source_words"], extra["target_words"], inputs.outputs, dictionary.ending, name="dictionary"
    )
    model = keras.Model(pair, layer(source), name="word_by_word")
    for name in ("best", "share", "unigrams"):
        getattr(layer, name).assign(getattr(dictionary, name))
    return model


def encoder_decoder(
    inputs: InputSpec,
    *,
    embedding: int = 128,
    units: int = 128,
    attention: Literal["none", "dot"] = "none",
    dropout: float = 0.0,
) -> keras.Model:
    """A GRU reads the source, and its last state is the first of the GRU that writes the target (Cho et al. 2014).

    With `attention=dot` every word also looks at all words of the source: softmax of the products of the decoder's
    output and the encoder's (Luong et al. 2015), both through a dense layer with tanh.
    """
    _form(inputs, "all")
    _check(dropout, embedding=embedding, units=units)
    source, target = _halves(pair := _input(inputs), inputs)
    encoded = _encoder(inputs, source, embedding, units, dropout)
    written = _embedding(inputs, "target", embedding, dropout)(target)
    made = _gru(units, "decoder")(written, initial_state=encoded[:, -1])
    if attention == "dot":
        seen = ops.expand_dims(ops.not_equal(source, 0), 1)
        context = quick.DotAttention(name="attention")(made, encoded, seen)
        made = keras.layers.Concatenate(name="both")([made, context])
        made = keras.layers.Dense(units, activation="tanh", use_bias=False, name="combine")(made)
    if dropout:
        made = keras.layers.Dropout(dropout, name="output_dropout")(made)
    return keras.Model(pair, _output(inputs)(made), name="attention" if attention == "dot" else "encoder_decoder")


def repeat(inputs: InputSpec, *, embedding: int = 128, units: int = 128, dropout: float = 0.0) -> keras.Model:
    """The tutorial's form: the encoder's vector is repeated beside every word that is known so far, a GRU reads both,
    and its last output predicts the one next word."""
    _form(inputs, "next")
    _check(dropout, embedding=embedding, units=units)
    source, target = _halves(pair := _input(inputs), inputs)
    encoded = _encoder(inputs, source, embedding, units, dropout)[:, -1]
    written = _embedding(inputs, "target", embedding, dropout)(target)
    repeated = keras.layers.RepeatVector(inputs.extra["positions"], name="repeat")(encoded)
    both = keras.layers.Concatenate(name="both")([written, repeated])
    made = _gru(units, "decoder")(both)
    # The output at the last word that is known.
    last = ops.sum(ops.cast(ops.not_equal(target, 0), "int32"), 1, keepdims=True) - 1
    made = ops.take_along_axis(made, ops.expand_dims(last, -1), 1)
    if dropout:
        made = keras.layers.Dropout(dropout, name="output_dropout")(made)
    return keras.Model(pair, _output(inputs)(made), name="repeat")


def _input(inputs: InputSpec) -> Any:
    return keras.Input(inputs.shape, dtype="int32", name="pair")


def _halves(pair: Any, inputs: InputSpec) -> tuple[Any, Any]:
    """The source sentence, and the target so far."""
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


def _encoder(inputs: InputSpec, source: Any, embedding: int, units: int, dropout: float) -> Any:
    """Outputs of the encoder at all words of the source, the last one at the end."""
    words = _embedding(inputs, "source", embedding, dropout)(source)
    # Dropout would differ between rows where the quick loop takes them to be alike.
    starts = {} if dropout else {"starts": quick.LeadingZeros(name="padding")(source)}
    return _gru(units, "encoder")(words, **starts)


def _gru(units: int, name: str) -> Any:
    return quick.GRU(units, return_sequences=True, name=name)


def _output(inputs: InputSpec) -> keras.layers.Layer:
    # float32 whatever the precision of the others: the loss takes logarithms of it.
    return keras.layers.Dense(inputs.extra["target_words"], dtype="float32", name="output")


def _form(inputs: InputSpec, form: str) -> None:
    if inputs.extra["form"] != form:
        what = {"all": "a pair, with the next word at every position", "next": "one next word"}[form]
        raise UsageError(f"an example of this model is {what}: set form={form}, received {inputs.extra['form']}")


def _check(dropout: float, **sizes: int) -> None:
    for name, value in sizes.items():
        if value < 1:
            raise UsageError(f"setting {name} must be at least 1, received {value}")
    if not 0 <= dropout < 1:
        raise UsageError(f"setting dropout must be at least 0 and below 1, received {dropout}")
