"""Find rare fraud: training rows of the rare class weigh more."""

import keras
import numpy as np
from keras import layers
from shared import by_epoch, main, parts

import raysq


def data():
    """Return payments as numbers, whether they are fraud, and the part of each."""
    random = np.random.default_rng(0)
    x = random.normal(size=(2560, 12)).astype("float32")
    fraud = (x[:, 0] + x[:, 1] * x[:, 2] + random.normal(0, 0.5, 2560) > 2.6).astype("int32")
    return x, fraud, parts(2560, 2048)


def build(inputs=None):
    """Build and compile the model."""
    hidden = [layers.Dense(32, activation="relu"), layers.Dense(32, activation="relu")]
    model = keras.Sequential([keras.Input((12,), name="x"), *hidden, layers.Dense(1, activation="sigmoid")])
    metrics = [keras.metrics.Precision(name="precision"), keras.metrics.Recall(name="recall")]
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "binary_crossentropy", metrics=metrics)
    return model


def fit():
    x, y, part = data()
    train, val = part == "train", part == "val"
    y = y[:, None]
    # by fit
    keras.utils.set_random_seed(0)
    model, given = build(), {"validation_data": (x[val], y[val]), "class_weight": {0: 1, 1: 10}}
    model.fit(x[train], y[train], batch_size=64, epochs=5, **given)
    # end
    return model.history.history


def on_raysq(workers):
    x, y, part = data()
    # by raysq
    named = {"target": "fraud", "split_column": "part"}
    raysq.prepare("arrays", source={"x": x, "fraud": y, "part": part}, settings=named)
    settings = {"epochs": 5, "patience": 0, "class_weight": {0: 1, 1: 10}}
    run = raysq.train("arrays", model=build, settings=settings, workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    main(fit, on_raysq)
