"""Models of a person's own with classes of their own, which Keras must know to read them."""

import keras
from keras import layers


@keras.saving.register_keras_serializable("own")
class Scale(layers.Layer):
    def build(self, shape):
        self.weight = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.weight


@keras.saving.register_keras_serializable("own")
class Forgetful(keras.Model):
    """Keras does not write what it was made with: read back, it has one output."""

    def __init__(self, outputs=1, **rest):
        super().__init__(**rest)
        self.outs = outputs
        self.flat, self.dense = layers.Flatten(), layers.Dense(outputs)

    def call(self, x):
        return self.dense(self.flat(x))


@keras.saving.register_keras_serializable("own")
class Whole(Forgetful):
    def get_config(self):
        return {**super().get_config(), "outputs": self.outs}


class Bare(layers.Layer):
    def call(self, x):
        return x * 2.0


class Callable(layers.Layer):
    def __init__(self, function, **rest):
        super().__init__(**rest)
        self.function = function

    def call(self, x):
        return self.function(x)


def halved(x):
    return x / 2


def within():
    @keras.saving.register_keras_serializable("own")
    class Inner(layers.Layer):
        def call(self, x):
            return x

    return Inner()


def loss_of_ones_own(y, prediction):
    return keras.ops.mean(keras.ops.abs(y - prediction), axis=-1)


def scaled(inputs):
    model = keras.Sequential([keras.Input(inputs.shape), Scale(), layers.Flatten(), layers.Dense(inputs.outputs)])
    model.compile("sgd", loss_of_ones_own)
    return model


def bare(inputs):
    return keras.Sequential([keras.Input(inputs.shape), Bare(), layers.Flatten(), layers.Dense(inputs.outputs)])
