"""Tables of images and their statistics."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data.partition_stats import Stats
from raysq.data.parts import heaviest, text_checksums
from raysq.errors import DataError
from raysq.problems.images import duplicates
from raysq.problems.images.readers.decode import convert, decode
from raysq.problems.images.readers.format import ImageFormat
from raysq.text.fit_vocabulary import SPLIT_NAMES

FULL = 16 << 20  # bytes of pixels that make a table full
_NAMED = 5


class Rows:
    """Collect images until a table is full.

    The statistics of a table have `images`, `resized`, `frames` (files with several frames), `damaged` (`count`, and
    the first `names`) and `brightest` (the largest pixel value). If labels are read, they also have `counts` (by part,
    then by class), `assigned` (number of images whose part the source gives), `first_unassigned` (id of the first image
    whose part it does not give, or None) and `marks` (checksums for `raysq.problems.images.duplicates`).

    Args:
        format: format of every image.
    """

    def __init__(self, format: ImageFormat) -> None:
        self.format = format
        self._numbers = {name: number for number, name in enumerate(format.classes)}
        self._pixels: list[np.ndarray] = []
        self._labels: list[int] = []
        self._parts: list[int] = []
        self._ids: list[str] = []
        self._weights: list[np.ndarray] = []
        self._groups: list[str] = []
        self._bytes = 0
        self._resized = self._frames = 0
        self._damaged: list[str] = []

    @property
    def full(self) -> bool:
        """Whether the images make a full table, so that `take` should be called."""
        return self._bytes >= FULL

    def add_file(self, raw: bytes, label: str | None, part: int, name: str) -> None:
        """Add an image file.

        Args:
            raw: content of the file.
            label: name of the class; None if unknown.
            part: 0 train, 1 test, 2 validation, -1 unknown.
            name: id of the image.

        Raises:
            DataError: the file is damaged and `format.damaged` is "error", or its label is none of the classes.
        """
        try:
            image = decode(raw, name, self.format)
        except DataError:
            if self.format.damaged == "error":
                raise
            self._damaged.append(name)
            return
        self._resized += image.resized
        self._frames += image.frames > 1
        self._add(image.pixels[None], [self.number(label, name)], part, [name])

    def add_array(
        self,
        pixels: np.ndarray,
        labels: Sequence[Any] | None,
        part: int,
        ids: list[str],
        weights: np.ndarray | None = None,
        groups: pa.Array | None = None,
    ) -> None:
        """Add images of an array.

        Args:
            pixels: uint8 of shape (n, height, width, channels).
            labels: label of each image; None if unknown.
            part: part of all images: 0 train, 1 test, 2 validation, -1 unknown.
            ids: id of each image.
            weights: weight of each image, if the format names some.
            groups: group of each image as text, if the format names some.

        Raises:
            DataError: a label is none of the classes.
        """
        self._weights += [] if weights is None else [weights]
        self._groups += [] if groups is None else groups.to_pylist()
        numbers = [self.number(label, name) for label, name in zip(labels or [None] * len(ids), ids, strict=True)]
        if pixels.shape[1:3] != self.format.shape[:2]:
            self._resized += len(pixels)
        self._add(convert(pixels, self.format), numbers, part, ids)

    def number(self, label: Any, name: str) -> int:
        """Return the index of a class.

        Args:
            label: name of the class, or its index if the user named the classes of integer labels.
            name: id of the image, for errors.

        Returns:
            The index, or -1 if labels are not read.

        Raises:
            DataError: there is no such class.
        """
        if not self.format.labels:
            return -1
        number = self._numbers.get(str(label))
        if number is None and isinstance(label, int) and 0 <= label < len(self.format.classes):
            number = label
        if number is None:
            reason = "has no label" if label is None else f"has the label {label!r}, which is none of the classes"
            raise DataError(
                f"{name} {reason}: there are {', '.join(self.format.classes[:_NAMED])}...",
                hint="--set classes=A,B names them",
            )
        return number

    def take(self) -> tuple[pa.Table, Stats]:
        """Return a table of the collected images and its statistics, and start a new table."""
        format = self.format
        count = len(self._ids)
        pixels = np.concatenate(self._pixels) if self._pixels else np.empty((0, *format.shape), np.uint8)
        flat = np.ascontiguousarray(pixels).reshape(count, -1)
        listed = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), format.bytes)
        columns: dict[str, pa.Array] = {"pixels": listed}
        stats: Stats = {
            "images": count,
            "resized": self._resized,
            "frames": self._frames,
            "damaged": {"count": len(self._damaged), "names": self._damaged[:_NAMED]},
            "brightest": int(flat.max()) if flat.size else 0,
        }
        if format.labels:
            content = keys = checksums(flat)
            if format.group is not None:
                keys = text_checksums(self._groups)
                columns["content"] = pa.array(content)
                stats["ungrouped"] = self._groups.count("")
            parts = np.array(self._parts, np.int8)
            given = parts >= 0
            drawn = (keys >> np.uint64(11)).astype(np.float64) < format.test * 2.0**53
            part = np.where(given, parts, drawn).astype(np.int8)
            label = np.array(self._labels, np.int32)
            columns |= {"label": pa.array(label), "part": pa.array(part), "key": pa.array(keys)}
            stats |= {
                "counts": [
                    np.bincount(label[part == side], minlength=len(format.classes)).tolist()
                    for side in range(len(SPLIT_NAMES))
                ],
                "assigned": int(given.sum()),
                "first_unassigned": None if given.all() else self._ids[int(np.argmin(given))],
                "marks": duplicates.pack(content, label, self._ids),
            }
            if format.group is not None:
                stats["groups"] = duplicates.pack(keys, part.astype(np.int32), self._ids)
            if format.weight is not None:
                weights = np.concatenate([np.empty(0, np.float32), *self._weights])
                columns["weight"] = pa.array(weights)
                stats["heaviest"] = heaviest(weights, part)
        columns["id"] = pa.array(self._ids, pa.large_string())
        fresh = Rows(format)
        self.__dict__.update(fresh.__dict__)
        return pa.table(columns), stats

    def _add(self, pixels: np.ndarray, numbers: list[int], part: int, ids: list[str]) -> None:
        self._pixels.append(pixels)
        self._labels += numbers
        self._parts += [part] * len(ids)
        self._ids += ids
        self._bytes += pixels.nbytes


def checksums(flat: np.ndarray) -> np.ndarray:
    """Return the checksum of each row: BLAKE2b with a digest of eight bytes.

    Args:
        flat: uint8 of shape (n, bytes).

    Returns:
        uint64 of shape (n,).
    """
    digests = [hashlib.blake2b(row, digest_size=8).digest() for row in flat]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
