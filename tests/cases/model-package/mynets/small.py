import keras

from .parts import top


def build(inputs, *, units: int = 8):
    return keras.Sequential([keras.Input(inputs.shape), keras.layers.Flatten(), top(units), top(inputs.outputs)])
