"""Images of a split: their pixels in memory or on disk, and the gather that builds a batch of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from raysq.data.columns import validate_range
from raysq.data.dataset import Dataset
from raysq.problems.images.settings import SAME, ImageSettings
from raysq.problems.splits import split_rows

_BLOCK = 4096  # images whose mean is taken at a time
SCALE = np.float32(1 / 255)


class Pictures:
    """The images of a data set.

    Attributes:
        dataset: prepared images.
        settings: what a model sees of them.
        split: rows of each split.
        shape: height, width and channels.
        pixels: uint8, on disk: `take(rows)` gives shape (n, height * width * channels).
        labels: int32 of shape (images,), numbers of the classes.
    """

    def __init__(self, dataset: Dataset, settings: ImageSettings):
        self.dataset = dataset
        self.settings = settings
        self.split = split_rows(dataset, settings.val, settings.pick, settings.train_samples, *SAME)
        height, width, channels = dataset.manifest.report["shape"]
        self.shape: tuple[int, int, int] = (height, width, channels)
        self.pixels = dataset.matrix("pixels")
        self.labels = dataset.column("label").slice(0, dataset.rows)
        validate_range(self.labels, 0, max(1, len(dataset.manifest.report["classes"])), "class number")

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """All pixels and labels: one private copy."""
        return {"pixels": np.array(self.pixels.slice(0, self.dataset.rows)), "labels": np.array(self.labels)}

    @property
    def nbytes(self) -> int:
        """Bytes that `arrays` takes."""
        return self.dataset.rows * int(np.prod(self.shape)) + self.labels.nbytes

    @property
    def priors(self) -> tuple[float, ...]:
        """The share of each class in the training images."""
        classes = len(self.dataset.manifest.report["classes"])
        counts = np.bincount(self.labels[self.split.train], minlength=classes)
        return tuple((counts / counts.sum()).tolist())

    def mean(self) -> np.ndarray:
        """The mean of the training images, float32 of the images' shape, from 0 to 1."""
        rows = self.split.train
        total = np.zeros(int(np.prod(self.shape)), np.int64)
        for begin in range(0, len(rows), _BLOCK):
            total += self.pixels.take(rows[begin : begin + _BLOCK]).sum(0, dtype=np.int64)
        return (total / (255 * len(rows))).astype(np.float32).reshape(self.shape)

    @cached_property
    def shared(self) -> dict[str, int]:
        """How many images of the validation and the test split are, pixel for pixel, also among those to train on."""
        keys = self.dataset.column("key")
        train = keys.take(self.split.train)
        return {name: int(np.isin(keys.take(getattr(self.split, name)), train).sum()) for name in ("val", "test")}


@lru_cache(maxsize=1)
def pictures(dataset: Dataset, settings: ImageSettings) -> Pictures:
    """The images of a data set; the last ones asked for are kept, for facts, inputs and examples ask in turn."""
    return Pictures(dataset, settings)


@dataclass(frozen=True)
class Images:
    """The images of one split.

    Attributes:
        pictures: those of all splits.
        name: of the split.
    """

    pictures: Pictures
    name: str

    @property
    def rows(self) -> np.ndarray:
        """The row of the data set of each example, rising."""
        rows: np.ndarray = getattr(self.pictures.split, self.name)
        return rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes that `arrays` takes on a device."""
        return self.pictures.nbytes + self.rows.nbytes

    @property
    def batch_bytes(self) -> int:
        """Bytes of an image as float32, and of its label or of itself once more."""
        pixels = 4 * int(np.prod(self.pictures.shape))
        return 2 * pixels if self.pictures.settings.target == "image" else pixels + 4

    def arrays(self) -> dict[str, np.ndarray]:
        """The pixels of all images, the same array for every split, the labels, and the rows of this split."""
        return {**self.pictures.arrays, "rows": self.rows}

    def mapped(self) -> dict[str, Any]:
        """The same on disk."""
        return {"pixels": self.pictures.pixels, "labels": self.pictures.labels, "rows": self.rows}

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        """Builds a batch.

        Args:
            indices: int vector of n numbers of examples (NumPy or TensorFlow).
            arrays: what `arrays` or `mapped` gave, or device copies.
            take: gathers rows of an array.

        Returns:
            x, float32 of shape (n, height, width, channels), the pixels divided by 255; y, int32 of shape (n, 1), the
            class, or x itself where the image is the target.
        """
        rows = take(arrays["rows"], indices)
        x = scaled(take(arrays["pixels"], rows), self.pictures.shape)
        if self.pictures.settings.target == "image":
            return x, x
        return x, take(arrays["labels"], rows)[:, None]


def scaled(pixels: Any, shape: tuple[int, ...]) -> Any:
    """Images as a model sees them: float32 from 0 to 1; NumPy gives NumPy, and a tensor a tensor.

    Args:
        pixels: uint8 of shape (n, height * width * channels).
        shape: height, width and channels.
    """
    if isinstance(pixels, np.ndarray):
        return (pixels.astype(np.float32) * SCALE).reshape(-1, *shape)
    import tensorflow as tf

    return tf.reshape(tf.cast(pixels, tf.float32) * SCALE, (-1, *shape))
