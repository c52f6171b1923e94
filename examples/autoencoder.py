"""Compress pictures: an autoencoder whose layers add its whole loss, so that it is compiled without one."""

import keras
from keras import layers, ops
from shared import by_epoch, digits, main, parts

import raysq


def data():
    """Return pictures of digits, and the part of each."""
    pictures, _ = digits(1280)
    return pictures.reshape(1280, 196), parts(1280, 1024)


@keras.saving.register_keras_serializable()
class Reconstruction(layers.Layer):
    """Adds the squared error of a reconstruction to the loss, and returns the reconstruction."""

    def call(self, picture, reconstructed):
        """Add the mean over a batch."""
        self.add_loss(ops.mean((picture - reconstructed) ** 2))
        return reconstructed


@keras.saving.register_keras_serializable()
class Sparse(layers.Layer):
    """Adds a penalty on a code, so that few of its numbers are large."""

    def call(self, code):
        """Add the mean over a batch."""
        self.add_loss(0.001 * ops.mean(ops.abs(code)))
        return code


def build(inputs=None):
    """Build and compile the autoencoder."""
    picture = keras.Input((196,), name="picture")
    code = Sparse()(layers.Dense(16, activation="relu")(picture))
    output = Reconstruction()(picture, layers.Dense(196, activation="sigmoid")(code))
    model = keras.Model(picture, output)
    model.compile(keras.optimizers.Adam(0.01))
    return model


def fit():
    x, part = data()
    train, val = part == "train", part == "val"
    # by fit
    keras.utils.set_random_seed(0)
    model = build()
    model.fit(x[train], batch_size=32, epochs=5, validation_data=(x[val],))
    # end
    return model.history.history


def on_raysq(workers):
    x, part = data()
    # by raysq
    named = {"target": "copy", "split_column": "part"}
    raysq.prepare("arrays", source={"picture": x, "copy": x, "part": part}, settings=named)
    settings = {"batch_size": 32, "epochs": 5, "patience": 0}
    run = raysq.train("arrays", model=build, settings=settings, workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    main(fit, on_raysq)
