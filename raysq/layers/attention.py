"""Dot-product attention that also exposes its weights."""

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
    scores = keras.ops.matmul(queries, keras.ops.transpose(values, (0, 2, 1)))
    lowest = -1e9 if scores.dtype != "float16" else -6e4
    return keras.ops.softmax(keras.ops.where(seen, scores, lowest), axis=-1)
