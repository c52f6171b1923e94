"""Model `transformer`: a small encoder of self-attention over the words of a document.

Source: Vaswani et al. 2017, "Attention Is All You Need", with the layer normalization in front of each part as in Xiong
et al. 2020, "On Layer Normalization in the Transformer Architecture".
"""

from typing import Any

import keras

from raysq.errors import UsageError
from raysq.problems.setting_types import Count, Rate
from raysq.problems.specs import InputSpec
from raysq.problems.text_classification.models import class_output, sequence_input


def transformer(
    inputs: InputSpec,
    *,
    embedding: Count = 64,
    heads: Count = 4,
    units: Count = 128,
    layers: Count = 1,
    dropout: Rate = 0.2,
) -> keras.Model:
    """Build an encoder whose outputs are averaged over the words into the output layer.

    Padding has no part in it: words do not attend to it, their positions count from the document's first word, and the
    average is over words.

    Args:
        inputs: spec of sequences.
        embedding: dimension of the embeddings of words and positions. A multiple of `heads`.
        heads: number of attention heads.
        units: units of the hidden layer after each attention.
        layers: number of encoder layers.
        dropout: dropout rate of embeddings, attention and hidden layers.

    Raises:
        UsageError: the input is a bag, or the heads do not divide the dimension.
    """
    if embedding % heads:
        raise UsageError(f"setting heads={heads} must divide embedding={embedding}: choose another number of either")
    ops = keras.ops
    ids = sequence_input(inputs)
    given = ops.not_equal(ids, 0)
    words = keras.layers.Embedding(inputs.extra["features"], embedding, name="words")(ids)
    place = ops.cumsum(ops.cast(given, "int32"), axis=1)  # 0 for padding in front
    places = keras.layers.Embedding(inputs.extra["maxlen"] + 1, embedding, name="places")(place)
    x = keras.layers.Dropout(dropout)(keras.layers.Add()([words, places]))
    mask = ops.logical_and(ops.expand_dims(given, 1), ops.expand_dims(given, 2))
    for _ in range(layers):
        attention = keras.layers.MultiHeadAttention(heads, embedding // heads, dropout=dropout)
        normal = keras.layers.LayerNormalization()(x)
        x = keras.layers.Add()([x, attention(normal, normal, attention_mask=mask)])
        hidden = keras.layers.Dense(units, activation="relu")(keras.layers.LayerNormalization()(x))
        x = keras.layers.Add()([x, keras.layers.Dense(embedding)(keras.layers.Dropout(dropout)(hidden))])
    return keras.Model(
        ids, class_output(inputs)(_mean(keras.layers.LayerNormalization()(x), given)), name="transformer"
    )


def _mean(x: Any, given: Any) -> Any:
    """Return the mean over the words of each document, 0 for a document without any."""
    ops = keras.ops
    weights = ops.expand_dims(ops.cast(given, x.dtype), -1)
    return ops.sum(x * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
