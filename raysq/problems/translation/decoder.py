"""Word-by-word decoding with a translation model: encode the source once, then carry the decoder's state along."""

from typing import Any

import keras
import tensorflow as tf

from raysq.problems.translation.vocabulary import BEGIN, PADDING, UNKNOWN
from raysq.problems.translation.word_steps import steps_of

_NEVER = -1e9


class Decoder:
    """Next-word scores for many sentences, with several hypotheses each, at a time.

    Args:
        model: any translation model; see `raysq.problems.translation.word_steps.steps_of`.
        width: number of ids of a source sentence.
        positions: maximum number of words of a target sentence, end token included.

    Attributes:
        attends: whether the model returns attention weights over the source words.
        target_words: number of target ids.
    """

    def __init__(self, model: keras.Model, width: int, positions: int) -> None:
        self._steps = steps_of(model, positions)
        self._width = width
        self.attends = self._steps.attends
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
        started: tuple[Any, Any] = tf.nest.map_structure(
            lambda array: tf.repeat(array, beam, 0), self._steps.start(source)
        )
        return started

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
        state = tf.nest.map_structure(lambda array: tf.gather(array, parents), state)
        logits, state, weights = self._steps.step(words, position, state, memory)
        weights = tf.zeros((tf.shape(words)[0], self._width)) if weights is None else tf.cast(weights, tf.float32)
        values = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        size = values.shape[-1]
        never = [PADDING, BEGIN] + ([] if unknown else [UNKNOWN])
        values += tf.reduce_sum(tf.one_hot(never, size, on_value=_NEVER), 0)
        candidates = tf.reshape(scores, (-1, 1)) + values
        top, indices = tf.math.top_k(tf.reshape(candidates, (-1, beam * size)), 2 * beam)
        return top, indices, state, weights
