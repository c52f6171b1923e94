"""Word-by-word decoding with a translation model: encode the source once, then carry the decoder's state along."""

from typing import Any

import keras
import tensorflow as tf

from raysq.layers import attention_weights
from raysq.problems.translation.vocabulary import BEGIN, PADDING, UNKNOWN

_BUILT = ("encoder_decoder", "attention", "repeat")
_NEVER = -1e9


class Decoder:
    """Next-word scores for many sentences, with several hypotheses each, at a time.

    Args:
        model: a model of `raysq.problems.translation.models`, whose layers are run word by word. Any other model with
            the same x and predictions is run on all words so far at every step.
        width: number of ids of a source sentence.
        positions: maximum number of words of a target sentence, end token included.

    Attributes:
        attends: whether the model returns attention weights over the source words.
        target_words: number of target ids.
    """

    def __init__(self, model: keras.Model, width: int, positions: int) -> None:
        self._model = model
        self._width = width
        self._positions = positions
        names = {layer.name for layer in model.layers}
        self._built = model.name in _BUILT and {"encoder", "decoder", "output", "target_embedding"} <= names
        self.attends = self._built and model.name == "attention"
        self.target_words = int(model.output_shape[-1])
        self._functions: dict[tuple[int, bool], Any] = {}
        self.start = tf.function(
            self._start, input_signature=[tf.TensorSpec((None, width), tf.int32), tf.TensorSpec((), tf.int32)]
        )

    def _start(self, source, beam):
        """Encode source sentences and return the memory and the initial state, repeated for each hypothesis.

        Args:
            source: ids, shape `(n, width)`.
            beam: number of hypotheses per sentence, a scalar.
        """
        if not self._built:
            rows = tf.repeat(source, beam, 0)
            return rows, tf.zeros((tf.shape(rows)[0], self._positions), tf.int32)
        layer = self._model.get_layer
        encoded = layer("encoder")(layer("source_embedding")(source))
        if self._model.name == "repeat":
            memory: Any = tf.repeat(encoded[:, -1], beam, 0)
            return memory, tf.zeros((tf.shape(memory)[0], layer("decoder").units), encoded.dtype)
        state = tf.repeat(encoded[:, -1], beam, 0)
        if not self.attends:
            return tf.zeros((), encoded.dtype), state
        return (tf.repeat(encoded, beam, 0), tf.repeat(source[:, None] != 0, beam, 0)), state

    def advance(self, beam: int, unknown: bool) -> Any:
        """Return a compiled function that extends hypotheses by one word.

        Args:
            beam: number of hypotheses per sentence.
            unknown: whether the unknown token may be written.

        Returns:
            A function of the last words `(n * beam,)`, the position of the next word, the index of the hypothesis that
            each continues `(n * beam,)`, their scores `(n, beam)`, the states, and the memory of `start`. It returns
            the 2 * beam best scores of each sentence, their candidates as `hypothesis * target_words + word`
            `(n, 2 * beam)`, the new states, and the attention weights of each hypothesis `(n * beam, width)`.
        """
        key = (beam, unknown)
        if key not in self._functions:
            self._functions[key] = tf.function(
                lambda *given: self._advance(beam, unknown, *given), reduce_retracing=True, autograph=False
            )
        return self._functions[key]

    def _advance(self, beam, unknown, words, place, parents, scores, state, memory):
        state = tf.gather(state, parents)
        logits, state, looked = self._step(words, place, state, memory)
        values = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        size = values.shape[-1]
        never = [PADDING, BEGIN] + ([] if unknown else [UNKNOWN])
        values += tf.reduce_sum(tf.one_hot(never, size, on_value=_NEVER), 0)
        both = tf.reshape(scores, (-1, 1)) + values
        top, places = tf.math.top_k(tf.reshape(both, (-1, beam * size)), 2 * beam)
        return top, places, state, looked

    def _step(self, words, place, state, memory):
        """Return the logits of the next word, the next states and the attention weights."""
        nothing = tf.zeros((tf.shape(words)[0], self._width))
        if not self._built:
            state = tf.tensor_scatter_nd_update(tf.transpose(state), tf.reshape(place, (1, 1)), words[None])
            state = tf.transpose(state)
            logits = self._model(tf.concat([memory, state], 1), training=False)
            return logits[:, place if self._model.output_shape[1] != 1 else 0], state, nothing
        layer = self._model.get_layer
        seen = layer("target_embedding")(words)
        if self._model.name == "repeat":
            seen = tf.concat([seen, memory], 1)
        made, _ = layer("decoder").cell(seen, [state])
        state = made
        if self.attends:
            values, there = memory
            weights = attention_weights(made[:, None], values, there)
            context = tf.matmul(weights, values)[:, 0]
            made = layer("combine")(tf.concat([made, context], 1))
            nothing = tf.cast(weights[:, 0], tf.float32)
        return layer("output")(made), state, nothing
