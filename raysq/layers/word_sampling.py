"""Skip-gram and continuous bag of words (CBOW) with negative sampling, over blocks of words (Mikolov et al. 2013)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from raysq.layers.portable import table

ARCHITECTURES = ("cbow", "skipgram")
ALWAYS = 1 << 30  # threshold of an id that is always kept
_PROBES = 256  # number of fixed negative words in evaluation


@keras.saving.register_keras_serializable(package="raysq")
class WordSampling(keras.layers.Layer):
    """Negative sampling loss of all pairs of words in blocks of text.

    The loss of a word's vector v and another word c is -log sigmoid(v . c) - K E[log sigmoid(-v . n)]. The negative
    words n are drawn from the word counts to a power.

    The pairs of a block are computed as one matrix product, so that the vector of a word is looked up once for all its
    pairs. Negative words are drawn once per block; each is weighted K / shared relative to those that word2vec draws
    for each pair. Unlike in word2vec, a negative word that equals c counts too, as in the expectation above. Each
    worker of a group draws its own words, as with dropout. In evaluation the negative words are fixed, evenly spaced
    over the distribution.

    Inputs: ids `(batch, block + 2 * window)`, 0 where a text ends, and vectors `(batch, ids, dimension)`. For CBOW
    these are the vectors of all ids, for skip-gram those of the `block` ids in the middle. Output `(batch, 1)`: the sum
    of the losses of a block's pairs (skip-gram) or words (CBOW).

    Weights: vectors of the predicted words `(features, dimension)`, and Walker's alias table to draw words, which is
    not trainable.

    Args:
        architecture: "skipgram" predicts each surrounding word from a word, "cbow" predicts a word from the mean of the
            surrounding words.
        features: number of ids, including 0, which is never drawn.
        window: number of words on either side.
        block: number of consecutive words.
        negatives: K.
        shared: number of negative words drawn per block.
        shrink: whether a pair at distance d is weighted (window + 1 - d) / window instead of 1.

    Raises:
        ValueError: unknown architecture.
    """

    def __init__(
        self,
        architecture: str,
        features: int,
        window: int,
        block: int,
        negatives: int = 5,
        shared: int = 32,
        shrink: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if architecture not in ARCHITECTURES:
            raise ValueError(f"architecture must be one of {', '.join(ARCHITECTURES)}, received {architecture!r}")
        self.architecture = architecture
        self.features = features
        self.window = window
        self.block = block
        self.negatives = negatives
        self.shared = shared
        self.shrink = shrink
        self.seed_generator = keras.random.SeedGenerator()
        distance = np.abs(np.arange(-window, window + 1))
        weights = (window + 1 - distance) / window if shrink else np.ones(2 * window + 1)
        self._weights = np.where(distance, weights, 0.0).astype(np.float32)

    def build(self, input_shape: Any) -> None:
        dimension = input_shape[1][-1]
        self.vectors = self.add_weight(shape=(self.features, dimension), initializer="zeros", name="vectors")
        own: dict[str, Any] = {"initializer": "zeros", "dtype": "int32", "trainable": False}
        self.threshold = self.add_weight(shape=(self.features,), name="threshold", **own)
        self.alias = self.add_weight(shape=(self.features,), name="alias", **own)
        self.probes = self.add_weight(shape=(_PROBES,), name="probes", **own)

    def set_distribution(self, chances: np.ndarray) -> None:
        """Set the unnormalized probability of each id as a negative word, 0 for id 0, after the layer is built."""
        threshold, alias = alias_table(chances)
        self.threshold.assign(threshold)
        self.alias.assign(alias)
        self.probes.assign(evenly_drawn(chances, _PROBES))

    def call(self, inputs: Any, training: bool = False) -> Any:
        ids, seen = inputs
        vectors = tf.convert_to_tensor(self.vectors)

        def scores_of_drawn(hidden: Any) -> Any:
            if training:
                return tf.matmul(hidden, tf.gather(vectors, self._draw(tf.shape(ids)[0])), transpose_b=True)
            return tf.einsum("bld,nd->bln", hidden, tf.gather(vectors, tf.convert_to_tensor(self.probes)))

        return self._loss(ids, seen, lambda some: tf.gather(vectors, some), scores_of_drawn)

    def as_keras(self, inputs: Any) -> Any:
        """Apply the layer with layers of Keras, with the loss of evaluation; see `raysq.layers.portable`."""
        ops = keras.ops
        ids, seen = inputs
        # Not trainable, since `raysq.text.neighbors.embedding_of` finds the word vectors as the trainable ones.
        vectors = table(ops.convert_to_numpy(self.vectors), self.name, trainable=False)
        probes = ops.convert_to_numpy(self.probes)[None]

        def scores_of_drawn(hidden: Any) -> Any:
            drawn = vectors(ops.add(ops.zeros_like(ids[:, :1]), probes))
            return ops.matmul(hidden, ops.transpose(drawn, (0, 2, 1)))

        return self._loss(ids, seen, vectors, scores_of_drawn)

    def _loss(self, ids: Any, seen: Any, vectors_of: Any, scores_of_drawn: Any) -> Any:
        ops = keras.ops
        weights = self._pair_weights(ids)
        center = slice(self.window, self.window + self.block)
        if self.architecture == "cbow":
            total = ops.sum(weights, -1, keepdims=True)
            hidden = ops.matmul(self._banded(ops.cast(weights / ops.maximum(total, 1e-9), seen.dtype)), seen)
            scores = ops.sum(hidden * vectors_of(ids[:, center]), -1, keepdims=True)
            weights = ops.cast(total > 0, "float32")
        else:
            hidden = seen
            scores = self._diagonals(ops.matmul(hidden, ops.transpose(vectors_of(ids), (0, 2, 1))))
        positive = ops.softplus(-ops.cast(scores, "float32"))  # -log sigmoid(score)
        negative = ops.mean(ops.softplus(ops.cast(scores_of_drawn(hidden), "float32")), -1)
        loss = ops.sum(weights * positive, -1) + self.negatives * ops.sum(weights, -1) * negative
        return ops.sum(loss, -1, keepdims=True)

    def _draw(self, batch: Any) -> Any:
        """Draw ids for each block, `(batch, shared)`."""
        shape = (batch, self.shared)
        words = keras.random.randint(shape, 1, self.features, seed=self.seed_generator)
        chance = keras.random.randint(shape, 0, ALWAYS, seed=self.seed_generator)
        stays = chance < tf.gather(tf.convert_to_tensor(self.threshold), words)
        return tf.where(stays, words, tf.gather(tf.convert_to_tensor(self.alias), words))

    def _pair_weights(self, ids: Any) -> Any:
        """Return the weight of each pair of a word and a word within the window, `(batch, block, 2 window + 1)`.

        The weight is 0 for words of different texts, and for a word with itself.
        """
        # Two words belong to the same text if the same number of text ends precede both.
        ops = keras.ops
        texts = ops.cumsum(ops.cast(ops.equal(ids, 0), "int32"), axis=1)
        text = ops.where(ids > 0, texts, -1)
        own = text[:, self.window : self.window + self.block]
        same = [
            ops.logical_and(ops.equal(own, text[:, shift : shift + self.block]), own >= 0)
            for shift in range(len(self._weights))
        ]
        return ops.multiply(ops.cast(ops.stack(same, -1), "float32"), self._weights)

    def _diagonals(self, scores: Any) -> Any:
        """Return the scores of words within the window, `(batch, block, 2 window + 1)`, from those of all `block + 2
        window` words.
        """
        ops, width = keras.ops, self.block + 2 * self.window
        # Reshaping to rows that are one element longer shifts each row by one against the previous row.
        flat = ops.pad(ops.reshape(scores, (-1, self.block * width)), ((0, 0), (0, self.block)))
        return ops.reshape(flat, (-1, self.block, width + 1))[:, :, : 2 * self.window + 1]

    def _banded(self, weights: Any) -> Any:
        """Invert `_diagonals`, with zeros elsewhere."""
        ops, width = keras.ops, self.block + 2 * self.window
        wide = ops.pad(weights, ((0, 0), (0, 0), (0, width + 1 - (2 * self.window + 1))))
        flat = ops.reshape(wide, (-1, self.block * (width + 1)))[:, : self.block * width]
        return ops.reshape(flat, (-1, self.block, width))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (input_shape[0][0], 1)

    def get_config(self) -> dict[str, Any]:
        names = ("architecture", "features", "window", "block", "negatives", "shared", "shrink")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def alias_table(chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Build Walker's alias table for ids from 1.

    An id drawn uniformly is kept with probability `threshold`, and otherwise replaced by its alias.

    Returns:
        `threshold`, in units of 1 / `ALWAYS`, and `alias`, both int32 of the shape of `chances`.
    """
    size = len(chances) - 1
    scaled = np.asarray(chances[1:], np.float64)
    scaled = scaled * (size / scaled.sum())
    threshold, alias = np.ones(size), np.arange(size)
    small, large = ([*np.flatnonzero(where)] for where in (scaled < 1, scaled >= 1))
    left = scaled.tolist()
    while small and large:
        low, high = small.pop(), large[-1]
        threshold[low], alias[low] = left[low], high
        left[high] -= 1 - left[low]
        if left[high] < 1:
            small.append(large.pop())
    staying = np.append(ALWAYS, np.rint(threshold * ALWAYS))
    return staying.astype(np.int32), np.append(0, alias + 1).astype(np.int32)


def evenly_drawn(chances: np.ndarray, count: int) -> np.ndarray:
    """Return ids at the medians of `count` parts of equal probability, int32. The probability of id 0 is ignored."""
    total = np.cumsum(np.asarray(chances[1:], np.float64))
    middles = (np.arange(count) + 0.5) / count * total[-1]
    return np.asarray(np.searchsorted(total, middles, side="right") + 1, np.int32)
