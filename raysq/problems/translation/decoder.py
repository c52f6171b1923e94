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
        needed = {"encoder", "decoder", "output", "target_embedding"}
        needed |= {"target_gru", "target_dense"} if model.name == "repeat" else set()
        self._built = model.name in _BUILT and needed <= names
        self.attends = self._built and model.name == "attention"
        self.target_words = int(model.output_shape[-1])
        self._functions: dict[tuple[int, bool], Any] = {}
        self.start = tf.function(
            self._start, input_signature=[tf.TensorSpec((None, width), tf.int32), tf.TensorSpec((), tf.int32)]
        )

    def _start(self, source: Any, beam: Any) -> tuple[Any, Any]:
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
            width = layer("target_gru").units + layer("decoder").units
            return memory, tf.zeros((tf.shape(memory)[0], width), encoded.dtype)
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
                lambda *inputs: self._advance(beam, unknown, *inputs), reduce_retracing=True, autograph=False
            )
        return self._functions[key]

    def _advance(
        self,
        beam: int,
        unknown: bool,
        words: Any,
        position: Any,
        parents: Any,
        scores: Any,
        state: Any,
        memory: Any,
    ) -> tuple[Any, Any, Any, Any]:
        state = tf.gather(state, parents)
        logits, state, weights = self._step(words, position, state, memory)
        values = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        size = values.shape[-1]
        never = [PADDING, BEGIN] + ([] if unknown else [UNKNOWN])
        values += tf.reduce_sum(tf.one_hot(never, size, on_value=_NEVER), 0)
        candidates = tf.reshape(scores, (-1, 1)) + values
        top, indices = tf.math.top_k(tf.reshape(candidates, (-1, beam * size)), 2 * beam)
        return top, indices, state, weights

    def _step(self, words: Any, position: Any, state: Any, memory: Any) -> tuple[Any, Any, Any]:
        """Return the logits of the next word, the next states and the attention weights."""
        weights = tf.zeros((tf.shape(words)[0], self._width))
        if not self._built:
            state = tf.tensor_scatter_nd_update(tf.transpose(state), tf.reshape(position, (1, 1)), words[None])
            state = tf.transpose(state)
            logits = self._model(tf.concat([memory, state], 1), training=False)
            return logits[:, position if self._model.output_shape[1] != 1 else 0], state, weights
        layer = self._model.get_layer
        inputs = layer("target_embedding")(words)
        if self._model.name == "repeat":
            read, state = tf.split(state, [layer("target_gru").units, layer("decoder").units], 1)
            read, _ = layer("target_gru").cell(inputs, [read])
            inputs = tf.concat([memory, layer("target_dense")(read)], 1)
            state, _ = layer("decoder").cell(inputs, [state])
            return layer("output")(state), tf.concat([read, state], 1), weights
        state, _ = layer("decoder").cell(inputs, [state])
        outputs = state
        if self.attends:
            values, mask = memory
            attention = attention_weights(state[:, None], values, mask)
            context = tf.matmul(attention, values)[:, 0]
            outputs = layer("combine")(tf.concat([state, context], 1))
            weights = tf.cast(attention[:, 0], tf.float32)
        return layer("output")(outputs), state, weights
