"""Reader of image files: in a folder for each class, in a zip archive, or given one by one."""

import functools
import stat
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from raysq.data.filetree import is_hidden, walk_tree
from raysq.data.partition_stats import Stats
from raysq.data.readers.files import read_file
from raysq.data.readers.limits import Limits
from raysq.data.readers.unpack import open_member, open_zip
from raysq.errors import DataError
from raysq.problems.images.readers.format import IMAGES, ImageFormat, ImagePartition
from raysq.problems.images.readers.rows import Rows
from raysq.text.readers.layout import Layout

_MOST = 2000  # most files of a partition
_RAW, _HELD = 64 << 20, 64 << 20  # most bytes of files, and of pixels, of a partition


def partition_files(path: Path, layout: Layout, format: ImageFormat) -> list[ImagePartition]:
    """Return the partitions of a folder tree, in the order of names, or of a zip archive, in its own order.

    Args:
        path: folder or zip archive.
        layout: location of the classes in the paths.
        format: format of every image, for the size of a partition.
    """
    source_format = "tree" if path.is_dir() else "zip"
    most = max(1, min(_MOST, _HELD // max(format.bytes, 1)))
    partitions: list[ImagePartition] = []
    names: list[str] = []
    size = 0

    def cut() -> None:
        nonlocal names, size
        if names:
            partitions.append(ImagePartition(str(path), source_format, size, tuple(names), layout))  # type: ignore[arg-type]
            names, size = [], 0

    for name, bytes_ in _sizes(path):
        if not name.lower().endswith(IMAGES) or layout.locate(name) is None:
            continue
        if len(names) >= most or size + bytes_ > _RAW:
            cut()
        names.append(name)
        size += bytes_
    cut()
    return partitions


def partition_image_files(paths: Sequence[Path]) -> list[ImagePartition]:
    """Return the partitions of image files that were given one by one."""
    return [
        ImagePartition(
            str(paths[0].parent),
            "files",
            sum(path.stat().st_size for path in group),
            tuple(path.name for path in group),
        )
        for group in (paths[begin : begin + _MOST] for begin in range(0, len(paths), _MOST))
    ]


def names_of(path: Path) -> list[str]:
    """Return the paths of all files in a folder tree or a zip archive.

    Raises:
        DataError: the zip archive is damaged or encrypted, or has links or paths that lead out of it.
    """
    return [name for name, _ in _sizes(path)]


def hidden_in(path: Path) -> tuple[str, ...]:
    """Return the hidden and system files of a zip archive. Empty for a folder, whose source reports them."""
    if path.is_dir():
        return ()
    status = path.stat()
    return _index_zip(path.absolute(), status.st_size, status.st_mtime_ns)[1]


def read(partition: ImagePartition, format: ImageFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield tables of the images of a partition, with statistics. Ids are the paths.

    Args:
        partition: partition of format "tree", "zip", "files" or "listed".
        format: format of every image.

    Raises:
        DataError: a file is larger than the limit for one object; or is damaged, unless `format` drops such files.
    """
    rows = Rows(format)
    layout = partition.layout or Layout("files")
    if partition.source_format == "zip":
        with open_zip(Path(partition.path)) as archive:
            for name in partition.names:
                yield from _add_file(rows, layout, name, _member(archive, Path(partition.path), name, format))
    else:
        labels = partition.labels or [None] * len(partition.names)
        for name, label in zip(partition.names, labels, strict=True):
            yield from _add_file(
                rows, layout, name, read_file(Path(partition.path) / name, name, format.check_object), label
            )
    yield rows.take()


def content(path: Path, name: str, limits: Limits) -> bytes:
    """Return the content of one file of a zip archive.

    Args:
        path: zip archive.
        name: path of the file in the archive.
        limits: limits of memory.

    Raises:
        DataError: the file is larger than the limit for one object.
    """
    with open_zip(path) as archive:
        return _member(archive, path, name, limits)


def _add_file(
    rows: Rows, layout: Layout, name: str, raw: bytes, labels: tuple[str, int] | None = None
) -> Iterator[tuple[pa.Table, Stats]]:
    location = layout.locate(name) if labels is None else (*labels, name)
    assert location is not None
    rows.add_file(raw, *location)
    if rows.full:
        yield rows.take()


def _sizes(path: Path) -> Sequence[tuple[str, int]]:
    """Return name and size in bytes of each file that is not hidden."""
    if path.is_dir():
        return [(file.name, file.size) for file in walk_tree(path).files]
    status = path.stat()
    return _index_zip(path.absolute(), status.st_size, status.st_mtime_ns)[0]


@functools.lru_cache(maxsize=16)
def _index_zip(path: Path, size: int, changed: int) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
    """Return name and size of each file of a zip archive, and the names of its hidden and system files."""
    entries, hidden = [], []
    with open_zip(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            if info.filename.startswith("/") or ".." in info.filename.split("/") or "\\" in info.filename:
                raise DataError(f"{path.name}: member {info.filename} leads out of the archive; do not trust it")
            if is_hidden(info.filename):
                hidden.append(info.filename)
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                raise DataError(f"{path.name}: member {info.filename} is a link; pack the files themselves")
            if info.flag_bits & 1:
                raise DataError(f"{path.name} is encrypted; unpack it first and give the folder")
            entries.append((info.filename, info.file_size))
    return tuple(entries), tuple(hidden)


def _member(archive: zipfile.ZipFile, path: Path, name: str, limits: Limits) -> bytes:
    """Return the content of a member. The limit for one object applies to the bytes read, not to the claimed size."""
    with open_member(archive, name, path) as file:
        raw = file.read(limits.max_object_bytes + 1)
    limits.check_object(f"{path.name}: {name}", len(raw))
    return raw
