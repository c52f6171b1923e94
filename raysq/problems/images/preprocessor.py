"""From images in raw files to pixels of one size and the numbers of their classes."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from raysq.data.preprocessor import Chunk, Preprocessor
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.sources import Listing
from raysq.errors import UsageError
from raysq.problems.images import validation
from raysq.problems.images.readers import SUFFIXES, Form, Piece, infer, plan, read
from raysq.problems.images.readers.format import IMAGES, TABLES, WHITE, Fit, size_of

Note = dict[str, Any]

SHARD_BYTES = 64 << 20  # of pixels, at most, in a shard
_MOST_ROWS = 16384


@dataclass(frozen=True)
class _Pixels(CsvFormat, Preprocessor):
    """What a preparation and a reading for predictions share: the size and color that every image gets."""

    size: str | None = None
    color: Literal["gray", "rgb"] | None = None
    fit: Fit = "stretch"
    background: Literal["white", "black"] = "white"
    damaged: Literal["error", "drop"] = "error"
    label: str | None = None
    white: float = WHITE

    version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    trees: ClassVar[bool] = True
    zip_member: ClassVar[str | None] = None  # a zip is an archive of images
    listing: ClassVar[Listing | None] = Listing(TABLES, IMAGES)

    def __post_init__(self) -> None:
        self.validate()
        if self.size is not None:
            size_of(self.size)
        if not 0 < self.white < float("inf"):
            raise UsageError(f"setting white must be the value of a white pixel, above 0, received {self.white}")

    @property
    def form(self) -> Form:
        """What every image becomes."""
        width, height = size_of(self.size) if self.size is not None else (0, 0)
        return Form(
            width=width,
            height=height,
            channels={"gray": 1, "rgb": 3, None: 0}[self.color],
            fit=self.fit,
            background=255 if self.background == "white" else 0,
            damaged=self.damaged,
            labels=False,
            label=self.label or "",
            white=self.white,
            **self.csv_settings(),
        )

    @property
    def shard_rows(self) -> int:  # type: ignore[override]
        """Images of a shard, a power of two: as many as have 64 MB of pixels, and at most 16,384."""
        most = max(1, SHARD_BYTES // max(self.form.bytes, 1))
        return min(_MOST_ROWS, 1 << (most.bit_length() - 1))

    def to_config(self) -> dict[str, Any]:
        """The settings, for the manifest and the fingerprint."""
        found = dataclasses.asdict(self)
        # So that what was prepared before there were these settings is still the same.
        defaults = {"label": None, "white": WHITE, **CsvFormat().csv_settings()}
        unsaid = [name for name, value in defaults.items() if found[name] == value]
        return {name: value for name, value in found.items() if name not in unsaid}

    def partition(self, files: list[Path]) -> list[Piece]:
        """Return the partitions of the files.

        Raises:
            DataError: files that cannot be read as images.
        """
        return plan(files, self.form)

    def read(self, partition: Piece) -> Iterator[Chunk]:
        """Yield the images of one partition; see `raysq.problems.images.readers`."""
        for table, note in read(partition, self.form):
            yield Chunk(table, note)


@dataclass(frozen=True)
class ImagePreprocessor(_Pixels):
    """How raw images become pixels of one size and color. The fields are settings.

    Attributes:
        size: "WIDTHxHEIGHT" in pixels; found in the files when none, if nearly all have the same.
        color: "gray" or "rgb"; found in the files when none.
        fit: how an image of other proportions is brought to the size: "stretch" it, "crop" the middle, or "pad" it.
        background: what lies behind transparent pixels and beside padded images, "white" or "black".
        damaged: "error", or "drop" leaves out images that cannot be read, and tells them.
        label: the column of a csv file that has the classes, by name, or by number from 1; found when none. The csv
            file has the pixels, or names the images of the folder in which it lies.
        white: the value of a white pixel in arrays and csv files, such as 1 of fractions and 16 of scikit-learn's
            digits; they are scaled to 0 to 255.
        test: share of the images that are drawn for the test part where the source does not say which they are; by
            a checksum of the pixels, so that equal images never lie on both sides. 0 for none.
        classes: names of the classes in the order of their numbers; found in the files when empty.
    """

    test: float = 0.1
    classes: tuple[str, ...] = ()

    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.test < 1:
            raise UsageError(f"setting test must be a share from 0 to below 1, received {self.test}")
        if self.classes and (len(set(self.classes)) < len(self.classes) or len(self.classes) < 2):
            raise UsageError(f"setting classes must be two different names or more, received {','.join(self.classes)}")

    @property
    def form(self) -> Form:
        """What every image becomes."""
        return dataclasses.replace(super().form, classes=self.classes, test=self.test, labels=True)

    def infer(self, files: list[Path]) -> "tuple[ImagePreprocessor, list[str]]":
        """These settings with what was not said found in the files, and what was found, in lines.

        Raises:
            DataError: something cannot be found out; the message says what to say.
        """
        found = infer(files, self.form)
        settings = dataclasses.replace(self, **_known(found.form), classes=found.form.classes)
        return settings, [*found.told, *found.left_out]

    def validate_stats(self, stats: list[Note]) -> None:
        """Raise the first error of all chunks.

        Raises:
            DataError: no images, one class only, none to train on.
        """
        validation.validate(self, stats)

    def summarize(self, stats: list[Note], summary: Note | None = None) -> Note:
        """Return the data set's report."""
        return validation.summarize(self, stats)

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return a report in lines for people."""
        return validation.describe(report)


@dataclass(frozen=True)
class ImagePredictionPreprocessor(_Pixels):
    """How raw images are read for predictions: as those that a run was trained on, without labels.

    Attributes are those of `ImagePreprocessor`; an image that cannot be read is left out and told.
    """

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "ImagePredictionPreprocessor":
        """That which reads files as a preparation with these settings does."""
        names = ("size", "color", "fit", "background", "label", "white", *CsvFormat().csv_settings())
        return cls(**{name: settings[name] for name in names if name in settings}, damaged="drop")

    def infer(self, files: list[Path]) -> "tuple[ImagePredictionPreprocessor, list[str]]":
        """The same: the run says all.

        Raises:
            DataError: files without images.
        """
        return self, infer(files, self.form).left_out

    def validate_stats(self, stats: list[Note]) -> None:
        """Raise DataError if there are no images."""
        validation.validate_images(stats)

    def summarize(self, stats: list[Note], summary: Note | None = None) -> Note:
        """Return `images`, `resized`, `frames`, `damaged` and `ignored`."""
        return validation.seen(stats)

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return a report in lines for people."""
        return [validation.counted(report["images"]), *validation.repairs(report)]


def _known(form: Form) -> dict[str, Any]:
    """The settings that a form stands for."""
    size = {"size": f"{form.width}x{form.height}", "color": "gray" if form.channels == 1 else "rgb"}
    return {**size, "label": form.label or None}
