"""Model parts that several kinds share."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="raysq")
class Persistence(keras.layers.Layer):
    """Predicts that what was seen last goes on: the common-sense baseline of a series.

    Input shape `(batch, steps, features)`, output shape `(batch, len(targets))`.

    Args:
        targets: indices of the features to predict.
        position: index of the step to repeat, -1 for the latest.
    """

    def __init__(self, targets: tuple[int, ...], position: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.targets = tuple(targets)
        self.position = position

    def call(self, inputs):
        return keras.ops.take(inputs[:, self.position, :], list(self.targets), axis=-1)

    def get_config(self):
        return {**super().get_config(), "targets": list(self.targets), "position": self.position}
