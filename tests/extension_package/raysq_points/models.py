"""Models of points. Settings of a model are the keyword-only arguments of its function."""

from typing import Annotated

import keras

from raysq import Range
from raysq.layers import Constant


def baseline(inputs):
    """Predict the share of each class among the training points."""
    x = keras.Input(inputs.shape)
    return keras.Model(x, Constant(inputs.extra["priors"])(x))


def dense(inputs, *, units: Annotated[int, Range(least=1)] = 32):
    """Build a dense layer over the values before and at a point."""
    x = keras.Input(inputs.shape)
    hidden = keras.layers.Dense(units, activation="relu")(x)
    return keras.Model(x, keras.layers.Dense(inputs.outputs, activation="softmax")(hidden))
