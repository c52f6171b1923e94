"""Models for tests: small, and quick to build. Named as `kinds.classify.small_models:average`."""

import keras

from raysq.problems.specs import InputSpec


def _output(inputs: InputSpec) -> keras.layers.Layer:
    return keras.layers.Dense(inputs.outputs, activation="sigmoid" if inputs.outputs == 1 else "softmax")


def average(inputs: InputSpec, *, units: int = 8) -> keras.Model:
    """The mean of the words' vectors."""
    features = inputs.extra["features"]
    x = keras.Input(inputs.shape, dtype="int32")
    mean = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(features, units)(x))
    return keras.Model(x, _output(inputs)(mean))


def summed(inputs: InputSpec, *, units: int = 8) -> keras.Model:
    """A bag: the sum of its words' vectors, whatever the width; counts, where there are any, are left out."""
    features = inputs.extra["features"]
    x = keras.Input(inputs.shape, dtype="int32")
    ids = x if len(inputs.shape) == 1 else x[:, 0]
    there = keras.ops.cast(ids > 0, "float32")[..., None]
    total = keras.ops.sum(keras.layers.Embedding(features, units)(ids) * there, axis=1)
    return keras.Model(x, _output(inputs)(total))
