"""Batch-time settings of image problems: target, validation split and loss."""

from dataclasses import dataclass
from typing import Literal

from raysq.config import check_ranges
from raysq.problems import splits
from raysq.problems.setting_types import OptionalCount

NOUNS = ("image", "image")  # nouns for an example, and for the content that equal examples share


@dataclass(frozen=True)
class ImageSettings:
    """Batch-time settings of image problems. A change does not require the data to be prepared again.

    Attributes:
        target: value to predict: the "label", or the "image" itself for an autoencoder.
        val: share or number of the images outside the test part to validate on.
        val_selection: selection of the validation images: "hash" by a checksum of the pixels, which keeps equal images
            together, or the "first" or "last" images.
        train_samples: number of images to train on; None for all.
        loss: "crossentropy" of the classes or of each pixel, or "mse" of the probabilities or of the pixels.
    """

    target: Literal["label", "image"] = "label"
    val: str = "0.1"
    val_selection: Literal["hash", "first", "last"] = "hash"
    train_samples: OptionalCount = None
    loss: Literal["crossentropy", "mse"] = "crossentropy"

    def __post_init__(self) -> None:
        check_ranges(self)
        splits.split_amount(self.val, NOUNS[0])
