import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("mine")
class Eager(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x.numpy()[:, -1])


def build(inputs):
    return Eager()
