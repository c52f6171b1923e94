"""Batch-time settings of image problems: target, validation split and loss."""

from dataclasses import dataclass
from typing import Annotated, Literal

from raysq.config import Range, check_ranges
from raysq.errors import UsageError
from raysq.problems import splits
from raysq.problems.class_weights import check_class_weight
from raysq.problems.setting_types import OptionalCount

NOUNS = ("image", "image")  # nouns for an example, and for the content that equal examples share


@dataclass(frozen=True)
class ImageSettings:
    """Batch-time settings of image problems. A change does not require the data to be prepared again.

    Attributes:
        target: value to predict: the "label", or the "image" itself for an autoencoder.
        val: share or number of the images outside the test part to validate on.
        val_selection: selection of the validation images: "hash" by a checksum of the pixels, which keeps equal images
            together, "stratified" by the same checksum within each class, or the "first" or "last" images.
        train_samples: number of images to train on; None for all.
        sample_seed: seed with which these images are drawn from those that train; None for the first.
        loss: "crossentropy" of the classes or of each pixel, or "mse" of the probabilities or of the pixels.
        class_weight: weights of the training images in the loss by class, such as "no=1,yes=5", or "balanced" for the
            inverse of each class's share. A class that is not named weighs 1, and with None all do.
    """

    target: Literal["label", "image"] = "label"
    val: str = "0.1"
    val_selection: Literal["hash", "stratified", "first", "last"] = "hash"
    train_samples: OptionalCount = None
    sample_seed: Annotated[int | None, Range(least=0, most=2**32 - 1)] = None
    loss: Literal["crossentropy", "mse"] = "crossentropy"
    class_weight: str | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        check_class_weight(self.class_weight)
        splits.check_sample_seed(self.sample_seed, self.train_samples)
        if self.class_weight is not None and self.target == "image":
            raise UsageError("setting class_weight weighs classes, and target=image predicts none: leave it out")
        splits.split_amount(self.val, NOUNS[0])
