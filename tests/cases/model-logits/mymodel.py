import keras
from keras import layers, ops


def build(inputs):
    model = keras.Sequential([keras.Input(inputs.shape), layers.Embedding(10000, 4), layers.GlobalAveragePooling1D(), layers.Dense(inputs.outputs)])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), optimizer=keras.optimizers.SGD(3.0), metrics=["accuracy"])
    return model
