"""Stepwise decoding: run a language model word by word, with the same probabilities as on whole windows."""

from typing import Any

from raysq.problems.language_modeling.settings import LanguageModelingSettings


class StepwiseDecoder:
    """Decoder that keeps the recurrent states of a left-to-right model.

    The model's window holds the last `width` words and starts from zero states. The decoder therefore keeps one set of
    states for each possible beginning of the window. Each word advances all of them with one matrix product per layer.

    Args:
        model: a Keras model for which `supports_steps` is true.
        width: largest number of ids in a window.
    """

    def __init__(self, model: Any, width: int):
        import keras

        self._width = width
        # Dropout layers are the identity at inference.
        self._layers = [layer for layer in model.layers[1:] if not isinstance(layer, keras.layers.Dropout)]
        self._states = {
            layer.name: len(layer.get_initial_state(1)) for layer in self._layers if isinstance(layer, keras.layers.RNN)
        }

    def begin(self, left: Any) -> tuple[Any, ...]:
        """Read whole windows.

        Args:
            left: ids `(rows, width)`, padded with 0 in front; all rows have the same number of ids.

        Returns:
            The input of the last layer and the states after the last word, as for `read`.
        """
        import tensorflow as tf

        rows, width = left.shape
        first = width - tf.reduce_sum(tf.cast(left[0] > 0, tf.int32))

        def body(index: Any, *carried: Any) -> Any:
            lengths = tf.fill((rows,), index - first + 1)
            return index + 1, *self.read(left[:, index], index, lengths, carried[1:])

        states = [
            tf.zeros((rows, width, state.shape[-1]))
            for layer in self._layers
            if layer.name in self._states
            for state in layer.get_initial_state(1)
        ]
        x = tf.zeros((rows, self._layers[-1].input.shape[-1]))
        _, *carried = tf.while_loop(lambda index, *_: index < width, body, (first, x, *states))
        return tuple(carried)

    def read(self, words: Any, index: Any, lengths: Any, states: Any) -> tuple[Any, ...]:
        """Read one word of each row.

        Args:
            words: ids `(rows,)`.
            index: index of the word; it increases by one per word.
            lengths: number of words in the window of each row, this word included, `(rows,)`.
            states: states after the previous word, each `(rows, width, units)`.

        Returns:
            The input of the last layer, `(rows, units)`, and the states after the word.
        """
        import tensorflow as tf

        rows, width = words.shape[0], self._width
        # The states that begin at this word replace those whose beginning has left the window.
        kept = tf.cast(tf.range(width) != index % width, tf.float32)[None, :, None]
        before = [tf.reshape(state * kept, (rows * width, -1)) for state in states]
        x: Any = tf.repeat(words, width)
        after: list[Any] = []
        for layer in self._layers[:-1]:
            if layer.name in self._states:
                count = self._states[layer.name]
                x, new = layer.cell(x, before[len(after) : len(after) + count], training=False)
                after += new if isinstance(new, (list, tuple)) else [new]
            else:
                x = layer(x)
        x = tf.reshape(x, (rows, width, -1))
        selected = tf.gather(x, (index - lengths + 1) % width, batch_dims=1)
        return selected, *(tf.reshape(state, (rows, width, -1)) for state in after)

    def predict(self, x: Any) -> Any:
        """Return the probability of each next id, `(rows, features)`.

        Args:
            x: input of the last layer, the first result of `read` or `begin`.
        """
        return self._layers[-1](x)


def supports_steps(model: Any, settings: LanguageModelingSettings) -> bool:
    """Return whether `StepwiseDecoder` can run a model: a chain of an embedding, recurrent layers and a dense layer.

    Models with `sequence_targets=False` are excluded. They read the padding in front, so their states depend on the
    amount of padding.
    """
    from keras import layers

    if not settings.sequence_targets or len(model.layers) < 4 or not isinstance(model.layers[0], layers.InputLayer):
        return False
    for before, layer in zip(model.layers, model.layers[1:], strict=False):
        if layer.input is not before.output:
            return False
    first, *between, last = model.layers[1:]
    return (
        type(first) is layers.Embedding
        and type(last) is layers.Dense
        and all(isinstance(layer, layers.Dropout) or _runs_forward(layer) for layer in between)
        and any(_runs_forward(layer) for layer in between)
    )


def _runs_forward(layer: Any) -> bool:
    from keras import layers

    return (
        isinstance(layer, (layers.LSTM, layers.GRU, layers.SimpleRNN))
        and layer.compute_dtype == "float32"  # the states are float32
        and not (layer.go_backwards or layer.stateful)
    )
