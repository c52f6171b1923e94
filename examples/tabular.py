"""Tell bad air by the weather: numbers beside embeddings of categories, whose ids `StringLookup` makes."""

import keras
import numpy as np
import pandas as pd
from keras import layers
from shared import by_epoch, main, parts, real, rows

import raysq

NUMBERS = ["DEWP", "TEMP", "PRES", "Iws"]


def table():
    """Return hours with their weather and fine dust: 2,560 of Beijing's, or made up."""
    if path := real("beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv"):
        return pd.read_csv(path).dropna().sample(2560, random_state=0)
    random = np.random.default_rng(0)
    frame = pd.DataFrame({name: random.normal(size=2560) for name in NUMBERS})
    frame["cbwd"] = random.choice(["NW", "NE", "SE", "cv"], 2560)
    frame["month"] = random.integers(1, 13, 2560)
    frame["pm2.5"] = 90 + 40 * frame["DEWP"] - 30 * frame["TEMP"] + 50 * (frame["cbwd"] == "SE")
    return frame


def data():
    """Return the inputs by name, whether the air is bad, and the part of each hour."""
    frame, part = table(), parts(2560, 2048)
    numbers = frame[NUMBERS].to_numpy("float32")
    numbers = (numbers - numbers[:2048].mean(0)) / numbers[:2048].std(0)
    wind = layers.StringLookup(vocabulary=["NW", "NE", "SE", "cv"])(frame["cbwd"].to_numpy("str"))
    month = frame["month"].to_numpy()
    x = {"weather": numbers, "wind": np.array(wind)[:, None], "month": month[:, None]}
    return x, (frame["pm2.5"].to_numpy() > 100).astype("int32"), part


def build(inputs=None):
    """Build and compile the model."""
    weather = keras.Input((len(NUMBERS),), name="weather")
    wind, month = keras.Input((1,), name="wind"), keras.Input((1,), name="month")
    embedded = [layers.Flatten()(layers.Embedding(13, 4)(each)) for each in (wind, month)]
    hidden = layers.Dense(32, activation="relu")(layers.Concatenate()([weather, *embedded]))
    output = layers.Dense(1, activation="sigmoid")(hidden)
    model = keras.Model({"weather": weather, "wind": wind, "month": month}, output)
    model.compile(keras.optimizers.SGD(0.2, momentum=0.9), "binary_crossentropy", metrics=["accuracy"])
    return model


def fit():
    x, y, part = data()
    train, val = part == "train", part == "val"
    y = y[:, None]
    # by fit
    keras.utils.set_random_seed(0)
    model, validation = build(), (rows(x, val), y[val])
    model.fit(rows(x, train), y[train], batch_size=64, epochs=5, validation_data=validation)
    # end
    return model.history.history


def on_raysq(workers):
    x, y, part = data()
    # by raysq
    named = {"target": "bad", "split_column": "part"}
    raysq.prepare("arrays", source={**x, "bad": y, "part": part}, settings=named)
    run = raysq.train("arrays", model=build, settings={"epochs": 5, "patience": 0}, workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    main(fit, on_raysq)
