"""Sort digits with half the bits: a convolution that computes in bfloat16 and keeps its weights in float32."""

import keras
from keras import layers
from shared import by_epoch, digits, main, parts

import raysq


def data():
    """Return pictures of digits, their classes, and the part of each."""
    pictures, labels = digits(1280)
    return pictures, labels.astype("int32"), parts(1280, 1024)


def build(inputs=None):
    """Build and compile the model, whose predictions are float32."""
    hidden = [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    output = layers.Dense(10, activation="softmax", dtype="float32")
    model = keras.Sequential([keras.Input((14, 14, 1), name="picture"), *hidden, output])
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit():
    x, y, part = data()
    train, val = part == "train", part == "val"
    y = y[:, None]
    # by fit
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.utils.set_random_seed(0)
    model = build()
    model.fit(x[train], y[train], batch_size=32, epochs=4, validation_data=(x[val], y[val]))
    # end
    return model.history.history


def on_raysq(workers):
    x, y, part = data()
    # by raysq
    named = {"target": "digit", "split_column": "part"}
    raysq.prepare("arrays", source={"picture": x, "digit": y, "part": part}, settings=named)
    settings = {"batch_size": 32, "epochs": 4, "patience": 0, "precision": "mixed_bfloat16"}
    run = raysq.train("arrays", model=build, settings=settings, workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    main(fit, on_raysq)
