"""Models of a person's own for texts."""

import keras


def pairs(inputs, *, units: int = 6):
    """The next word from the one before it, at every position."""
    words = keras.Input(inputs.shape, dtype="int32")
    seen = keras.layers.Embedding(inputs.outputs, units)(words)
    return keras.Model(words, keras.layers.Dense(inputs.outputs, activation="softmax")(seen))
