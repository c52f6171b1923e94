"""Model `transformer` of translation: an encoder and a decoder of self-attention.

Source: Vaswani et al. 2017, "Attention Is All You Need", with learned positions, and with the layer normalization in
front of each part as in Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture", which trains
without a warm-up. The embeddings of the target words are also the weights of the output (Press and Wolf 2017, "Using
the Output Embedding to Improve Language Models").
"""

from typing import Any

import keras

from raysq.errors import UsageError
from raysq.layers import MultiHeadDotAttention
from raysq.problems.setting_types import Count, Rate
from raysq.problems.specs import InputSpec
from raysq.problems.translation.models import halves, pair_input, require_examples

ops = keras.ops

_PLACES = 0.5  # standard deviation of the embeddings of places; that of words is 1


def transformer(
    inputs: InputSpec,
    *,
    embedding: Count = 128,
    heads: Count = 4,
    units: Count = 512,
    layers: Count = 2,
    dropout: Rate = 0.1,
) -> keras.Model:
    """Build an encoder-decoder of self-attention.

    Every source word attends to all source words, padding excluded. Every target word attends to those before it and to
    all source words. `raysq.problems.translation.transformer_steps` looks layers up by name to run the decoder word by
    word.

    Args:
        inputs: the input spec.
        embedding: dimension of the words, of positions and between layers. A multiple of `heads`.
        heads: number of attention heads.
        units: units of the hidden layer after each attention.
        layers: number of layers of the encoder, and of the decoder.
        dropout: dropout rate of the embeddings and of each layer's output.

    Raises:
        UsageError: the heads do not divide the dimension, or the setting examples is not "pairs".
    """
    require_examples(inputs, "pairs")
    if embedding % heads:
        raise UsageError(f"setting heads={heads} must divide embedding={embedding}: choose another number of either")
    source, target = halves(pair := pair_input(inputs), inputs)
    width, positions = inputs.extra["max_source"], inputs.extra["positions"]

    given = ops.not_equal(source, 0)
    seen = ops.expand_dims(given, 1)
    places = ops.cumsum(ops.cast(given, "int32"), axis=1)  # 0 for padding in front
    words = keras.layers.Embedding(
        inputs.extra["source_words"], embedding, embeddings_initializer=_normal(embedding), name="source_embedding"
    )
    x = _embedded("source", words(source), places, width + 1, dropout)
    for number in range(layers):
        name = f"encoder_{number}"
        x = _self_attention(name, x, seen, heads, dropout)
        x = _hidden(name, x, units, dropout)
    memory = keras.layers.LayerNormalization(name="encoder")(x)

    # float32 under any precision policy: the loss takes logarithms of the output.
    words = keras.layers.ReversibleEmbedding(
        inputs.extra["target_words"],
        embedding,
        embeddings_initializer=_normal(embedding),
        dtype="float32",
        name="target_embedding",
    )
    places = ops.cumsum(ops.ones_like(target), axis=1) - 1
    before = ops.less_equal(ops.expand_dims(places, 1), ops.expand_dims(places, 2))
    x = _embedded("target", words(target), places, positions, dropout)
    for number in range(layers):
        name = f"decoder_{number}"
        x = _self_attention(name, x, before, heads, dropout)
        x = _source_attention(name, x, memory, seen, heads, dropout)
        x = _hidden(name, x, units, dropout)
    x = keras.layers.LayerNormalization(name="decoder")(x)
    return keras.Model(pair, words(x, reverse=True), name="transformer")


def _normal(embedding: int) -> Any:
    """Return the initializer of embeddings, whose products with the decoder's output are then of order 1."""
    return keras.initializers.RandomNormal(stddev=embedding**-0.5)


def scaled(words: Any) -> Any:
    """Return embeddings scaled to order 1."""
    return words * words.shape[-1] ** 0.5


def _embedded(side: str, words: Any, places: Any, count: int, dropout: float) -> Any:
    """Add embeddings of words and of their places, which are below `count`."""
    spread = keras.initializers.RandomNormal(stddev=_PLACES)
    table = keras.layers.Embedding(count, words.shape[-1], embeddings_initializer=spread, name=f"{side}_places")
    return _dropped(f"{side}_dropout", scaled(words) + table(places), dropout)


def _self_attention(name: str, x: Any, seen: Any, heads: int, dropout: float) -> Any:
    """Add to x what each word reads of the words of its own sentence that it may see."""
    normal = keras.layers.LayerNormalization(name=f"{name}_self_norm")(x)
    three = _projected(f"{name}_self", normal, 3, heads)
    return _attended(f"{name}_self", x, three[:, :, 0], three[:, :, 1:], seen, dropout)


def _source_attention(name: str, x: Any, memory: Any, seen: Any, heads: int, dropout: float) -> Any:
    """Add to x what each target word reads of the encoder's outputs."""
    normal = keras.layers.LayerNormalization(name=f"{name}_source_norm")(x)
    query = _projected(f"{name}_query", normal, 1, heads)
    return _attended(f"{name}_source", x, query[:, :, 0], _projected(f"{name}_source", memory, 2, heads), seen, dropout)


def _projected(name: str, x: Any, count: int, heads: int) -> Any:
    """Project x to `count` arrays, such as queries, keys and values: `(batch, words, count, heads, size)`."""
    _, words, size = x.shape
    projected = keras.layers.Dense(count * size, use_bias=False, name=f"{name}_projection")(x)
    return keras.layers.Reshape((words, count, heads, size // heads), name=f"{name}_heads")(projected)


def _attended(name: str, x: Any, queries: Any, pairs: Any, seen: Any, dropout: float) -> Any:
    """Add to x what the queries read. `pairs` are keys and values."""
    read = MultiHeadDotAttention(name=f"{name}_attention")(queries, pairs[:, :, 0], pairs[:, :, 1], seen)
    read = keras.layers.Dense(x.shape[-1], name=f"{name}_output")(read)
    return x + _dropped(f"{name}_dropout", read, dropout)


def _hidden(name: str, x: Any, units: int, dropout: float) -> Any:
    """Add to x the output of a hidden layer at each word."""
    normal = keras.layers.LayerNormalization(name=f"{name}_hidden_norm")(x)
    hidden = keras.layers.Dense(units, activation="relu", name=f"{name}_hidden")(normal)
    hidden = keras.layers.Dense(x.shape[-1], name=f"{name}_hidden_output")(hidden)
    return x + _dropped(f"{name}_hidden_dropout", hidden, dropout)


def _dropped(name: str, x: Any, rate: float) -> Any:
    return keras.layers.Dropout(rate, name=name)(x) if rate else x
