import keras
from keras import layers, ops


def build(inputs):
    model = keras.Sequential([keras.Input(inputs.shape), layers.Embedding(10000, 4), layers.GlobalAveragePooling1D(), layers.Dense(2, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", optimizer=keras.optimizers.Adam(0.1), metrics=["accuracy"])
    return model
