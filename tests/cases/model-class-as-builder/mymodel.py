import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("mine")
class Net(keras.Model):
    def __init__(self, inputs=None, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x[:, -1])
