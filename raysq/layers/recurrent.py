"""LSTM, GRU and SimpleRNN equivalent to the layers of Keras, and faster on a CPU."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from raysq.layers.scan import scan


@keras.saving.register_keras_serializable(package="raysq")  # type: ignore[untyped-decorator]
def hard_sigmoid(x: Any) -> Any:
    """Return `clip(0.2 x + 0.5, 0, 1)`, the gates of Keras 1 and 2. That of Keras 3 has the slope 1/6."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


class _LSTMCell:
    states = 2

    def saved_widths(self, units: int) -> tuple[int, ...]:
        return 4 * units, units, units  # gates, previous c, tanh of the next c

    def merge(self, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
        return tf.concat([kernel, recurrent], 0), bias

    def split(self, matrix: Any, bias: Any, features: int) -> tuple[Any, Any, Any]:
        return matrix[:features], matrix[features:], bias

    def step(self, pre: Any, states: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        _, c = states
        units = c.shape[-1]
        # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2. With one function for all gates, XLA fuses them into a single fast pass.
        half = tf.repeat(tf.constant([0.5, 0.5, 1.0, 0.5]), units)
        gates = tf.tanh(pre * half) * half + (1 - half)
        i, f, g, o = tf.split(gates, 4, 1)
        after = f * c + i * g
        squashed = tf.tanh(after)
        return (o * squashed, after), (gates, c, squashed)

    def backward(self, gradients: tuple[Any, ...], saved: Sequence[Any], h: Any) -> tuple[Any, tuple[Any, ...]]:
        dh, dc = gradients
        gates, c, squashed = saved
        i, f, g, o = tf.split(gates, 4, 1)
        dc += dh * o * (1 - squashed * squashed)
        parts = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * squashed * o * (1 - o)]
        return tf.concat(parts, 1), (None, dc * f)


class _HardLSTMCell(_LSTMCell):
    """LSTM with the gates `clip(0.2 x + 0.5, 0, 1)` of Keras 1 and 2."""

    def step(self, pre: Any, states: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        _, c = states
        i, f, g, o = tf.split(pre, 4, 1)
        i, f, o = (tf.clip_by_value(0.2 * gate + 0.5, 0.0, 1.0) for gate in (i, f, o))
        g = tf.tanh(g)
        after = f * c + i * g
        squashed = tf.tanh(after)
        return (o * squashed, after), (tf.concat([i, f, g, o], 1), c, squashed)

    def backward(self, gradients: tuple[Any, ...], saved: Sequence[Any], h: Any) -> tuple[Any, tuple[Any, ...]]:
        dh, dc = gradients
        gates, c, squashed = saved
        i, f, g, o = tf.split(gates, 4, 1)
        dc += dh * o * (1 - squashed * squashed)

        def through(gradient: Any, gate: Any) -> Any:
            return tf.where((gate > 0) & (gate < 1), 0.2 * gradient, 0.0)

        parts = [through(dc * g, i), through(dc * c, f), dc * i * (1 - g * g), through(dh * squashed, o)]
        return tf.concat(parts, 1), (None, dc * f)


class _GRUCell:
    """GRU with `reset_after`.

    The reset gate multiplies the recurrent part of the candidate, so that this part needs columns of its own.
    """

    states = 1

    def saved_widths(self, units: int) -> tuple[int, ...]:
        return (4 * units,)  # update gate, reset gate, candidate, recurrent part of the candidate

    def merge(self, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
        units = recurrent.shape[0]
        upper = tf.concat([kernel, tf.zeros((kernel.shape[0], units))], 1)
        lower = tf.concat([recurrent[:, : 2 * units], tf.zeros((units, units)), recurrent[:, 2 * units :]], 1)
        gates = bias[0, : 2 * units] + bias[1, : 2 * units]
        return tf.concat([upper, lower], 0), tf.concat([gates, bias[0, 2 * units :], bias[1, 2 * units :]], 0)

    def split(self, matrix: Any, bias: Any, features: int) -> tuple[Any, Any, Any]:
        units = matrix.shape[0] - features
        lower = tf.concat([matrix[features:, : 2 * units], matrix[features:, 3 * units :]], 1)
        recurrent_bias = tf.concat([bias[: 2 * units], bias[3 * units :]], 0)
        return matrix[:features, : 3 * units], lower, tf.stack([bias[: 3 * units], recurrent_bias])

    def step(self, pre: Any, states: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        (h,) = states
        units = h.shape[-1]
        gates = tf.sigmoid(pre[:, : 2 * units])
        z, r = tf.split(gates, 2, 1)
        recurrent = pre[:, 3 * units :]
        candidate = tf.tanh(pre[:, 2 * units : 3 * units] + r * recurrent)
        return (z * h + (1 - z) * candidate,), (tf.concat([gates, candidate, recurrent], 1),)

    def backward(self, gradients: tuple[Any, ...], saved: Sequence[Any], h: Any) -> tuple[Any, tuple[Any, ...]]:
        (dh,) = gradients
        z, r, candidate, recurrent = tf.split(saved[0], 4, 1)
        inner = dh * (1 - z) * (1 - candidate * candidate)
        parts = [dh * (h - candidate) * z * (1 - z), inner * recurrent * r * (1 - r), inner, inner * r]
        return tf.concat(parts, 1), (dh * z,)


class _SimpleCell:
    states = 1

    def saved_widths(self, units: int) -> tuple[int, ...]:
        return (units,)  # next h

    def merge(self, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
        return tf.concat([kernel, recurrent], 0), bias

    def split(self, matrix: Any, bias: Any, features: int) -> tuple[Any, Any, Any]:
        return matrix[:features], matrix[features:], bias

    def step(self, pre: Any, states: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        after = tf.tanh(pre)
        return (after,), (after,)

    def backward(self, gradients: tuple[Any, ...], saved: Sequence[Any], h: Any) -> tuple[Any, tuple[Any, ...]]:
        return gradients[0] * (1 - saved[0] * saved[0]), (None,)


class FastRNN(keras.layers.Layer):
    """Base class of the three layers. It uses the fast loop where the arguments and the device allow it."""

    arithmetic: Any
    cell: Any
    dropout: float
    recurrent_dropout: float
    go_backwards: bool
    return_sequences: bool
    return_state: bool
    stateful: bool
    unroll: bool

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False, starts: Any = None
    ) -> Any:
        """Apply the layer, as in Keras, with the additional argument `starts`.

        Args:
            starts: int32 `(batch,)` or None. Number of steps at the front of each row whose vectors are the same in
                every row, such as padding. These steps are computed once. The result does not change.

        Returns:
            `(batch, steps, units)` with `return_sequences`, else `(batch, units)`.
        """
        initial = () if initial_state is None else tuple(keras.tree.flatten(initial_state))
        if (initial and starts is not None) or mask is not None or not self.uses_fast_loop():
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        if training and self.dropout:
            # The dropout mask differs between rows, so that their padding does too.
            sequences = sequences * keras.ops.expand_dims(self.cell.get_dropout_mask(sequences[:, 0, :]), 1)
            self.cell.reset_dropout_mask()
            starts = None
        if self.go_backwards:
            sequences, starts = keras.ops.flip(sequences, 1), None
        weights = (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        weights = tuple(tf.convert_to_tensor(weight) for weight in weights)
        arithmetic = self._arithmetic()
        return scan(arithmetic, sequences, starts, weights, sequences=self.return_sequences, initial=initial)

    def _arithmetic(self) -> Any:
        """Return the arithmetic of the fast loop for the layer's gates, or None where it has none."""
        gates = getattr(self.cell, "recurrent_activation", keras.activations.sigmoid)
        return self.arithmetic if gates is keras.activations.sigmoid else None

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration, with a mask of dropout for each gate if it has one (`implementation=1`)."""
        each_gate = getattr(self.cell, "implementation", 2) == 1 and not self.recurrent_dropout
        config: dict[str, Any] = super().get_config()
        return config | ({"implementation": 1, "use_cudnn": False} if each_gate else {})

    def as_keras(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
        starts: Any = None,
    ) -> Any:
        """Apply the Keras layer with the same weights; see `raysq.layers.portable`."""
        keras_class: Any = next(base for base in type(self).__mro__ if base.__module__.startswith("keras."))
        hard = getattr(self.cell, "recurrent_activation", None) is hard_sigmoid
        # Initial weights do not matter any more, and masks of dropout do not in predictions.
        own = ("kernel_initializer", "recurrent_initializer", "implementation", "use_cudnn")
        config = {name: value for name, value in self.get_config().items() if name not in own}
        layer = keras_class.from_config(config | ({"recurrent_activation": "hard_sigmoid"} if hard else {}))
        outputs = layer(sequences, initial_state=initial_state, mask=mask)
        for target, source in zip(layer.variables, self.variables, strict=True):
            # Keras's gates of 1.2 x are ours of x: 1.2 x / 6 + 0.5 = 0.2 x + 0.5.
            scaled = hard and source.shape[-1:] == (self.cell.kernel.shape[-1],)
            target.assign(source * self._gate_columns(1.2) if scaled else source)
        return outputs

    def _gate_columns(self, factor: float) -> Any:
        """Return a vector over the columns of the weights: `factor` for those of gates, 1 for the candidate."""
        columns = {4: (factor, factor, 1.0, factor), 3: (factor, factor, 1.0)}
        units = self.cell.units
        return tf.repeat(tf.constant(columns[self.cell.kernel.shape[-1] // units]), units)

    def uses_fast_loop(self) -> bool:
        """Return whether the fast loop supports the arguments and the device. Otherwise the Keras layer is used."""
        return (
            self.cell.activation is keras.activations.tanh
            and self._arithmetic() is not None
            and self.cell.use_bias
            # One mask of dropout is applied to the inputs of all gates.
            and not (self.dropout and getattr(self.cell, "implementation", 2) == 1)
            and getattr(self.cell, "reset_after", True)
            and not (self.recurrent_dropout or self.stateful or self.unroll or self.return_state)
            and self.compute_dtype == "float32"
            # cuDNN is faster on GPUs.
            and not tf.config.list_logical_devices("GPU")
        )


@keras.saving.register_keras_serializable(package="raysq")
class LSTM(FastRNN, keras.layers.LSTM):
    """`keras.layers.LSTM` with a fast loop on a CPU: same arguments, weights, outputs and gradients (to 1e-5).

    The implementation of Keras is used for activations other than the defaults (gates may be those of Keras 2,
    `hard_sigmoid`), `use_bias=False`, recurrent dropout, a mask of dropout for each gate, masks, `stateful`, `unroll`,
    `return_state`, types other than float32, and on GPUs. Pass `starts` to skip the computation of padding in front.

    Example:
        >>> layer = LSTM(32)
        >>> layer(np.zeros((8, 500, 16), "float32")).shape
        TensorShape([8, 32])
    """

    arithmetic = _LSTMCell()
    hard_arithmetic = _HardLSTMCell()

    def _arithmetic(self) -> Any:
        return self.hard_arithmetic if self.cell.recurrent_activation is hard_sigmoid else super()._arithmetic()


@keras.saving.register_keras_serializable(package="raysq")
class GRU(FastRNN, keras.layers.GRU):
    """`keras.layers.GRU` with a fast loop on a CPU; see `LSTM`.

    The implementation of Keras is also used for `reset_after=False`.
    """

    arithmetic = _GRUCell()


@keras.saving.register_keras_serializable(package="raysq")
class SimpleRNN(FastRNN, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` with a fast loop on a CPU; see `LSTM`."""

    arithmetic = _SimpleCell()
