"""Tell whether two pictures show the same digit: a siamese network with a loss of its own."""

import keras
import numpy as np
from keras import layers, ops
from shared import by_epoch, digits, main, parts, rows

import raysq


def data():
    """Return pairs of pictures, of which half show the same digit, whether they do, and the part of each pair."""
    random = np.random.default_rng(0)
    pictures, labels = digits(2000)
    left, right = random.integers(0, 2000, 1280), random.integers(0, 2000, 1280)
    for number in range(0, 1280, 2):
        right[number] = random.choice(np.flatnonzero(labels == labels[left[number]]))
    same = (labels[left] == labels[right]).astype("int32")
    return {"left": pictures[left], "right": pictures[right]}, same, parts(1280, 1024)


@keras.saving.register_keras_serializable()
def contrastive(same, distance):
    """Return a loss that draws equal digits together, and pushes others away up to a distance of 1."""
    same = ops.cast(same, distance.dtype)
    return ops.mean(same * distance**2 + (1 - same) * ops.maximum(1 - distance, 0) ** 2, axis=-1)


@keras.saving.register_keras_serializable()
class Distance(layers.Layer):
    """Euclidean distance of two vectors."""

    def call(self, left, right):
        """Return the distances, of shape (batch, 1)."""
        return ops.sqrt(ops.sum((left - right) ** 2, axis=-1, keepdims=True) + 1e-7)


def build(inputs=None):
    """Build and compile two towers that share their weights."""
    tower = keras.Sequential(
        [
            keras.Input((14, 14, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(16, activation="tanh"),
        ]
    )
    left, right = keras.Input((14, 14, 1), name="left"), keras.Input((14, 14, 1), name="right")
    model = keras.Model({"left": left, "right": right}, Distance()(tower(left), tower(right)))
    model.compile(keras.optimizers.SGD(0.1), loss=contrastive)
    return model


def fit():
    x, y, part = data()
    train, val = part == "train", part == "val"
    y = y[:, None]
    # by fit
    keras.utils.set_random_seed(0)
    model, validation = build(), (rows(x, val), y[val])
    model.fit(rows(x, train), y[train], batch_size=32, epochs=5, validation_data=validation)
    # end
    return model.history.history


def on_raysq(workers):
    x, y, part = data()
    # by raysq
    named = {"target": "same", "split_column": "part"}
    raysq.prepare("arrays", source={**x, "same": y, "part": part}, settings=named)
    settings = {"batch_size": 32, "epochs": 5, "patience": 0}
    run = raysq.train("arrays", model=build, settings=settings, workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    main(fit, on_raysq)
