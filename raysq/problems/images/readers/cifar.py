"""Reader of the "python version" of CIFAR-10 and CIFAR-100: pickled batches in a folder or a tar (Krizhevsky 2009)."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data.filetree import walk_tree
from raysq.data.partition_stats import Stats
from raysq.data.readers.files import read_file
from raysq.data.readers.limits import Limits
from raysq.errors import DataError
from raysq.problems.images.readers import tar
from raysq.problems.images.readers.format import ImageFormat, ImagePartition
from raysq.problems.images.readers.rows import Rows
from raysq.problems.images.readers.unpickle import read as unpickle
from raysq.text.readers.format import TARS

SIDE, CHANNELS = 32, 3
_TEN = re.compile(r"data_batch_\d+|test_batch")
_META = {"batches.meta": "label_names", "meta": "fine_label_names"}


def batches(names: Iterable[str]) -> list[str]:
    """Return the paths that are batches of CIFAR, training batches first. Empty if the files are not CIFAR.

    Args:
        names: paths of all files of the folder or archive.
    """
    names = list(names)
    ends = {name.rpartition("/")[2]: name for name in names}
    names = sorted(name for end, name in ends.items() if _TEN.fullmatch(end))
    if not names and {"train", "test", "meta"} <= set(ends):
        names = [ends["train"], ends["test"]]
    return sorted(names, key=lambda name: (part_of(name), name))


def part_of(name: str) -> int:
    """Return 0 for a training batch and 1 for a test batch."""
    return int(name.rpartition("/")[2].startswith("test"))


def partition_files(path: Path) -> list[ImagePartition]:
    """Return a partition for each batch."""
    sizes = _sizes(path)
    return [ImagePartition(str(path), "cifar", sizes[name], (name,), part=part_of(name)) for name in batches(sizes)]


def classes(path: Path, limits: Limits) -> list[str]:
    """Return the names of the classes in the publisher's order, or their numbers if the file of names is missing.

    Args:
        path: folder or archive.
        limits: limits of memory.

    Raises:
        DataError: a file is damaged or is not of CIFAR.
    """
    for name in _sizes(path):
        key = _META.get(name.rpartition("/")[2])
        if key is not None:
            values = unpickle(_bytes(path, name, limits), name).get(key)
            if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
                raise DataError(f"{name} has no list of names {key!r}; fetch it again, or take it out to have numbers")
            return values
    labels = {label for partition in partition_files(path) for label in _batch(partition, limits)[1]}
    return [str(label) for label in sorted(labels)]


def missing(path: Path) -> list[str]:
    """Return the names of CIFAR-10's training batches that are missing."""
    present = {name.rpartition("/")[2] for name in batches(_sizes(path))}
    if not any(_TEN.fullmatch(name) for name in present):
        return []
    return [name for name in (f"data_batch_{number}" for number in range(1, 6)) if name not in present]


def others(path: Path) -> list[str]:
    """Return the paths of files that are neither batches nor names of classes."""
    names = _sizes(path)
    used = set(batches(names)) | {name for name in names if name.rpartition("/")[2] in _META}
    return [name for name in names if name not in used]


def read(partition: ImagePartition, format: ImageFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield tables of the images of a batch, with statistics.

    Ids are the name of the batch and the image's number in it, from 1.

    Args:
        partition: partition of format "cifar".
        format: format of every image.

    Raises:
        DataError: the batch is damaged, or has a label that is none of the classes.
    """
    pixels, labels = _batch(partition, format)
    name = partition.names[0].rpartition("/")[2]
    rows = Rows(format)
    step = 4096
    for begin in range(0, len(pixels), step):
        part = pixels[begin : begin + step].reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)
        ids = [f"{name}:{number}" for number in range(begin + 1, begin + 1 + len(part))]
        rows.add_array(part, labels[begin : begin + step], partition.part, ids)
        if rows.full:
            yield rows.take()
    yield rows.take()


def _batch(partition: ImagePartition, limits: Limits) -> tuple[np.ndarray, list[Any]]:
    """Return pixels, uint8 of shape (n, 3072), and labels of a batch."""
    name = partition.names[0]
    values = unpickle(_bytes(Path(partition.path), name, limits), name)
    pixels, labels = values.get("data"), values.get("labels", values.get("fine_labels"))
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != CHANNELS * SIDE * SIDE:
        shape = pixels.shape if isinstance(pixels, np.ndarray) else None
        raise DataError(f"{name}: data must be bytes of shape (images, 3072), received shape {shape}; fetch it again")
    if (
        not isinstance(labels, list)
        or len(labels) != len(pixels)
        or not all(isinstance(label, int) for label in labels)
    ):
        raise DataError(f"{name}: it must have a list of {len(pixels):,} labels beside its data; fetch it again")
    return pixels, labels


def _sizes(path: Path) -> dict[str, int]:
    if path.is_dir():
        return {file.name: file.size for file in walk_tree(path).files}
    return dict(tar.index_archive(path).sizes)


def _bytes(path: Path, name: str, limits: Limits) -> bytes:
    if path.name.lower().endswith(TARS) and path.is_file():
        return tar.content(path, name, limits)
    return read_file(path / name, name, limits.check_object)
