"""Route tickets: a functional model with inputs of a title and tags, and outputs of a priority and a department."""

import keras
import numpy as np
from keras import layers
from shared import by_epoch, main, parts, rows

import raysq

WORDS, TAGS, DEPARTMENTS = 200, 12, 4


def data():
    """Return titles of word ids, tags, what they decide, and the part of each ticket."""
    random = np.random.default_rng(0)
    department = random.integers(0, DEPARTMENTS, 1280)
    own = random.integers(0, WORDS // DEPARTMENTS, (1280, 10)) * DEPARTMENTS + department[:, None]
    title = np.where(random.random((1280, 10)) < 0.4, own, random.integers(0, WORDS, (1280, 10)))
    tags = (random.random((1280, TAGS)) < 0.3).astype("float32")
    priority = (tags[:, :4].sum(1) + random.normal(0, 0.5, 1280) > 1.5).astype("int32")
    return {"title": title, "tags": tags}, {"priority": priority, "department": department}, parts(1280, 1024)


def build(inputs=None):
    """Build and compile the model."""
    title = keras.Input((10,), name="title")
    tags = keras.Input((TAGS,), name="tags")
    words = layers.GlobalAveragePooling1D()(layers.Embedding(WORDS, 16)(title))
    joined = layers.Concatenate()([words, tags])
    priority = layers.Dense(1, activation="sigmoid", name="priority")(joined)
    department = layers.Dense(DEPARTMENTS, activation="softmax", name="department")(joined)
    model = keras.Model({"title": title, "tags": tags}, {"priority": priority, "department": department})
    model.compile(
        keras.optimizers.SGD(0.5, momentum=0.9),
        loss={"priority": "binary_crossentropy", "department": "sparse_categorical_crossentropy"},
        loss_weights={"priority": 1.0, "department": 0.5},
        metrics={"priority": "accuracy", "department": "accuracy"},
    )
    return model


def fit():
    x, y, part = data()
    train, val = part == "train", part == "val"
    y = {name: values[:, None] for name, values in y.items()}
    # by fit
    keras.utils.set_random_seed(0)
    model, validation = build(), (rows(x, val), rows(y, val))
    model.fit(rows(x, train), rows(y, train), batch_size=32, epochs=5, validation_data=validation)
    # end
    return model.history.history


def on_raysq(workers):
    x, y, part = data()
    # by raysq
    named = {"target": [*y], "split_column": "part"}
    raysq.prepare("arrays", source={**x, **y, "part": part}, settings=named)
    settings = {"batch_size": 32, "epochs": 5, "patience": 0}
    run = raysq.train("arrays", model=build, settings=settings, workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    main(fit, on_raysq)
