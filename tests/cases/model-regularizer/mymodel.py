import keras
from keras import layers, ops


def plain(inputs, units=8, name=None, extra=()):
    return keras.Sequential([keras.Input(inputs.shape), layers.Flatten(), layers.Dense(units, activation="relu"), *extra, layers.Dense(inputs.outputs)])


def build(inputs):
    model = keras.Sequential([keras.Input(inputs.shape), layers.Flatten(), layers.Dense(1, kernel_initializer="zeros", kernel_regularizer=keras.regularizers.L2(1e6))])
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(1e-9))
    return model
