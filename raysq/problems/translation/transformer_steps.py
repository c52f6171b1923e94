"""The model `transformer` of translation word by word, with the keys and values of earlier words kept."""

from typing import Any

import keras
import tensorflow as tf

from raysq.layers import multi_head_attention
from raysq.problems.translation.transformer import scaled

SIDES = ("encoder", "decoder")


class TransformerSteps:
    """Steps of `transformer`; see `raysq.problems.translation.word_steps.WordSteps`.

    The memory is the mask of the source words and, for each layer, their keys and values. The state is, for each layer,
    the keys and values of the target words so far. A word is thus projected once, and attends to those before it.

    Attributes:
        attends: True. The weights are those of the last layer, as means of its heads.
    """

    attends = True

    def __init__(self, model: keras.Model, positions: int) -> None:
        self._layer = model.get_layer
        self._positions = positions
        names = {layer.name for layer in model.layers}
        counts = {side: sum(name.startswith(side) and name.endswith("_self_heads") for name in names) for side in SIDES}
        self._encoder, self._decoder = ([f"{side}_{number}" for number in range(counts[side])] for side in SIDES)

    def start(self, source: Any) -> tuple[Any, Any]:
        given = source != 0
        seen = given[:, None]
        x = self._embedded("source", source, tf.cumsum(tf.cast(given, tf.int32), axis=1))
        for name in self._encoder:
            three = self._projected(f"{name}_self", self._layer(f"{name}_self_norm")(x))
            x, _ = self._attended(f"{name}_self", x, three[:, :, 0], three[:, :, 1:], seen)
            x = self._hidden(name, x)
        encoded = self._layer("encoder")(x)
        pairs = tuple(self._projected(f"{name}_source", encoded) for name in self._decoder)
        _, _, _, heads, size = pairs[0].shape
        empty = tf.zeros((tf.shape(source)[0], self._positions, 2, heads, size), pairs[0].dtype)
        return (seen, pairs), tuple(empty for _ in self._decoder)

    def step(self, words: Any, position: Any, state: Any, memory: Any) -> tuple[Any, Any, Any]:
        seen, source_pairs = memory
        places = tf.range(self._positions)
        before = (places <= position)[None, None]
        here = tf.reshape(places == position, (1, -1, 1, 1, 1))
        x = self._embedded("target", words[:, None], tf.reshape(position, (1, 1)))
        new_state, weights = [], None
        for name, known, of_source in zip(self._decoder, state, source_pairs, strict=True):
            three = self._projected(f"{name}_self", self._layer(f"{name}_self_norm")(x))
            pairs = tf.where(here, three[:, :, 1:], known)
            new_state.append(pairs)
            x, _ = self._attended(f"{name}_self", x, three[:, :, 0], pairs, before)
            query = self._projected(f"{name}_query", self._layer(f"{name}_source_norm")(x))
            x, weights = self._attended(f"{name}_source", x, query[:, :, 0], of_source, seen)
            x = self._hidden(name, x)
        logits = self._layer("target_embedding")(self._layer("decoder")(x), reverse=True)
        return logits[:, 0], tuple(new_state), tf.reduce_mean(weights, 1)[:, 0]

    def _embedded(self, side: str, ids: Any, places: Any) -> Any:
        words = self._layer(f"{side}_embedding")(ids)
        return scaled(words) + self._layer(f"{side}_places")(places)

    def _projected(self, name: str, x: Any) -> Any:
        _, _, count, heads, size = self._layer(f"{name}_heads").output.shape
        return tf.reshape(self._layer(f"{name}_projection")(x), (-1, x.shape[1], count, heads, size))

    def _attended(self, name: str, x: Any, queries: Any, pairs: Any, seen: Any) -> tuple[Any, Any]:
        read, weights = multi_head_attention(queries, pairs[:, :, 0], pairs[:, :, 1], seen)
        return x + self._layer(f"{name}_output")(read), weights

    def _hidden(self, name: str, x: Any) -> Any:
        hidden = self._layer(f"{name}_hidden")(self._layer(f"{name}_hidden_norm")(x))
        return x + self._layer(f"{name}_hidden_output")(hidden)
