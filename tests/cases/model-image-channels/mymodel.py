import keras
from keras import layers, ops


def build(inputs):
    return keras.Sequential([keras.Input((*inputs.shape[:2], 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(inputs.outputs)])
