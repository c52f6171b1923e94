"""Learn the digits 5 to 9 from few pictures: layers that have learned 0 to 4, with frozen weights, and a new end."""

import keras
import numpy as np
from keras import layers
from shared import by_epoch, digits, main, parts

import raysq

PRETRAINED: list[np.ndarray] = []  # weights of the frozen layers


def base():
    """Build the layers that are trained first."""
    return keras.Sequential(
        [
            keras.Input((14, 14, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
        ],
        name="base",
    )


def data():
    """Train the first layers on the digits 0 to 4, and return pictures of the others, their classes and parts."""
    pictures, labels = digits(4000)
    small, large = np.flatnonzero(labels < 5)[:1600], np.flatnonzero(labels >= 5)[:640]
    keras.utils.set_random_seed(1)
    below = base()
    first = keras.Sequential([below, layers.Dense(5, activation="softmax")])
    first.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    first.fit(pictures[small], labels[small], epochs=5, shuffle=False, verbose=0)
    PRETRAINED[:] = below.get_weights()
    return pictures[large], labels[large].astype("int32") - 5, parts(640, 512)


def build(inputs=None):
    """Build and compile the model."""
    below = base()
    below.set_weights(PRETRAINED)
    below.trainable = False
    picture = keras.Input((14, 14, 1), name="picture")
    model = keras.Model(picture, layers.Dense(5, activation="softmax")(below(picture)))
    model.compile(keras.optimizers.SGD(0.2), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit():
    x, y, part = data()
    train, val = part == "train", part == "val"
    y = y[:, None]
    # by fit
    keras.utils.set_random_seed(0)
    model = build()
    model.fit(x[train], y[train], batch_size=32, epochs=5, validation_data=(x[val], y[val]))
    # end
    return model.history.history


def on_raysq(workers):
    x, y, part = data()
    # by raysq
    named = {"target": "digit", "split_column": "part"}
    raysq.prepare("arrays", source={"picture": x, "digit": y, "part": part}, settings=named)
    settings = {"batch_size": 32, "epochs": 5, "patience": 0}
    run = raysq.train("arrays", model=build, settings=settings, workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    main(fit, on_raysq)
