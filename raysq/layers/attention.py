"""Dot-product attention, of one head and of several, that also exposes its weights."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="raysq")
class DotAttention(keras.layers.Layer):
    """Dot-product attention: a mean of the values, weighted by a softmax of their products with the queries.

    Source: Luong et al. 2015, "Effective Approaches to Attention-based Neural Machine Translation", score "dot". Equals
    `keras.layers.Attention` with the same mask. If all values are masked for an example, they have equal weights.

    Inputs: queries `(batch, m, units)`, values `(batch, n, units)` and `seen`, bool `(batch, 1, n)`, false for masked
    values. Output shape `(batch, m, units)`.
    """

    def call(self, queries: Any, values: Any, seen: Any) -> Any:
        return keras.ops.matmul(attention_weights(queries, values, seen), values)

    as_keras = call  # consists of Keras operations only

    def compute_output_shape(self, queries_shape: Any, values_shape: Any, seen_shape: Any) -> tuple[Any, ...]:
        return (*queries_shape[:2], values_shape[2])


def attention_weights(queries: Any, values: Any, seen: Any) -> Any:
    """Return the weights of `DotAttention`, `(batch, m, n)`. Each row sums to 1."""
    return _softmax(keras.ops.matmul(queries, keras.ops.transpose(values, (0, 2, 1))), seen)


@keras.saving.register_keras_serializable(package="raysq")
class MultiHeadDotAttention(keras.layers.Layer):
    """Scaled dot-product attention of several heads, each over its own part of the dimensions.

    Source: Vaswani et al. 2017, "Attention Is All You Need". The layer has no weights: dense layers before it project
    queries, keys and values, and one after it mixes the heads. If all keys are masked for a query, they have equal
    weights.

    Inputs: queries `(batch, m, heads, size)`, keys and values `(batch, n, heads, size)` and `seen`, bool
    `(batch, m, n)` or `(batch, 1, n)`, false for masked keys. Output shape `(batch, m, heads * size)`.
    """

    def call(self, queries: Any, keys: Any, values: Any, seen: Any) -> Any:
        return multi_head_attention(queries, keys, values, seen)[0]

    as_keras = call  # consists of Keras operations only

    def compute_output_shape(
        self, queries_shape: Any, keys_shape: Any, values_shape: Any, seen_shape: Any
    ) -> tuple[Any, ...]:
        return (*queries_shape[:2], values_shape[2] * values_shape[3])


def multi_head_attention(queries: Any, keys: Any, values: Any, seen: Any) -> tuple[Any, Any]:
    """Return the outputs of `MultiHeadDotAttention`, and its weights, `(batch, heads, m, n)`."""
    ops = keras.ops
    _, count, heads, size = queries.shape
    queries, values = (ops.transpose(part, (0, 2, 1, 3)) for part in (queries, values))
    scores = ops.matmul(queries * size**-0.5, ops.transpose(keys, (0, 2, 3, 1)))
    weights = _softmax(scores, ops.expand_dims(seen, 1))
    outputs = ops.transpose(ops.matmul(weights, values), (0, 2, 1, 3))
    return ops.reshape(outputs, (-1, count, heads * size)), weights


def _softmax(scores: Any, seen: Any) -> Any:
    lowest = -1e9 if scores.dtype != "float16" else -6e4
    return keras.ops.softmax(keras.ops.where(seen, scores, lowest), axis=-1)
