import keras
from keras import layers, ops


from helper import width


def build(inputs):
    return keras.Sequential([keras.Input(inputs.shape), layers.Flatten(), layers.Dense(width()), layers.Dense(inputs.outputs)])
