"""Baseline that translates with a dictionary and returns probabilities of the words at every position."""

from typing import Any

import keras
import numpy as np

from raysq.layers.portable import table, vector


@keras.saving.register_keras_serializable(package="raysq")
class WordByWord(keras.layers.Layer):
    """Layer that translates a sentence word by word, keeping the word order.

    It has no trainable weights. At each position, the dictionary's translation has the probability that the dictionary
    assigns to it. The remaining probability is spread over all words by their frequency. After the last word of the
    sentence, the end mark has the probability `ending`.

    Input shape `(batch, source ids)`, padded with 0 in front. Output shape `(batch, positions, target_words)`, log
    probabilities.

    Weights: `best` and `share` `(source_words,)`, the dictionary's target word (0 for none) and its probability;
    `unigrams` `(target_words,)`, the frequencies of the target words.

    Args:
        source_words: number of source ids.
        target_words: number of target ids.
        positions: number of output positions.
        ending: probability of the end mark at each position after the last word.
        end: id of the end mark.
    """

    def __init__(
        self, source_words: int, target_words: int, positions: int, ending: float = 0.5, end: int = 3, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.source_words = source_words
        self.target_words = target_words
        self.positions = positions
        self.ending = ending
        self.end = end

    def build(self, input_shape: Any) -> None:
        make = {"initializer": "zeros", "trainable": False}
        self.best = self.add_weight(shape=(self.source_words,), dtype="int32", name="best", **make)
        self.share = self.add_weight(shape=(self.source_words,), name="share", **make)
        self.unigrams = self.add_weight(shape=(self.target_words,), name="unigrams", **make)

    def call(self, inputs: Any) -> Any:
        ops = keras.ops
        return self._translate(
            inputs,
            lambda ids: ops.take(self.best, ids, axis=0),
            lambda ids: ops.take(self.share, ids, axis=0),
            ops.convert_to_tensor(self.unigrams),
            self.ending,
        )

    def as_keras(self, inputs: Any) -> Any:
        """Apply the layer with layers of Keras; see `raysq.layers.portable`."""
        ops = keras.ops
        weights = {name: ops.convert_to_numpy(getattr(self, name)) for name in ("best", "share", "unigrams")}
        best = table(weights["best"][:, None].astype("float32"), f"{self.name}_best", False)
        share = table(weights["share"][:, None], f"{self.name}_share", False)
        return self._translate(
            inputs,
            lambda ids: ops.cast(best(ids)[..., 0], "int32"),
            lambda ids: share(ids)[..., 0],
            ops.expand_dims(vector(weights["unigrams"], f"{self.name}_unigrams", inputs, False), 1),
            vector(np.array([self.ending], np.float32), f"{self.name}_ending", inputs, False),
        )

    def _translate(self, inputs: Any, best_of: Any, share_of: Any, unigrams: Any, ending: Any) -> Any:
        ops = keras.ops
        width = inputs.shape[1]
        translated = best_of(inputs) > 0
        # Move words with a translation to the front, keeping their order.
        order = ops.argsort(ops.where(translated, 0, width) + np.arange(width, dtype=np.int32), axis=1)
        words = ops.take_along_axis(ops.where(translated, inputs, 0), order, axis=1)
        words = words[:, : self.positions]
        words = ops.pad(words, ((0, 0), (0, self.positions - words.shape[1])))
        best = best_of(words)
        share = ops.expand_dims(ops.where(best > 0, share_of(words), ending), -1)
        chosen = ops.one_hot(ops.where(best > 0, best, self.end), self.target_words)
        return ops.log(share * chosen + (1 - share) * unigrams + 1e-9)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (input_shape[0], self.positions, self.target_words)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "source_words": self.source_words,
            "target_words": self.target_words,
            "positions": self.positions,
            "ending": self.ending,
            "end": self.end,
        }
