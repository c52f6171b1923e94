"""What a model sees of images, and what it is to give: the batch-time settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems import splits
from raysq.problems.base import InputSpec

if TYPE_CHECKING:
    from raysq.problems.images.batches import Images

SAME = ("image", "image")  # what an example is called, and what is the same in equal ones


@dataclass(frozen=True)
class ImageSettings:
    """What a model sees of images, and what it is to give. Changing it prepares nothing again.

    Attributes:
        target: what a model is trained to give: the "label", or the "image" itself, as an autoencoder.
        val: share of the images to validate on, of those that are not of the test part; or a number of them.
        pick: which ones: "hash" by a checksum of the pixels (equal images stay together), or the "first" or "last".
        train_samples: train on so many images only; none for all.
        loss: "crossentropy", of the classes or of each pixel, or "mse", of the probabilities or of the pixels.
    """

    target: Literal["label", "image"] = "label"
    val: str = "0.1"
    pick: Literal["hash", "first", "last"] = "hash"
    train_samples: int | None = None
    loss: Literal["crossentropy", "mse"] = "crossentropy"

    def __post_init__(self) -> None:
        if self.train_samples is not None and self.train_samples < 1:
            raise UsageError(f"setting train_samples must be at least 1, received {self.train_samples}")
        splits.split_amount(self.val, SAME[0])

    @classmethod
    def resolve(cls, values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The settings, `val` also where it was given as a number.

        Args:
            values: settings as a person may give them.
            dataset: prepared images.
        """
        return splits.with_val_text(values)

    def open(self, dataset: Dataset) -> "dict[str, Images]":
        """The images of each split of a data set.

        Raises:
            DataError: a split does not fit.
        """
        from raysq.problems.images.batches import Images, pictures

        found = pictures(dataset, self)
        return {name: Images(found, name) for name in splits.SPLITS}

    def inputs(self, dataset: Dataset) -> InputSpec:
        """What a model builder is told.

        x is float32 of shape (height, width, channels), from 0 to 1. `outputs` is the number of classes, whatever the
        target. `extra` has "classes" (names), "target", "priors" (share of each class in the training images), and
        "mean", a function that gives the mean of the training images, float32 of the shape of x.
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
