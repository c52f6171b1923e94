"""Batch source of images: pixels in memory or on disk, and the gather that builds a batch."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from raysq.data.columns import validate_range
from raysq.data.dataset import Dataset
from raysq.problems.class_weights import class_weights, weigh
from raysq.problems.images.settings import NOUNS, ImageSettings
from raysq.problems.row_batches import RowBatches, column_weights
from raysq.problems.splits import split_labeled_rows

_BLOCK = 4096  # images read at a time for the mean
SCALE = np.float32(1 / 255)


class ImageData:
    """The images of a data set, shared by all splits.

    Attributes:
        dataset: prepared images.
        settings: image settings.
        split: rows of each split.
        shape: height, width and channels.
        classes: names of the classes by index.
        pixels: uint8 pixels on disk; `take(rows)` returns shape (n, height * width * channels).
        labels: class index of each image, int32 of shape (images,).
        class_weights: weight of each class in training, or None for 1 each.
    """

    def __init__(self, dataset: Dataset, settings: ImageSettings):
        self.dataset = dataset
        self.settings = settings
        height, width, channels = dataset.manifest.report["shape"]
        self.shape: tuple[int, int, int] = (height, width, channels)
        self.classes: tuple[str, ...] = tuple(dataset.manifest.report["classes"])
        self.pixels = dataset.matrix("pixels")
        self.labels = dataset.column("label").slice(0, dataset.rows)
        validate_range(self.labels, 0, max(1, len(self.classes)), "class number")
        self.split = split_labeled_rows(dataset, settings, self.labels, *NOUNS)
        self.class_weights = class_weights(settings.class_weight, self.classes, self.priors)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """A copy of all pixels and labels in memory."""
        return {"pixels": np.array(self.pixels.slice(0, self.dataset.rows)), "labels": np.array(self.labels)}

    @property
    def nbytes(self) -> int:
        """Size of `arrays` in bytes."""
        return self.dataset.rows * int(np.prod(self.shape)) + self.labels.nbytes

    @property
    def priors(self) -> tuple[float, ...]:
        """The share of each class among the training images."""
        counts = np.bincount(self.labels[self.split.train], minlength=len(self.classes))
        return tuple((counts / counts.sum()).tolist())

    def mean(self) -> np.ndarray:
        """Return the mean of the training images, float32 from 0 to 1, of shape `shape`."""
        rows = self.split.train
        total = np.zeros(int(np.prod(self.shape)), np.int64)
        for begin in range(0, len(rows), _BLOCK):
            total += self.pixels.take(rows[begin : begin + _BLOCK]).sum(0, dtype=np.int64)
        return (total / (255 * len(rows))).astype(np.float32).reshape(self.shape)

    @cached_property
    def shared(self) -> dict[str, int]:
        """The number of validation and test images whose pixels equal those of a training image."""
        keys = self.dataset.column("content" if "content" in self.dataset.columns else "key")
        train = keys.take(self.split.train)
        return {name: int(np.isin(keys.take(getattr(self.split, name)), train).sum()) for name in ("val", "test")}


class ImageBatches(RowBatches[ImageData]):
    """Batch source of the images of one split."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the pixels and labels of all images, shared by all splits, and the rows of this split."""
        return {**self.data.arrays, "rows": self.rows}

    def mapped(self) -> dict[str, Any]:
        """Return the same arrays with the pixels on disk."""
        return {"pixels": self.data.pixels, "labels": self.data.labels, "rows": self.rows}

    @property
    def weights(self) -> np.ndarray | None:
        """Weight of each example, of training examples by their class too; None where all weigh the same."""
        weights = column_weights(self.data.dataset, self.rows)
        if self.name != "train":
            return weights
        return weigh(weights, self.data.class_weights, self.data.labels[self.rows])

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        """Build a batch.

        Args:
            indices: int vector of n example indices (NumPy or TensorFlow).
            arrays: the result of `arrays` or `mapped`, or device copies of it.
            take: `take(array, rows)` gathers along the first axis.

        Returns:
            `(x, y)`. x holds the pixels divided by 255, float32 of shape (n, height, width, channels). y holds the
            class indices, int32 of shape (n, 1), or is x if the image is the target.
        """
        rows = take(arrays["rows"], indices)
        x = scaled(take(arrays["pixels"], rows), self.data.shape)
        if self.data.settings.target == "image":
            return x, x
        return x, take(arrays["labels"], rows)[:, None]


def scaled(pixels: Any, shape: tuple[int, ...]) -> Any:
    """Scale pixels to the input of a model.

    Args:
        pixels: uint8 of shape (n, height * width * channels), NumPy or TensorFlow.
        shape: height, width and channels.

    Returns:
        float32 from 0 to 1 of shape (n, height, width, channels), a NumPy array or a tensor as `pixels`.
    """
    if isinstance(pixels, np.ndarray):
        return (pixels.astype(np.float32) * SCALE).reshape(-1, *shape)
    import tensorflow as tf

    return tf.reshape(tf.cast(pixels, tf.float32) * SCALE, (-1, *shape))
