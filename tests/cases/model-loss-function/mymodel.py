import keras
from keras import layers, ops


def plain(inputs, units=8, name=None, extra=()):
    return keras.Sequential([keras.Input(inputs.shape), layers.Flatten(), layers.Dense(units, activation="relu"), *extra, layers.Dense(inputs.outputs)])


def forty(y, p):
    return 40.0 * ops.mean(ops.square(y - p), -1)


def build(inputs):
    model = plain(inputs)
    model.compile(loss=forty, optimizer="adam", metrics=["mse"])
    return model
