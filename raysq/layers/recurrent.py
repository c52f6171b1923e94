"""LSTM, GRU and SimpleRNN that compute what Keras's layers do, in less time on a CPU."""

from typing import Any

import keras
import tensorflow as tf

from raysq.layers.scan import scan


class _LSTMCell:
    states = 2

    def kept(self, units):
        return 4 * units, units, units  # the gates, c before, tanh of c after

    def merge(self, kernel, recurrent, bias):
        return tf.concat([kernel, recurrent], 0), bias

    def split(self, matrix, bias, features):
        return matrix[:features], matrix[features:], bias

    def step(self, pre, states):
        _, c = states
        units = c.shape[-1]
        # A sigmoid is a tanh of half its argument: one function for all gates, which XLA makes one quick pass of.
        half = tf.repeat(tf.constant([0.5, 0.5, 1.0, 0.5]), units)
        gates = tf.tanh(pre * half) * half + (1 - half)
        i, f, g, o = tf.split(gates, 4, 1)
        after = f * c + i * g
        squashed = tf.tanh(after)
        return (o * squashed, after), (gates, c, squashed)

    def back(self, gradients, kept, h):
        dh, dc = gradients
        gates, c, squashed = kept
        i, f, g, o = tf.split(gates, 4, 1)
        dc += dh * o * (1 - squashed * squashed)
        parts = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * squashed * o * (1 - o)]
        return tf.concat(parts, 1), (None, dc * f)


class _GRUCell:
    """With `reset_after`: the reset gate multiplies the candidate's recurrent part, which has columns of its own."""

    states = 1

    def kept(self, units):
        return (4 * units,)  # update, reset, candidate, its recurrent part

    def merge(self, kernel, recurrent, bias):
        units = recurrent.shape[0]
        upper = tf.concat([kernel, tf.zeros((kernel.shape[0], units))], 1)
        lower = tf.concat([recurrent[:, : 2 * units], tf.zeros((units, units)), recurrent[:, 2 * units :]], 1)
        gates = bias[0, : 2 * units] + bias[1, : 2 * units]
        return tf.concat([upper, lower], 0), tf.concat([gates, bias[0, 2 * units :], bias[1, 2 * units :]], 0)

    def split(self, matrix, bias, features):
        units = matrix.shape[0] - features
        lower = tf.concat([matrix[features:, : 2 * units], matrix[features:, 3 * units :]], 1)
        recurrent_bias = tf.concat([bias[: 2 * units], bias[3 * units :]], 0)
        return matrix[:features, : 3 * units], lower, tf.stack([bias[: 3 * units], recurrent_bias])

    def step(self, pre, states):
        (h,) = states
        units = h.shape[-1]
        gates = tf.sigmoid(pre[:, : 2 * units])
        z, r = tf.split(gates, 2, 1)
        recurrent = pre[:, 3 * units :]
        candidate = tf.tanh(pre[:, 2 * units : 3 * units] + r * recurrent)
        return (z * h + (1 - z) * candidate,), (tf.concat([gates, candidate, recurrent], 1),)

    def back(self, gradients, kept, h):
        (dh,) = gradients
        z, r, candidate, recurrent = tf.split(kept[0], 4, 1)
        inner = dh * (1 - z) * (1 - candidate * candidate)
        parts = [dh * (h - candidate) * z * (1 - z), inner * recurrent * r * (1 - r), inner, inner * r]
        return tf.concat(parts, 1), (dh * z,)


class _SimpleCell:
    states = 1

    def kept(self, units):
        return (units,)  # h after

    def merge(self, kernel, recurrent, bias):
        return tf.concat([kernel, recurrent], 0), bias

    def split(self, matrix, bias, features):
        return matrix[:features], matrix[features:], bias

    def step(self, pre, states):
        after = tf.tanh(pre)
        return (after,), (after,)

    def back(self, gradients, kept, h):
        return gradients[0] * (1 - kept[0] * kept[0]), (None,)


class FastRNN(keras.layers.Layer):
    """What the three layers share: when the quick loop can do it, and the call."""

    arithmetic: Any
    cell: Any
    dropout: float
    recurrent_dropout: float
    go_backwards: bool
    return_sequences: bool
    return_state: bool
    stateful: bool
    unroll: bool

    def call(self, sequences, initial_state=None, mask=None, training=False, starts=None):
        """As the Keras layer's, with one more argument.

        Args:
            sequences: `(batch, steps, features)`.
            initial_state: as Keras has it.
            mask: as Keras has it.
            training: as Keras has it.
            starts: int32 `(batch,)` or None: as many steps at the front of each row are the same vectors in every
                row, as those of the padding in front are. Saves their time; the result is the same.
        """
        initial = () if initial_state is None else tuple(keras.tree.flatten(initial_state))
        if (initial and starts is not None) or mask is not None or not self.is_quick():
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        if training and self.dropout:
            # One mask for all steps of a row, so that the rows differ in their padding.
            sequences = sequences * keras.ops.expand_dims(self.cell.get_dropout_mask(sequences[:, 0, :]), 1)
            self.cell.reset_dropout_mask()
            starts = None
        if self.go_backwards:
            sequences, starts = keras.ops.flip(sequences, 1), None
        weights = (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        weights = tuple(tf.convert_to_tensor(one) for one in weights)
        return scan(self.arithmetic, sequences, starts, weights, sequences=self.return_sequences, initial=initial)

    def as_keras(self, sequences, initial_state=None, mask=None, training=None, starts=None):
        """See `raysq.layers.portable`."""
        usual: Any = next(one for one in type(self).__mro__ if one.__module__.startswith("keras."))
        layer = usual.from_config(self.get_config())
        outputs = layer(sequences, initial_state=initial_state, mask=mask)
        for mine, its in zip(layer.variables, self.variables, strict=True):
            mine.assign(its)
        return outputs

    def is_quick(self) -> bool:
        """Whether the quick loop does what is asked of the layer here; if not, Keras's own does."""
        gates = getattr(self.cell, "recurrent_activation", keras.activations.sigmoid)
        return (
            self.cell.activation is keras.activations.tanh
            and gates is keras.activations.sigmoid
            and self.cell.use_bias
            and getattr(self.cell, "reset_after", True)
            and not (self.recurrent_dropout or self.stateful or self.unroll or self.return_state)
            and self.compute_dtype == "float32"
            # cuDNN is quicker there.
            and not tf.config.list_logical_devices("GPU")
        )


@keras.saving.register_keras_serializable(package="raysq")
class LSTM(FastRNN, keras.layers.LSTM):
    """`keras.layers.LSTM` with a quick loop on a CPU: same arguments, weights, outputs and gradients (to 1e-5).

    Other activations than Keras's defaults, recurrent dropout, masks, `stateful`, `unroll`, `return_state`, other types
    than float32 and GPUs take Keras's own way. Call it with `starts` to save the time of padding in front.
    """

    arithmetic = _LSTMCell()


@keras.saving.register_keras_serializable(package="raysq")
class GRU(FastRNN, keras.layers.GRU):
    """`keras.layers.GRU` with a quick loop on a CPU; see `LSTM`. `reset_after=False` takes Keras's own way."""

    arithmetic = _GRUCell()


@keras.saving.register_keras_serializable(package="raysq")
class SimpleRNN(FastRNN, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` with a quick loop on a CPU; see `LSTM`."""

    arithmetic = _SimpleCell()
