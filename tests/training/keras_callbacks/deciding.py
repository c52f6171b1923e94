"""Callbacks that stop training and set rates and weights, for one worker and for several."""

from pathlib import Path

import keras
import numpy as np


class Shrinking(keras.callbacks.Callback):
    """Shrinks the weights after calls of steps, and notes what it sees of the model."""

    def __init__(self, directory: Path):
        super().__init__()
        self.directory = directory

    def on_train_batch_end(self, batch, logs=None):
        if batch == 9:
            self.model.set_weights([value * 0.9 for value in self.model.get_weights()])

    def on_epoch_end(self, epoch, logs=None):
        x = np.ones((4, *self.model.input_shape[1:]), np.float32)
        with open(self.directory / "predictions.txt", "a") as file:
            file.write(f"{epoch} {self.model.predict(x, verbose=0)[0, 0]:.4f} {logs['val_loss']:.4f}\n")


def deciding(directory: Path) -> list[keras.callbacks.Callback]:
    return [
        Shrinking(directory),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch else rate),
        keras.callbacks.EarlyStopping(patience=2, min_delta=0.6, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(directory / "{epoch}.keras"),
    ]
