"""Dropout of whole words."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="raysq")
class WordDropout(keras.layers.Layer):
    """Layer that drops ids of documents at random in training, so that no single one decides.

    Dropped ids, and their counts, become 0, which is padding. Kept ones are not scaled, which suits layers that take a
    mean over ids. Source: Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text
    Classification".

    Input and output shape `(batch, width)`, ids, or `(batch, 2, width)`, ids and their counts.

    Args:
        rate: share of the ids to drop.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        shape = keras.ops.shape(inputs)
        kept = keras.random.uniform((shape[0], shape[-1]), seed=self.seed_generator) >= self.rate
        if len(inputs.shape) == 3:
            kept = keras.ops.expand_dims(kept, 1)
        return inputs * keras.ops.cast(kept, inputs.dtype)

    def as_keras(self, inputs: Any) -> Any:
        """Return the inputs; see `raysq.layers.portable`."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate}
