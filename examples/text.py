"""Sort news by topic: texts as ids of words by `TextVectorization`, and a model that averages embeddings."""

import csv

import keras
import numpy as np
from keras import layers
from shared import by_epoch, main, parts, real

import raysq

WORDS, LENGTH = 5000, 40


def texts():
    """Return texts and their topics: 2,560 of AG News, or made up."""
    random = np.random.default_rng(0)
    if path := real("ag_news/dev.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            found = [(row["content"], int(row["label"]) - 1) for row in csv.DictReader(file)]
        chosen = random.permutation(len(found))[:2560]
        return [found[number][0] for number in chosen], np.array([found[number][1] for number in chosen])
    topics = random.integers(0, 4, 2560)
    words = [random.integers(0, 300, 30) + 200 * topic for topic in topics]
    return [" ".join(f"word{word}" for word in some) for some in words], topics


def data():
    """Return ids of words, the topics, and the part of each text. Words are those of the texts to train on."""
    found, topics = texts()
    vectorize = layers.TextVectorization(WORDS, output_sequence_length=LENGTH)
    vectorize.adapt(found[:2048])
    return np.array(vectorize(found)), topics, parts(2560, 2048)


def build(inputs=None):
    """Build and compile the model."""
    words = keras.Input((LENGTH,), name="words")
    mean = layers.GlobalAveragePooling1D()(layers.Embedding(WORDS, 32, mask_zero=True)(words))
    model = keras.Model(words, layers.Dense(4, activation="softmax")(mean))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit():
    x, y, part = data()
    train, val = part == "train", part == "val"
    y = y[:, None]
    # by fit
    keras.utils.set_random_seed(0)
    model = build()
    model.fit(x[train], y[train], batch_size=32, epochs=4, validation_data=(x[val], y[val]))
    # end
    return model.history.history


def on_raysq(workers):
    x, y, part = data()
    # by raysq
    named = {"target": "topic", "split_column": "part"}
    raysq.prepare("arrays", source={"words": x, "topic": y, "part": part}, settings=named)
    settings = {"batch_size": 32, "epochs": 4, "patience": 0}
    run = raysq.train("arrays", model=build, settings=settings, workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    main(fit, on_raysq)
