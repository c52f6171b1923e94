import keras
from keras import layers, ops


def build(inputs):
    return keras.Sequential([keras.Input(inputs.shape), layers.Lambda(lambda x: x[:, -1, :]), layers.Dense(inputs.outputs)])
