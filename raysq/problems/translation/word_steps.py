"""One word at a time: how the decoder of each translation model goes from the words so far to the next one."""

from typing import Any, Protocol

import keras
import tensorflow as tf

from raysq.layers import attention_weights
from raysq.problems.translation.transformer_steps import TransformerSteps


class WordSteps(Protocol):
    """A model run word by word.

    Attributes:
        attends: whether `step` returns attention weights over the source words.
    """

    attends: bool

    def start(self, source: Any) -> tuple[Any, Any]:
        """Encode sentences.

        Args:
            source: ids, shape `(n, width)`.

        Returns:
            The memory, which stays the same for all words, and the state before the first word. Both are nests of
            tensors with a row for each sentence.
        """
        ...

    def step(self, words: Any, position: Any, state: Any, memory: Any) -> tuple[Any, Any, Any]:
        """Read a word.

        Args:
            words: the last word of each row, shape `(n,)`; 2 ("gos") at the beginning.
            position: index of the next word, a scalar.
            state: state before the word.
            memory: result of `start`.

        Returns:
            The logits of the next word, the new state and the attention weights `(n, width)`, None for models without.
        """
        ...


def steps_of(model: keras.Model, positions: int) -> WordSteps:
    """Return how to run a model word by word.

    A model of raysq is known by its name and layers, also after it was exported. Any other model with the same x and
    predictions is run on all words so far at every step.

    Args:
        model: the model.
        positions: maximum number of words of a target sentence, end token included.
    """
    names = {layer.name for layer in model.layers}
    if {"encoder", "decoder", "target_embedding"} <= names:
        if model.name == "transformer" and "decoder_0_self_heads" in names:
            return TransformerSteps(model, positions)
        if model.name == "repeat" and {"target_gru", "target_dense", "output"} <= names:
            return _RepeatSteps(model)
        if model.name in ("encoder_decoder", "attention") and "output" in names:
            return _RecurrentSteps(model)
    return _WholeModelSteps(model, positions)


class _WholeModelSteps:
    """Steps of any model: the state is the words so far, the memory the source."""

    attends = False

    def __init__(self, model: keras.Model, positions: int) -> None:
        self._model = model
        self._positions = positions

    def start(self, source: Any) -> tuple[Any, Any]:
        return source, tf.zeros((tf.shape(source)[0], self._positions), tf.int32)

    def step(self, words: Any, position: Any, state: Any, memory: Any) -> tuple[Any, Any, Any]:
        state = tf.tensor_scatter_nd_update(tf.transpose(state), tf.reshape(position, (1, 1)), words[None])
        state = tf.transpose(state)
        logits = self._model(tf.concat([memory, state], 1), training=False)
        return logits[:, position if self._model.output_shape[1] != 1 else 0], state, None


class _RecurrentSteps:
    """Steps of `encoder_decoder` and `attention`: the state is that of the decoder's GRU."""

    def __init__(self, model: keras.Model) -> None:
        self._layer = model.get_layer
        self.attends = model.name == "attention"

    def start(self, source: Any) -> tuple[Any, Any]:
        encoded = self._layer("encoder")(self._layer("source_embedding")(source))
        return (encoded, source[:, None] != 0) if self.attends else (), encoded[:, -1]

    def step(self, words: Any, position: Any, state: Any, memory: Any) -> tuple[Any, Any, Any]:
        state, _ = self._layer("decoder").cell(self._layer("target_embedding")(words), [state])
        if not self.attends:
            return self._layer("output")(state), state, None
        values, mask = memory
        weights = attention_weights(state[:, None], values, mask)
        context = tf.matmul(weights, values)[:, 0]
        outputs = self._layer("combine")(tf.concat([state, context], 1))
        return self._layer("output")(outputs), state, weights[:, 0]


class _RepeatSteps:
    """Steps of `repeat`: the states are those of the GRU that reads the target and of the one that reads both."""

    attends = False

    def __init__(self, model: keras.Model) -> None:
        self._layer = model.get_layer

    def start(self, source: Any) -> tuple[Any, Any]:
        encoded = self._layer("encoder")(self._layer("source_embedding")(source))[:, -1]
        units = (self._layer(name).units for name in ("target_gru", "decoder"))
        return encoded, tuple(tf.zeros((tf.shape(encoded)[0], count), encoded.dtype) for count in units)

    def step(self, words: Any, position: Any, state: Any, memory: Any) -> tuple[Any, Any, Any]:
        read, state = state
        read, _ = self._layer("target_gru").cell(self._layer("target_embedding")(words), [read])
        both = tf.concat([memory, self._layer("target_dense")(read)], 1)
        state, _ = self._layer("decoder").cell(both, [state])
        return self._layer("output")(state), (read, state), None
