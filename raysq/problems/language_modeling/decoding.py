"""A language model run word by word, with the numbers that it gives where it reads all that it sees anew each time."""

from typing import Any

from raysq.problems.language_modeling.settings import LanguageModelingSettings


class Stepwise:
    """The layers of a model that reads from left to right.

    A model sees the last words only, from no states on. So there are states for each of the places where what it sees
    may begin, and every word is read on from all of them at once: one product of matrices for each layer.

    Args:
        model: a Keras model for which `steps` is true.
        width: how many ids it sees at most.
    """

    def __init__(self, model: Any, width: int):
        import keras

        self._width = width
        # Nothing is dropped where nothing is trained.
        self._layers = [layer for layer in model.layers[1:] if not isinstance(layer, keras.layers.Dropout)]
        self._states = {
            layer.name: len(layer.get_initial_state(1)) for layer in self._layers if isinstance(layer, keras.layers.RNN)
        }

    def begin(self, left: Any) -> tuple[Any, ...]:
        """Reads windows, as `read` does their last words.

        Args:
            left: ids `(rows, width)`, padded in front; as many of each row.
        """
        import tensorflow as tf

        rows, width = left.shape
        first = width - tf.reduce_sum(tf.cast(left[0] > 0, tf.int32))

        def body(place: Any, *carried: Any) -> Any:
            lengths = tf.fill((rows,), place - first + 1)
            return place + 1, *self.read(left[:, place], place, lengths, carried[1:])

        states = [
            tf.zeros((rows, width, state.shape[-1]))
            for layer in self._layers
            if layer.name in self._states
            for state in layer.get_initial_state(1)
        ]
        seen = tf.zeros((rows, self._layers[-1].input.shape[-1]))
        _, *carried = tf.while_loop(lambda place, *_: place < width, body, (first, seen, *states))
        return tuple(carried)

    def read(self, words: Any, place: Any, lengths: Any, states: Any) -> tuple[Any, ...]:
        """Reads a word of each row.

        Args:
            words: ids `(rows,)`.
            place: number of the word; the next one's is one more.
            lengths: how many words the model sees of each row, this one among them, `(rows,)`.
            states: those after the words before, each `(rows, width, units)`.

        Returns:
            What goes into the last layer, `(rows, units)`, and the states after the word.
        """
        import tensorflow as tf

        rows, width = words.shape[0], self._width
        # What begins with this word takes the place of what began before all that is seen now.
        kept = tf.cast(tf.range(width) != place % width, tf.float32)[None, :, None]
        before = [tf.reshape(state * kept, (rows * width, -1)) for state in states]
        seen: Any = tf.repeat(words, width)
        after: list[Any] = []
        for layer in self._layers[:-1]:
            if layer.name in self._states:
                count = self._states[layer.name]
                seen, made = layer.cell(seen, before[len(after) : len(after) + count], training=False)
                after += made if isinstance(made, (list, tuple)) else [made]
            else:
                seen = layer(seen)
        seen = tf.reshape(seen, (rows, width, -1))
        whole = tf.gather(seen, (place - lengths + 1) % width, batch_dims=1)
        return whole, *(tf.reshape(state, (rows, width, -1)) for state in after)

    def predict(self, seen: Any) -> Any:
        """How likely each id is to follow, `(rows, features)`, from what `read` gave first."""
        return self._layers[-1](seen)


def steps(model: Any, settings: LanguageModelingSettings) -> bool:
    """Whether a model is a chain of an embedding, recurrent layers and a dense one, which `Stepwise` can run.

    One that predicts the last position alone is not: it reads the padding in front, so that its states depend on how
    much of that there is.
    """
    from keras import layers

    if not settings.every or len(model.layers) < 4 or not isinstance(model.layers[0], layers.InputLayer):
        return False
    for before, layer in zip(model.layers, model.layers[1:], strict=False):
        if layer.input is not before.output:
            return False
    first, *between, last = model.layers[1:]
    return (
        type(first) is layers.Embedding
        and type(last) is layers.Dense
        and all(isinstance(layer, layers.Dropout) or _goes_on(layer) for layer in between)
        and any(_goes_on(layer) for layer in between)
    )


def _goes_on(layer: Any) -> bool:
    from keras import layers

    return (
        isinstance(layer, (layers.LSTM, layers.GRU, layers.SimpleRNN))
        and layer.compute_dtype == "float32"  # as the states are
        and not (layer.go_backwards or layer.stateful)
    )
