"""The format of every image, and the partitions of the raw files."""

import os
import re
from dataclasses import dataclass
from typing import Literal

from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.unpack import with_compressions
from raysq.errors import UsageError
from raysq.text.readers.format import TARS
from raysq.text.readers.layout import Layout

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
IDX = ("-ubyte", "-ubyte.gz")
TABLES = (*with_compressions(".csv"), ".tsv", ".jsonl")  # tables that may name the images of a folder and their classes
CSV = with_compressions(".csv")
SUFFIXES = (".npz", *IDX, *CSV, ".zip", *TARS, *IMAGES)

LARGEST = 4096  # most pixels of a side
MAX_PIXEL = 255.0  # default value of a white pixel

Fit = Literal["stretch", "crop", "pad"]
SourceFormat = Literal["tree", "zip", "tar", "files", "listed", "npz", "idx", "cifar", "csv"]


@dataclass(frozen=True)
class ImageFormat(CsvFormat):
    """The format of every image: size, color, classes, and how to read them.

    Attributes:
        width: width in pixels; 0 if not known yet.
        height: height in pixels; 0 if not known yet.
        channels: 1 for gray, 3 for red, green and blue; 0 if not known yet.
        fit: treatment of images with other proportions: "stretch" the image, "crop" to its center, or "pad" it.
        background: gray level from 0 to 255 behind transparent pixels and of padding.
        classes: names of the classes by index.
        test: share of the images to draw for the test part if the source has no parts.
        damaged: "error", or "drop" to leave out images that cannot be read.
        labels: whether to read labels. Predictions need none.
        label: column of a csv file with the labels, by name or by number from 1; "" if not known.
        max_pixel: value of a white pixel in arrays and csv files. Pixels are scaled to 0 to 255.
        weight: name of the arrays of weights in npz files, without `_train` and the like, or None.
        group: name of the arrays of groups, or None.
    """

    width: int = 0
    height: int = 0
    channels: int = 0
    fit: Fit = "stretch"
    background: int = 255
    classes: tuple[str, ...] = ()
    test: float = 0.0
    damaged: Literal["error", "drop"] = "error"
    labels: bool = True
    label: str = ""
    max_pixel: float = MAX_PIXEL
    weight: str | None = None
    group: str | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels

    @property
    def bytes(self) -> int:
        """Bytes of the pixels of one image."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class ImagePartition:
    """Partition: a part of the raw files that can be read independently of the others.

    Attributes:
        path: file or folder.
        source_format: format of the file or folder.
        size: size in bytes, for progress.
        names: files of a folder or zip archive; the CIFAR batch in a folder or tar archive; the names of the arrays of
            images and of labels in an npz file; or the path of the IDX file of labels.
        layout: location of the classes in a folder tree or an archive.
        labels: class and part of each of `names`, if a table in the folder gives them.
        part: part of all images of the partition: 0 train, 1 test, 2 validation, -1 unknown.
        begin: index of the first image in an array or a tar archive.
        end: index after the last image; None for all.
        offset: position in bytes of the first image's header in an uncompressed tar archive.
    """

    path: str
    source_format: SourceFormat
    size: int
    names: tuple[str, ...] = ()
    layout: Layout | None = None
    labels: tuple[tuple[str, int], ...] = ()
    part: int = -1
    begin: int = 0
    end: int | None = None
    offset: int = 0

    @property
    def name(self) -> str:
        """The name of the file, for messages and ids."""
        return os.path.basename(self.path)


def size_of(text: str) -> tuple[int, int]:
    """Parse a size such as "64x48", or "64" for a square.

    Returns:
        Width and height in pixels.

    Raises:
        UsageError: `text` is no size, or a side is not from 1 to `LARGEST`.

    Example:
        >>> size_of("64x48"), size_of("64")
        ((64, 48), (64, 64))
    """
    match = re.fullmatch(r"([0-9]{1,5})(?:[xX]([0-9]{1,5}))?", text.strip())
    width = int(match[1]) if match else 0
    height = int(match[2] or match[1]) if match else 0
    if not (1 <= width <= LARGEST and 1 <= height <= LARGEST):
        raise UsageError(
            f"setting size must be WIDTHxHEIGHT in pixels, such as 64x48 or 64 for a square, each 1 to {LARGEST:,}; "
            f"received {text!r}"
        )
    return width, height
