"""Common-sense baseline of time series: past values repeat."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="raysq")
class Persistence(keras.layers.Layer):
    """Layer that predicts that past values repeat, as a common-sense baseline of time series.

    Input shape `(batch, steps, features)`, output shape `(batch, len(positions) * len(targets) * copies)`.

    Args:
        targets: indices of the features to predict.
        positions: for each horizon, the index of the step to repeat; -1 for the latest.
        copies: number of adjacent copies of each value. In quantile forecasts all quantiles equal the one value.

    Example:
        >>> Persistence(targets=(1,))(np.zeros((4, 120, 14))).shape
        TensorShape([4, 1])
    """

    def __init__(
        self, targets: tuple[int, ...], positions: tuple[int, ...] = (-1,), copies: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.targets = tuple(targets)
        self.positions = tuple(positions)
        self.copies = copies

    def call(self, inputs: Any) -> Any:
        if len(self.positions) == 1:
            values = keras.ops.take(inputs[:, self.positions[0], :], list(self.targets), axis=-1)
        else:
            values = keras.ops.take(keras.ops.take(inputs, list(self.positions), axis=1), list(self.targets), axis=-1)
            values = keras.ops.reshape(values, (-1, len(self.positions) * len(self.targets)))
        return keras.ops.repeat(values, self.copies, axis=-1) if self.copies > 1 else values

    as_keras = call  # consists of Keras operations only

    def get_config(self) -> dict[str, Any]:
        own = {"targets": list(self.targets), "positions": list(self.positions), "copies": self.copies}
        return {**super().get_config(), **own}
