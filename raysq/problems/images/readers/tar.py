"""Reader of images in a tar archive, without unpacking to disk."""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from raysq.data.filetree import is_hidden
from raysq.data.partition_stats import Stats
from raysq.data.readers import streams, tar
from raysq.data.readers.files import open_file
from raysq.data.readers.limits import LIMITS, Limits
from raysq.errors import DataError
from raysq.problems.images.readers.format import IMAGES, ImageFormat, ImagePartition
from raysq.problems.images.readers.rows import Rows
from raysq.text.readers.layout import Layout

_SAMPLE_BYTES = 65536  # bytes of an image to read size and color from
_ALL, _EVERY = 64, 100  # sample the first 64 images, then every hundredth
_HELD = 128 << 20  # most bytes of pixels of a partition


@dataclass(frozen=True)
class ArchiveIndex:
    """Index of an archive.

    Attributes:
        sizes: path and size in bytes of each regular file, in order.
        offsets: position of each file's header in bytes, for uncompressed archives.
        samples: path and first bytes of some images.
        hidden: paths of hidden and system files.
    """

    sizes: tuple[tuple[str, int], ...]
    offsets: tuple[int, ...]
    samples: tuple[tuple[str, bytes], ...]
    hidden: tuple[str, ...]


def index_archive(path: Path) -> ArchiveIndex:
    """Index an archive. The index is cached until the file changes.

    Raises:
        DataError: the archive is damaged, or has links, devices, or paths that lead out of it.
    """
    stat = path.stat()
    return _index_archive(path.absolute(), stat.st_size, stat.st_mtime_ns)


def content(path: Path, name: str, limits: Limits) -> bytes:
    """Return the content of one file.

    Args:
        path: archive.
        name: path of the file in the archive.
        limits: limits of memory.

    Raises:
        DataError: the archive has no such file, or the file is larger than the limit.
    """
    with _opened(path) as stream:
        for member in tar.members(stream, path, lambda member_name: member_name == name, limits.check_object):
            if member.data is not None:
                return member.data
    raise DataError(f"{path.name} has no {name}")


def partition_files(path: Path, layout: Layout, format: ImageFormat) -> list[ImagePartition]:
    """Return the partitions of an archive, each with as many images as fit into memory.

    Args:
        path: archive.
        layout: location of the classes in the paths.
        format: format of every image, for the size of a partition.
    """
    members = index_archive(path)
    most = max(1, _HELD // max(format.bytes, 1))
    images = [
        (size, offset)
        for (name, size), offset in zip(members.sizes, members.offsets, strict=True)
        if _wanted(name, layout)
    ]
    partitions = []
    for begin in range(0, len(images), most):
        part = images[begin : begin + most]
        offset = 0 if _is_compressed(path) else part[0][1]
        size = sum(bytes_ for bytes_, _ in part)
        partitions.append(
            ImagePartition(str(path), "tar", size, (), layout, begin=begin, end=begin + len(part), offset=offset)
        )
    return partitions


def read(partition: ImagePartition, format: ImageFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield tables of the images of a partition, with statistics.

    Args:
        partition: partition of format "tar".
        format: format of every image.

    Raises:
        DataError: the archive is damaged, or an image is damaged and `format` does not drop such images.
    """
    assert partition.layout is not None and partition.end is not None
    path, layout, rows = Path(partition.path), partition.layout, Rows(format)
    # Start at the first image of the partition. A compressed archive is read from its beginning.
    number = partition.begin if partition.offset else 0

    def in_partition(name: str) -> bool:
        return _wanted(name, layout) and partition.begin <= number

    with _opened(path, partition.offset) as stream:
        for member in tar.members(stream, path, in_partition, format.check_object, partition.offset):
            if not _wanted(member.name, layout):
                continue
            if number >= partition.begin:
                location = layout.locate(member.name)
                assert location is not None and member.data is not None
                rows.add_file(member.data, *location)
                if rows.full:
                    yield rows.take()
            number += 1
            if number >= partition.end:
                break
    yield rows.take()


@functools.lru_cache(maxsize=16)
def _index_archive(path: Path, size: int, changed: int) -> ArchiveIndex:
    sizes, offsets, samples, hidden = [], [], [], []
    images = 0

    def wanted(name: str) -> bool:
        nonlocal images
        if not name.lower().endswith(IMAGES) or is_hidden(name):
            return False
        images += 1
        return images <= _ALL or images % _EVERY == 0

    with _opened(path) as stream:
        for member in tar.members(stream, path, wanted, LIMITS.check_object):
            if is_hidden(member.name):
                hidden.append(member.name)
                continue
            sizes.append((member.name, member.size))
            offsets.append(member.begin)
            if member.data is not None:
                samples.append((member.name, member.data[:_SAMPLE_BYTES]))
    return ArchiveIndex(tuple(sizes), tuple(offsets), tuple(samples), tuple(hidden))


def _wanted(name: str, layout: Layout) -> bool:
    return name.lower().endswith(IMAGES) and not is_hidden(name) and layout.locate(name) is not None


def _is_compressed(path: Path) -> bool:
    return path.suffix.lower() != ".tar"


@contextlib.contextmanager
def _opened(path: Path, begin: int = 0) -> Iterator[tar.Input]:
    if _is_compressed(path):
        with contextlib.closing(streams.chunks(path)) as chunks:
            yield tar.Chunks(chunks)
    else:
        with open_file(path) as file:
            file.seek(begin)
            yield tar.File(file)
