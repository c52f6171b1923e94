"""Detect the format of the raw files, partition them, and read one partition."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from raysq.data.filetree import walk_tree
from raysq.data.partition_stats import Stats
from raysq.data.parts import parts_by_name
from raysq.data.readers.files import damages
from raysq.errors import DataError
from raysq.problems.images.readers import cifar, files, idx, listed, npz, tar
from raysq.problems.images.readers import csv as table
from raysq.problems.images.readers.format import (
    CSV,
    IDX,
    IMAGES,
    TABLES,
    ImageFormat,
    ImagePartition,
    SourceFormat,
)
from raysq.text.readers import layout
from raysq.text.readers.format import TARS
from raysq.text.readers.layout import Layout


def partition_files(paths: Sequence[Path], format: ImageFormat) -> list[ImagePartition]:
    """Return the partitions in row order: the order of names in a folder tree, else the order of the source.

    Args:
        paths: raw files.
        format: format of every image.

    Raises:
        DataError: the files have different formats, or cannot be read as images.
    """
    source_format = source_format_of(paths, format)
    if source_format == "listed":
        return [partition for path in paths for partition in listed.partition_files(path, format)]
    if source_format == "npz":
        return [partition for path in paths for partition in npz.partition_files(path, format)]
    if source_format == "cifar":
        return [partition for path in paths for partition in cifar.partition_files(path)]
    if source_format == "idx":
        return idx.partition_files(idx_files(paths), format)
    if source_format == "csv":
        return table.partition_files(list(paths), parts_by_name(paths), format)
    if source_format == "files":
        return files.partition_image_files(paths)
    if source_format == "tar":
        return [
            partition
            for path in paths
            for partition in tar.partition_files(path, layout_of(path, format.labels), format)
        ]
    return [
        partition for path in paths for partition in files.partition_files(path, layout_of(path, format.labels), format)
    ]


def read(partition: ImagePartition, format: ImageFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield tables of the images of one partition, with statistics.

    Args:
        partition: partition.
        format: format of every image.

    Raises:
        DataError: a file is damaged, or has values or labels that cannot be used.
    """
    readers = {"npz": npz.read, "cifar": cifar.read, "idx": idx.read, "csv": table.read, "tar": tar.read}
    with damages(partition.path):
        yield from readers.get(partition.source_format, files.read)(partition, format)


def source_format_of(paths: Sequence[Path], format: ImageFormat) -> SourceFormat:
    """Return the format of the raw files. It is "listed" if labels are read and a table in the folder has them.

    Args:
        paths: raw files.
        format: format of every image.

    Raises:
        DataError: the files have different formats, and so belong to different data sets.
    """
    files_by_format = {_source_format(path, format): path.name for path in reversed(paths)}
    if len(files_by_format) > 1:
        raise DataError(
            f"{' and '.join(sorted(files_by_format.values()))} are different sorts of sources; give one of them"
        )
    return next(iter(files_by_format))


def names_of(path: Path) -> list[str]:
    """Return the paths of all files in a folder tree or an archive, with forward slashes."""
    if path.is_file() and path.name.lower().endswith(TARS):
        return [name for name, _ in tar.index_archive(path).sizes]
    return files.names_of(path)


def hidden_in(path: Path) -> tuple[str, ...]:
    """Return the hidden and system files of an archive."""
    if path.is_file() and path.name.lower().endswith(TARS):
        return tar.index_archive(path).hidden
    return files.hidden_in(path)


def layout_of(path: Path, labels: bool) -> Layout:
    """Return the layout of a folder tree or an archive: the location of the classes in the paths of its images.

    Args:
        path: folder or archive.
        labels: whether labels are read; without them, the layout may have no classes.
    """
    return infer_layout([name for name in names_of(path) if name.lower().endswith(IMAGES)], labels)


def infer_layout(images: Sequence[str], labels: bool) -> Layout:
    """Return the layout of images by their paths.

    Args:
        images: paths of the images.
        labels: whether labels are read; without them, the layout may have no classes.
    """
    images_layout = layout.find(images)
    return images_layout if labels else layout.for_predictions(images_layout)


def idx_files(paths: Sequence[Path]) -> list[Path]:
    """Return the IDX files in a folder if `paths` is a single folder, else `paths`."""
    if len(paths) == 1 and paths[0].is_dir():
        return [paths[0] / file.name for file in walk_tree(paths[0]).files if file.name.lower().endswith(IDX)]
    return list(paths)


def _source_format(path: Path, format: ImageFormat) -> SourceFormat:
    name = path.name.lower()
    if path.is_dir() or name.endswith(TARS):
        names = names_of(path)
        if cifar.batches(names):
            return "cifar"
        if path.is_dir() and any(file.lower().endswith(IDX) for file in names):
            return "idx"
        tables = path.is_dir() and format.labels and any(file.lower().endswith(TABLES) for file in names)
        if tables and (format.label or not _has_classes(names)) and listed.is_listed(path, format):
            return "listed"
        return "tree" if path.is_dir() else "tar"
    ends: dict[tuple[str, ...], SourceFormat] = {
        (".npz",): "npz",
        (".zip",): "zip",
        IDX: "idx",
        CSV: "csv",
    }
    return next((source_format for end, source_format in ends.items() if name.endswith(end)), "files")


def _has_classes(names: Sequence[str]) -> bool:
    """Whether the folders of a tree are two classes or more, by the paths of its files."""
    images = [name for name in names if name.lower().endswith(IMAGES)]
    images_layout = infer_layout(images, True)
    locations = (images_layout.locate(name) for name in images)
    labels = {location[0] for location in locations if location is not None}
    return len(labels) > 1 and not layout.are_parts(labels)
