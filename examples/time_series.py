"""Forecast the temperature three hours ahead: windows of hourly weather, and a recurrent layer."""

import keras
import numpy as np
import pandas as pd
from keras import layers
from shared import by_epoch, main, parts, real

import raysq

COLUMNS, WINDOW, AHEAD = ["TEMP", "DEWP", "PRES", "Iws"], 24, 3


def hours():
    """Return hourly weather: 2,600 hours of Beijing's, or made up."""
    if path := real("beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv"):
        return pd.read_csv(path)[COLUMNS].to_numpy("float32")[:2600]
    hour, random = np.arange(2600)[:, None], np.random.default_rng(0)
    waves = np.sin(2 * np.pi * (hour + np.arange(4)) / 24) + 0.002 * hour
    return (waves + random.normal(0, 0.1, waves.shape)).astype("float32")


def data():
    """Return windows, the temperatures after them, and the part of each, the later ones to validate."""
    weather = hours()
    train = weather[: 2048 + WINDOW]
    weather = (weather - train.mean(0)) / train.std(0)
    windows = np.lib.stride_tricks.sliding_window_view(weather, WINDOW, axis=0)[: -AHEAD - 1].transpose(0, 2, 1)
    temperature = weather[WINDOW + AHEAD :, 0]
    part = parts(2560, 2048)
    x, y = windows[:2560].copy(), temperature[:2560]
    return x, (y - y[:2048].mean()) / y[:2048].std(), part


def build(inputs=None):
    """Build and compile the model."""
    window = keras.Input((WINDOW, len(COLUMNS)), name="window")
    model = keras.Model(window, layers.Dense(1)(layers.GRU(16)(window)))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", metrics=["mae"])
    return model


def fit():
    x, y, part = data()
    train, val = part == "train", part == "val"
    y = y[:, None]
    # by fit
    keras.utils.set_random_seed(0)
    model = build()
    model.fit(x[train], y[train], batch_size=64, epochs=4, validation_data=(x[val], y[val]))
    # end
    return model.history.history


def on_raysq(workers):
    x, y, part = data()
    # by raysq
    named = {"target": "temperature", "split_column": "part"}
    raysq.prepare("arrays", source={"window": x, "temperature": y, "part": part}, settings=named)
    run = raysq.train("arrays", model=build, settings={"epochs": 4, "patience": 0}, workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    main(fit, on_raysq)
