"""Models whose processes do not live: as if the machine had too little memory."""

import os
import signal
from pathlib import Path

import keras


def mortal(inputs, *, units: int = 4, calls: str = ""):
    """With 13 units it is killed while it is built; with 5, twice, when it is trained already; 99 diverges.

    `calls` is a file that counts how often the model of 5 units was built.
    """
    if units == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if units == 5:
        path = Path(calls)
        count = int(path.read_text()) + 1 if path.exists() else 1
        path.write_text(str(count))
        if count in (2, 3):  # while the trained model is written, and when it is opened again
            os.kill(os.getpid(), signal.SIGKILL)
    parts = [keras.Input(inputs.shape), keras.layers.Flatten(), keras.layers.Dense(units), keras.layers.Dense(1)]
    if units == 99:
        parts.append(keras.layers.Rescaling(float("inf")))
    return keras.Sequential(parts)


def broken(inputs, *, units: int = 4):
    """Cannot be trained with any setting."""
    raise RuntimeError("no cable is plugged in")


def small_only(inputs, *, units: int = 4):
    """Build a dense model, or fail above 4 units."""
    if units > 4:
        raise ValueError(f"{units} units are too many")
    return keras.Sequential([keras.Input(inputs.shape), keras.layers.Flatten(), keras.layers.Dense(1)])
