"""Batch-time settings of image problems: target, validation split and loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems import splits
from raysq.problems.base import InputSpec

if TYPE_CHECKING:
    from raysq.problems.images.batches import Images

SAME = ("image", "image")  # nouns for an example, and for the content that equal examples share


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
    train_samples: int | None = None
    loss: Literal["crossentropy", "mse"] = "crossentropy"

    def __post_init__(self) -> None:
        if self.train_samples is not None and self.train_samples < 1:
            raise UsageError(f"setting train_samples must be at least 1, received {self.train_samples}")
        splits.split_amount(self.val, SAME[0])

    @classmethod
    def resolve(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """Return the settings with `val` as text, also if it was given as a number.

        Args:
            values: settings as the user gives them.
            dataset: prepared images.
        """
        return splits.with_val_text(values)

    def open(self, dataset: Dataset) -> "dict[str, Images]":
        """Return the batch source of each split of a data set.

        Args:
            dataset: prepared images.

        Raises:
            DataError: too few images for the splits.
        """
        from raysq.problems.images.batches import Images, pictures

        found = pictures(dataset, self)
        return {name: Images(found, name) for name in splits.SPLITS}

    def inputs(self, dataset: Dataset) -> InputSpec:
        """Return the input spec for model builders.

        x is float32 from 0 to 1, of shape (height, width, channels). `outputs` is the number of classes for either
        target. `extra` has "classes" (names), "target", "priors" (share of each class among the training images), and
        "mean", a function that returns the mean of the training images, float32 of the shape of x.

        Args:
            dataset: prepared images.
        """
        from raysq.problems.images.batches import pictures

        found = pictures(dataset, self)
        classes = dataset.manifest.report["classes"]
        return InputSpec(
            shape=found.shape,
            outputs=len(classes),
            output_shape=found.shape if self.target == "image" else (len(classes),),
            extra={"classes": tuple(classes), "target": self.target, "priors": found.priors, "mean": found.mean},
        )
