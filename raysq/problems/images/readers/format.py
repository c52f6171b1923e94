"""What every image becomes, and the pieces in which raw files are read."""

import os
import re
from dataclasses import dataclass
from typing import Literal

from raysq.data.readers.csv.format import CsvFormat
from raysq.errors import UsageError
from raysq.text.readers.layout import Layout

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
TARS = (".tar.gz", ".tgz", ".tar")
IDX = ("-ubyte", "-ubyte.gz")
TABLES = (".csv", ".csv.gz", ".tsv", ".jsonl")  # that may name the images of a folder and their classes
SUFFIXES = (".npz", *IDX, ".csv", ".csv.gz", ".zip", *TARS, *IMAGES)

LARGEST = 4096  # pixels of a side
WHITE = 255.0  # the value of a white pixel, where nobody says

Fit = Literal["stretch", "crop", "pad"]
Kind = Literal["tree", "zip", "tar", "files", "listed", "npz", "idx", "cifar", "csv"]


@dataclass(frozen=True)
class Form(CsvFormat):
    """What every image becomes.

    Attributes:
        width: pixels; 0 where it is not known yet.
        height: pixels; 0 where it is not known yet.
        channels: 1 gray, 3 red, green and blue; 0 where it is not known yet.
        fit: how an image of other proportions is brought to the size: "stretch" it, "crop" the middle, or "pad" it.
        background: 0 to 255: what lies behind transparent pixels and beside padded images.
        classes: their names, in the order of their numbers.
        test: share of the images that are drawn for the test part where the source does not say which they are.
        damaged: "error", or "drop" leaves out images that cannot be read.
        labels: whether labels are read; without, as for predictions, the source may lack them.
        label: the column of a csv file that has the labels, by name or number from 1; "" where it is not known.
        white: the value of a white pixel in arrays and csv files; such pixels are scaled to 0 to 255.
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
    white: float = WHITE

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels

    @property
    def bytes(self) -> int:
        """Bytes of an image."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class Piece:
    """What can be read independently of the rest.

    Attributes:
        path: the file or the folder.
        kind: what it is.
        size: bytes that it covers, for progress.
        names: files of a folder or a zip, or the one member of a tar or a folder that is a CIFAR batch; of an npz the
            names of the images and of the labels.
        layout: where the classes are in a folder tree or an archive.
        said: class and part of each of `names`, where a table of the folder says them.
        part: what the source says of all its images: 0 train, 1 test, -1 nothing.
        begin: number of the first image of an array, or among the images of a tar.
        end: number after the last; None for all.
        offset: where the first image's header is in a tar that is not packed.
    """

    path: str
    kind: Kind
    size: int
    names: tuple[str, ...] = ()
    layout: Layout | None = None
    said: tuple[tuple[str, int], ...] = ()
    part: int = -1
    begin: int = 0
    end: int | None = None
    offset: int = 0

    @property
    def name(self) -> str:
        """The file's name, for messages and ids."""
        return os.path.basename(self.path)


def size_of(text: str) -> tuple[int, int]:
    """Width and height, from "64x48" or "64".

    Raises:
        UsageError: neither.
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
