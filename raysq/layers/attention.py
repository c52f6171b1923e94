"""Dot-product attention that also gives its weights."""

import keras


@keras.saving.register_keras_serializable(package="raysq")
class DotAttention(keras.layers.Layer):
    """What each row of the queries looks at: a mean of the values, weighted by a softmax of their products with it.

    Source: Luong et al. 2015, "Effective Approaches to Attention-based Neural Machine Translation", score "dot". Equals
    `keras.layers.Attention` where that is given the same mask; a row of which nothing may be seen looks at all alike.

    Called with queries `(batch, m, units)`, values `(batch, n, units)` and `seen`, bool `(batch, 1, n)`: which values
    may be looked at. Output shape `(batch, m, units)`.
    """

    def call(self, queries, values, seen):
        return keras.ops.matmul(attention_weights(queries, values, seen), values)

    as_keras = call  # of operations alone

    def compute_output_shape(self, queries_shape, values_shape, seen_shape):
        return (*queries_shape[:2], values_shape[2])


def attention_weights(queries, values, seen):
    """The weights of `DotAttention`, `(batch, m, n)`; each row's sum is 1."""
    scores = keras.ops.matmul(queries, keras.ops.transpose(values, (0, 2, 1)))
    lowest = -1e9 if scores.dtype != "float16" else -6e4
    return keras.ops.softmax(keras.ops.where(seen, scores, lowest), axis=-1)
