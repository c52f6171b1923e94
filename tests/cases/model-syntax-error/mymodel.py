import keras
from keras import layers, ops


def build(inputs)
    return None
