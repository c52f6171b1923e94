"""Reader of images in IDX files, the format of MNIST: `train-images-idx3-ubyte` and similar names, optionally .gz."""

import contextlib
import math
import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from raysq.data.partition_stats import Stats
from raysq.data.readers.limits import LIMITS, Limits
from raysq.data.readers.unpack import packing, unpacked
from raysq.errors import DataError
from raysq.problems.images.readers.format import IDX, ImageFormat, ImagePartition
from raysq.problems.images.readers.rows import Rows

_UBYTE = 0x08
_BLOCK, _HELD = 4096, 64 << 20  # most images, and most bytes, read at a time


def pairs(paths: Iterable[Path], wanted: bool = True) -> list[tuple[Path, Path | None, int]]:
    """Pair files of images with their files of labels.

    Args:
        paths: IDX files.
        wanted: whether labels are needed.

    Returns:
        File of images, file of labels or None, and part (0 train, 1 test, -1 unknown) of each pair, with test files
        last.

    Raises:
        DataError: there is no file of images, or one without labels although `wanted`.
    """
    files: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: path.name.endswith(".gz"), reverse=True):
        if path.name.lower().endswith(IDX):
            files[re.sub(r"\.gz$", "", path.name)] = path  # an uncompressed file replaces a packed one of the same name
    triples = []
    for name, path in sorted(files.items()):
        if _sides(path) == 1:
            continue
        other = files.get(name.replace("images", "labels").replace("idx3", "idx1"))
        other = None if other == path else other
        if wanted and other is None:
            raise DataError(
                f"{path.name} has no labels: {name.replace('images', 'labels').replace('idx3', 'idx1')} must lie "
                "beside it; give the folder with both"
            )
        part = 1 if re.search("t10k|test", name) else 0 if "train" in name else -1
        triples.append((path, other, part))
    if not triples:
        names = ", ".join(sorted(files)) or "nothing"
        raise DataError(f"there is no IDX file of images: {names}; they are named like train-images-idx3-ubyte")
    return sorted(triples, key=lambda triple: (triple[2] == 1, triple[0].name))


def shape_of(path: Path, limits: Limits = LIMITS) -> tuple[int, int, int]:
    """Return the number of images, the height and the width.

    Raises:
        DataError: the file is no IDX file of images.
    """
    with _opened(path) as file:
        shape = _read_shape(file, path)
    limits.check_object(f"{path.name}: an image", math.prod(shape[1:]))
    if len(shape) != 3 or not min(shape[1:]):
        raise DataError(f"{path.name} has {len(shape)} sides, {shape}, and images have three: number, height and width")
    return shape


def partition_files(paths: Iterable[Path], format: ImageFormat) -> list[ImagePartition]:
    """Return a partition for each file of images."""
    return [
        ImagePartition(str(path), "idx", path.stat().st_size, ("" if other is None else str(other),), part=part)
        for path, other, part in pairs(paths, format.labels)
    ]


def labels_of(path: Path, limits: Limits = LIMITS) -> list[int]:
    """Return the labels in a file.

    Raises:
        DataError: the file is no IDX file of labels.
    """
    with _opened(path) as file:
        shape = _read_shape(file, path)
        if len(shape) != 1:
            raise DataError(f"{path.name} has {len(shape)} sides, and labels have one")
        limits.check_object(path.name, shape[0])
        labels: list[int] = np.frombuffer(_exactly(file, shape[0], path), np.uint8).tolist()
        _ends(file, path)
    return labels


def read(partition: ImagePartition, format: ImageFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield tables of the images of a file, with statistics. Ids are the name of the file and the index, from 0.

    Args:
        partition: partition of format "idx".
        format: format of every image.

    Raises:
        DataError: a file is damaged, the numbers of images and labels differ, or a label is none of the classes.
    """
    path, rows = Path(partition.path), Rows(format)
    count, height, width = shape_of(path, format)
    labels = labels_of(Path(partition.names[0]), format) if format.labels else None
    if labels is not None and len(labels) != count:
        raise DataError(f"{path.name} has {count:,} images and {Path(partition.names[0]).name} {len(labels):,} labels")
    with _opened(path) as file:
        _read_shape(file, path)
        step = max(1, min(_BLOCK, _HELD // (height * width)))
        for begin in range(0, count, step):
            images = min(step, count - begin)
            raw = _exactly(file, images * height * width, path)
            pixels = np.frombuffer(raw, np.uint8).reshape(images, height, width, 1)
            ids = [f"{path.name}:{number}" for number in range(begin, begin + images)]
            rows.add_array(pixels, None if labels is None else labels[begin : begin + images], partition.part, ids)
            if rows.full:
                yield rows.take()
        _ends(file, path)
    yield rows.take()


def _sides(path: Path) -> int:
    with _opened(path) as file:
        return len(_read_shape(file, path))


def _read_shape(file: IO[bytes], path: Path) -> tuple[int, ...]:
    """Read the header of a file, and return the shape of its array."""
    magic = _exactly(file, 4, path)
    if magic[:2] != b"\0\0" or magic[2] != _UBYTE or not 1 <= magic[3] <= 4:
        raise DataError(f"{path.name} is not an IDX file of bytes: it begins with {magic.hex(' ')}, not with 00 00 08")
    shape = struct.unpack(f">{magic[3]}I", _exactly(file, 4 * magic[3], path))
    return shape


def _exactly(file: IO[bytes], size: int, path: Path) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise DataError(f"{path.name} is cut short: {size - len(data):,} bytes are missing; fetch it again")
    return data


def _ends(file: IO[bytes], path: Path) -> None:
    if file.read(1):
        raise DataError(f"{path.name} goes on after what its head says; fetch it again")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with unpacked(path, packing(path)) as file:
        yield file
