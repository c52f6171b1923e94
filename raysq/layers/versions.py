"""Layers as older versions of Keras compute them and draw their weights, read in the sources of 1.0.2 and 2.1.5."""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import keras

from raysq.layers import recurrent

LayerVersion = Literal["keras3", "keras2", "keras1"]

_GAIN = 1.1  # of orthogonal matrices in Keras 1
_SPREAD = 0.05  # of the weights of one-dimensional convolutions in Keras 1


@keras.saving.register_keras_serializable(package="raysq")
class EachGate(keras.initializers.Initializer):
    """Draw the weights of each gate as a matrix of their own, as Keras 1 has them.

    Args:
        initializer: name of the Keras initializer of one gate's matrix.
        gates: number of gates, whose matrices lie side by side.
        gain: factor of the matrices.
    """

    def __init__(self, initializer: str, gates: int, gain: float = 1.0):
        self.initializer = initializer
        self.gates = gates
        self.gain = gain
        self._parts = [keras.initializers.get(initializer) for _ in range(gates)]

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        rows, columns = shape
        parts = [self.gain * part((rows, columns // self.gates), dtype) for part in self._parts]
        return keras.ops.concatenate(parts, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {"initializer": self.initializer, "gates": self.gates, "gain": self.gain}


def recurrent_layer(layer: Callable[..., Any], version: LayerVersion) -> Callable[..., Any]:
    """Return a class of recurrent layers, or its counterpart in an older version of Keras.

    Keras 2 differs from Keras 3 in the gates (`hard_sigmoid`), in the GRU, whose reset gate multiplies the state before
    the matrix, and in dropout, which has a mask for each gate. Keras 1 differs from Keras 2 in the weights: those of
    each gate are drawn by themselves, and recurrent ones are orthogonal matrices times 1.1.

    Args:
        layer: LSTM, GRU or SimpleRNN of Keras or raysq.
        version: version of Keras. With "keras3", `layer` is returned.

    Example:
        >>> recurrent_layer(keras.layers.LSTM, "keras2")(32, dropout=0.2)
    """
    if version == "keras3":
        return layer
    classes = (recurrent.LSTM, recurrent.GRU, recurrent.SimpleRNN)
    fast = next(each for each in classes if each.__name__ == getattr(layer, "__name__", ""))
    gates = {recurrent.LSTM: 4, recurrent.GRU: 3}.get(fast, 1)
    arguments: dict[str, Any] = {}
    if gates > 1:
        arguments |= {"recurrent_activation": recurrent.hard_sigmoid, "implementation": 1, "use_cudnn": False}
    if fast is recurrent.GRU:
        arguments["reset_after"] = False
    if version == "keras2":
        return functools.partial(fast, **arguments)

    def build(units: int, **others: Any) -> Any:
        arguments["kernel_initializer"] = EachGate("glorot_uniform", gates)
        arguments["recurrent_initializer"] = EachGate("orthogonal", gates, _GAIN)
        return fast(units, **arguments, **others)

    return build


def convolution_arguments(version: LayerVersion, kernel: tuple[int, ...]) -> dict[str, Any]:
    """Return keyword arguments that give a convolution the initial weights of a version of Keras.

    Only Keras 1 differs. Weights of one-dimensional convolutions are uniform within 0.05. Those of others have Glorot's
    limit with the filters as fan-out, and not filters times pixels.

    Args:
        version: version of Keras.
        kernel: shape of the kernel: sides of the window, channels and filters.
    """
    if version != "keras1":
        return {}
    limit = _SPREAD if len(kernel) == 3 else (6.0 / (math.prod(kernel[:-1]) + kernel[-1])) ** 0.5
    return {"kernel_initializer": keras.initializers.RandomUniform(-limit, limit)}
