"""The common-sense reference of a series: what was seen comes again."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="raysq")
class Persistence(keras.layers.Layer):
    """Predicts that what was seen at some steps comes again: the common-sense references of a series.

    Input shape `(batch, steps, features)`, output shape `(batch, len(positions) * len(targets))`.

    Args:
        targets: indices of the features to predict.
        positions: for each horizon the index of the step to repeat, -1 for the latest.
    """

    def __init__(self, targets: tuple[int, ...], positions: tuple[int, ...] = (-1,), **kwargs: Any):
        super().__init__(**kwargs)
        self.targets = tuple(targets)
        self.positions = tuple(positions)

    def call(self, inputs):
        seen = [keras.ops.take(inputs[:, position, :], list(self.targets), axis=-1) for position in self.positions]
        return seen[0] if len(seen) == 1 else keras.ops.concatenate(seen, axis=-1)

    def get_config(self):
        return {**super().get_config(), "targets": list(self.targets), "positions": list(self.positions)}
