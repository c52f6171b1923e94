"""Stop in time: callbacks of Keras that lower the learning rate and end training, and one of one's own."""

import keras
import numpy as np
from keras import layers
from shared import by_epoch, main, parts

import raysq


def data():
    """Return numbers, of which few matter, classes with many errors, and the part of each row."""
    random = np.random.default_rng(0)
    x = random.normal(size=(640, 20)).astype("float32")
    wrong = random.random(640) < 0.25
    return x, ((x[:, 0] + x[:, 1] > 0) ^ wrong).astype("int32"), parts(640, 512)


def build(inputs=None):
    """Build and compile a model that is larger than the data bear."""
    hidden = [layers.Dense(64, activation="relu"), layers.Dense(64, activation="relu")]
    model = keras.Sequential([keras.Input((20,), name="x"), *hidden, layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "binary_crossentropy", metrics=["accuracy"])
    return model


class Sizes(keras.callbacks.Callback):
    """Adds the size of the first layer's weights to the figures of an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        """Measure the weights."""
        logs["size"] = float(np.abs(self.model.layers[0].get_weights()[0]).mean())


def callbacks():
    """Return the callbacks of a training."""
    return [
        Sizes(),
        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=1),
        keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True),
    ]


def fit():
    x, y, part = data()
    train, val = part == "train", part == "val"
    y = y[:, None]
    # by fit
    keras.utils.set_random_seed(0)
    model, given = build(), {"validation_data": (x[val], y[val]), "callbacks": callbacks()}
    model.fit(x[train], y[train], batch_size=32, epochs=20, **given)
    # end
    return model.history.history


def on_raysq(workers):
    x, y, part = data()
    # by raysq
    named = {"target": "y", "split_column": "part"}
    raysq.prepare("arrays", source={"x": x, "y": y, "part": part}, settings=named)
    settings = {"batch_size": 32, "epochs": 20, "patience": 0}
    run = raysq.train("arrays", model=build, settings=settings, callbacks=callbacks(), workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    main(fit, on_raysq)
