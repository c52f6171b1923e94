"""Models of a person's own for pairs."""

import keras


def summed(inputs, *, units: int = 16):
    """No decoder state: the next word from the mean of the source and the word before."""
    width = inputs.extra["max_source"]
    pair = keras.Input(inputs.shape, dtype="int32")
    source = keras.layers.Embedding(inputs.extra["source_words"], units)(pair[:, :width])
    seen = keras.layers.Embedding(inputs.extra["target_words"], units)(pair[:, width:])
    mean = keras.layers.GlobalAveragePooling1D()(source)
    both = keras.layers.Concatenate()([seen, keras.layers.RepeatVector(inputs.extra["positions"])(mean)])
    return keras.Model(pair, keras.layers.Dense(inputs.extra["target_words"])(both))
