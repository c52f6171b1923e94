"""Preprocessors of images: raw files to pixels of one size, and class indices."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from raysq.data.partition_stats import Stats
from raysq.data.parts import UNKNOWN, VALIDATION, validation_parts
from raysq.data.preprocessor import Chunk, Preprocessor, ValidationPartition
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.sources import Listing
from raysq.errors import UsageError
from raysq.problems.classes import check_validation_classes
from raysq.problems.images import duplicates, validation
from raysq.problems.images.frames import write_images
from raysq.problems.images.readers import (
    SUFFIXES,
    ImageFormat,
    ImagePartition,
    class_names,
    infer,
    partition_files,
    read,
)
from raysq.problems.images.readers.format import IMAGES, MAX_PIXEL, TABLES, Fit, size_of

SHARD_BYTES = 64 << 20  # most bytes of pixels in a shard
_MOST_ROWS = 16384


@dataclass(frozen=True)
class _Pixels(CsvFormat, Preprocessor):
    """Settings that preprocessors for training and for prediction share: the size and color of every image."""

    size: str | None = None
    color: Literal["gray", "rgb"] | None = None
    fit: Fit = "stretch"
    background: Literal["white", "black"] = "white"
    damaged: Literal["error", "drop"] = "error"
    label: str | None = None
    max_pixel: float = MAX_PIXEL

    version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    trees: ClassVar[bool] = True
    zip_member: ClassVar[str | None] = None  # a zip is an archive of any number of images
    listing: ClassVar[Listing | None] = Listing(TABLES, IMAGES)

    def __post_init__(self) -> None:
        self.validate()
        if self.size is not None:
            size_of(self.size)
        if not 0 < self.max_pixel < float("inf"):
            raise UsageError(
                f"setting max_pixel must be the value of a white pixel, above 0, received {self.max_pixel}"
            )

    @property
    def image_format(self) -> ImageFormat:
        """The format of every image."""
        width, height = size_of(self.size) if self.size is not None else (0, 0)
        return ImageFormat(
            width=width,
            height=height,
            channels={"gray": 1, "rgb": 3, None: 0}[self.color],
            fit=self.fit,
            background=255 if self.background == "white" else 0,
            damaged=self.damaged,
            labels=False,
            label=self.label or "",
            max_pixel=self.max_pixel,
            **self.csv_settings(),
        )

    @property
    def shard_rows(self) -> int:  # type: ignore[override]
        """Images in a shard: the largest power of two with at most 64 MiB of pixels, and at most 16,384."""
        most = max(1, SHARD_BYTES // max(self.image_format.bytes, 1))
        return min(_MOST_ROWS, 1 << (most.bit_length() - 1))

    def to_config(self) -> dict[str, Any]:
        """Return the settings for the manifest and the fingerprint."""
        settings = dataclasses.asdict(self)
        # Later settings are left out at their defaults, so that fingerprints of earlier data sets stay the same.
        defaults = {"label": None, "max_pixel": MAX_PIXEL, **CsvFormat().csv_settings()}
        defaults |= dict.fromkeys(("weight", "group"))
        unset = [name for name, value in defaults.items() if settings.get(name) == value]
        return {name: value for name, value in settings.items() if name not in unset}

    def write_rows(self, rows: Any, folder: Path) -> Path:
        """Write images given in Python to an npz file or a tar archive; see `raysq.problems.images.frames`."""
        format = self.image_format
        return write_images(rows, folder, format.labels, format.weight, format.group)

    def partition(self, files: list[Path]) -> list[ImagePartition]:
        """Return the partitions of the files.

        Raises:
            DataError: files cannot be read as images.
        """
        return partition_files(files, self.image_format)

    def read(self, partition: ImagePartition) -> Iterator[Chunk]:
        """Yield the images of one partition in chunks; see `raysq.problems.images.readers` for the columns."""
        for table, stats in read(partition, self.image_format):
            yield Chunk(table, stats)


@dataclass(frozen=True)
class ImagePreprocessor(_Pixels):
    """Convert raw images to pixels of one size and color, with labels. The fields are settings.

    Attributes:
        size: "WIDTHxHEIGHT" in pixels. None to infer it from the files, if nearly all images have the same size.
        color: "gray" or "rgb". None to infer it from the files.
        fit: treatment of images with other proportions: "stretch" the image, "crop" to its center, or "pad" it.
        background: "white" or "black", the color behind transparent pixels and of padding.
        damaged: "error", or "drop" to leave out images that cannot be read, and report them.
        label: column of a csv file with the classes, by name or by number from 1. None to infer it. The csv file holds
            the pixels, or names the images of the folder it is in.
        max_pixel: value of a white pixel in arrays and csv files, such as 1 for fractions and 16 for scikit-learn's
            digits. Values are scaled to 0 to 255.
        test: share of the images to draw for the test part if the source has no parts. The draw is by a checksum of
            the pixels, so that equal images are in the same part. 0 for no test part.
        classes: names of the classes by index. Empty to infer them from the files.
        weight: column of rows given in Python, or name of arrays in npz files, with the weight of each image in the
            loss. Arrays are called as those of labels, such as `w_train`, or `w` beside `x` and `y`.
        group: the same for values that are equal for images that stay in one split. None to keep equal images together.

    Example:
        >>> ImagePreprocessor(size="64x48", color="gray").image_format.shape
        (48, 64, 1)
    """

    test: float = 0.1
    classes: tuple[str, ...] = ()
    weight: str | None = None
    group: str | None = None

    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.test < 1:
            raise UsageError(f"setting test must be a share from 0 to below 1, received {self.test}")
        if self.classes and (len(set(self.classes)) < len(self.classes) or len(self.classes) < 2):
            raise UsageError(f"setting classes must be two different names or more, received {','.join(self.classes)}")

    @property
    def image_format(self) -> ImageFormat:
        """The format of every image."""
        of_rows: dict[str, Any] = {"weight": self.weight, "group": self.group}
        return dataclasses.replace(super().image_format, classes=self.classes, test=self.test, labels=True, **of_rows)

    def infer(self, files: list[Path]) -> "tuple[ImagePreprocessor, list[str]]":
        """Infer settings the user left out from the files, and report what was inferred.

        Returns:
            The preprocessor with size, color and classes set, of a csv file also the label, and messages.

        Raises:
            DataError: a setting cannot be inferred; the message says which to give.
        """
        inferred = infer(files, self.image_format)
        settings = dataclasses.replace(self, **_inferred_settings(inferred.format), classes=inferred.format.classes)
        return settings, [*inferred.messages, *inferred.left_out]

    def with_validation(self, files: list[Path], given: Collection[str]) -> "tuple[ImagePreprocessor, list[str]]":
        """Return the settings for images beside which others validate, without a test part unless its share was given.

        Raises:
            DataError: the files have no classes, or some that the source lacks.
        """
        if "classes" not in given:
            check_validation_classes(class_names(files, self.image_format), self.classes)
        return self if "test" in given else dataclasses.replace(self, test=0.0), []

    def read(self, partition: ImagePartition | ValidationPartition) -> Iterator[Chunk]:
        """Yield the images of one partition in chunks; those of a `ValidationPartition` are of the validation part."""
        if not isinstance(partition, ValidationPartition):
            yield from super().read(partition)
            return
        inner: ImagePartition = partition.partition
        if inner.source_format == "csv":  # the name of the file does not count
            inner = dataclasses.replace(inner, part=UNKNOWN)
        for table, stats in read(inner, dataclasses.replace(self.image_format, test=0.0)):
            if stats["assigned"]:
                validation_parts(table.column("part").to_numpy(), inner.name)
            parts = pa.array(np.full(table.num_rows, VALIDATION, np.int8))
            none = [0] * len(self.classes)
            of_part: Stats = {"counts": [none, none, np.sum(stats["counts"], 0).tolist()], "assigned": 0}
            of_part |= {"first_unassigned": None, "validates": True, "heaviest": 0.0}
            if self.group is not None:
                keys, labels, ids = duplicates.unpack([stats["groups"]])
                of_part["groups"] = duplicates.pack(keys, np.full_like(labels, VALIDATION), ids)
            table = table.set_column(table.column_names.index("part"), "part", parts)
            yield Chunk(table, {**stats, **of_part})

    def validate_stats(self, stats: list[Stats]) -> None:
        """Validate the statistics of all chunks.

        Raises:
            DataError: no images, a single class, no training images, or parts for some of the images only.
        """
        validation.validate(self, stats)

    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return the data set's report."""
        return validation.summarize(self, stats)

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return a report as lines for the user."""
        return validation.describe(report)


@dataclass(frozen=True)
class ImagePredictionPreprocessor(_Pixels):
    """Read raw images for predictions as those a run was trained on, without labels.

    The fields are those of `ImagePreprocessor` without `test` and `classes`. Images that cannot be read are left out
    and reported.
    """

    @classmethod
    def of(cls, preprocessor: ImagePreprocessor) -> "ImagePredictionPreprocessor":
        """Return the preprocessor that reads files as another one does."""
        values = {field.name: getattr(preprocessor, field.name) for field in dataclasses.fields(cls)}
        return cls(**{**values, "damaged": "drop"})

    def infer(self, files: list[Path]) -> "tuple[ImagePredictionPreprocessor, list[str]]":
        """Return the preprocessor itself, since the run determines all settings, and messages about files not read.

        Raises:
            DataError: no images in the files.
        """
        return self, infer(files, self.image_format).left_out

    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise DataError if there are no images."""
        validation.validate_images(stats)

    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return `images`, `resized`, `frames`, `damaged` and `brightest`; see `validation.totals`."""
        return validation.totals(stats)

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return a report as lines for the user."""
        return [validation.counted(report["images"]), *validation.repairs(report)]


def _inferred_settings(format: ImageFormat) -> dict[str, Any]:
    """Return the settings `size`, `color` and `label` of a format."""
    size = {"size": f"{format.width}x{format.height}", "color": "gray" if format.channels == 1 else "rgb"}
    return {**size, "label": format.label or None}
