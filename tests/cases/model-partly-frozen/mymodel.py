import keras
from keras import layers, ops


def build(inputs):
    frozen = layers.Dense(4, kernel_initializer="ones", trainable=False, name="frozen")
    return keras.Sequential([keras.Input(inputs.shape), layers.Flatten(), frozen, layers.Dense(inputs.outputs, name="top")])
