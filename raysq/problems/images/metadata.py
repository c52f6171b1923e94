"""Metadata of runs of image models."""

from dataclasses import dataclass
from typing import Self

from raysq.problems.base import Metadata
from raysq.problems.classes import single_classes
from raysq.problems.images.batches import ImageData
from raysq.problems.splits import SPLITS, has_own_validation


@dataclass(frozen=True, kw_only=True)
class ImagesMetadata(Metadata):
    """Metadata of a run of an image model.

    Attributes:
        classes: names of the classes by index.
        priors: share of each class among the training images.
        own_validation: number of images in the source's validation part.
        shape: height, width and channels of the images.
        examples: number of train, validation and test images.
        shared: number of validation and test images, by split, that are also training images.
        single: class by split, for the splits with a single class.
    """

    classes: list[str]
    priors: list[float]
    own_validation: int
    shape: list[int]
    examples: list[int]
    shared: dict[str, int]
    single: dict[str, str]

    @classmethod
    def of(cls, images: ImageData) -> Self:
        """Return the metadata of the images of a data set."""
        dataset, split = images.dataset, images.split
        return cls(
            classes=list(images.classes),
            priors=list(images.priors),
            own_validation=has_own_validation(dataset),
            shape=list(images.shape),
            preprocessor=dataset.manifest.preparation["settings"],
            examples=[len(getattr(split, name)) for name in SPLITS],
            shared=images.shared,
            single=single_classes(images.labels, split, images.classes),
        )
