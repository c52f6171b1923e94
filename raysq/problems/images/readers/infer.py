"""Infer settings of images that the user left out from the files, and report what was inferred."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from raysq.data.filetree import BY_SYSTEM, describe_ignored, named_files, walk_tree
from raysq.data.messages import Message
from raysq.errors import DataError, UsageError
from raysq.problems.even_rows import evenly
from raysq.problems.images.readers import cifar, files, idx, listed, npz, tar
from raysq.problems.images.readers import csv as table
from raysq.problems.images.readers.decode import ImageHeader, image_header
from raysq.problems.images.readers.format import IDX, IMAGES, LARGEST, ImageFormat, SourceFormat
from raysq.problems.images.readers.partition import (
    hidden_in,
    idx_files,
    infer_layout,
    layout_of,
    names_of,
    source_format_of,
)
from raysq.text.fit_vocabulary import sort_classes
from raysq.text.readers import layout

_SAMPLED = 200  # image files to read the size and color of
_NEARLY_ALL = 0.95  # share of the images that must agree in size
_SHOWN = 8  # names in a message


@dataclass(frozen=True)
class Inferred:
    """Result of `infer`.

    Attributes:
        format: format of every image, with all settings known.
        messages: messages about what was inferred.
        left_out: messages about files that are not read.
    """

    format: ImageFormat
    messages: list[str]
    left_out: list[str]


def infer(paths: Sequence[Path], format: ImageFormat) -> Inferred:
    """Infer size, color, label and classes from the files if they are not set.

    Args:
        paths: raw files.
        format: format of every image as far as the user set it.

    Raises:
        DataError: a setting cannot be inferred, and the message says which to give; or there is a single class.
        UsageError: csv settings are set, and the files are no csv files.
    """
    source_format = source_format_of(paths, format)
    messages: list[str] = []
    if (format.weight or format.group) and source_format != "npz":
        option = "--weight" if format.weight else "--group"
        raise UsageError(
            f"{option} {format.weight or format.group} names a column or an array, and {paths[0].name} has "
            "neither beside its images: give an npz file with such an array, rows in Python with arrays of one shape, "
            "or a table with a column of arrays to the task arrays"
        )
    if format.label and source_format not in ("csv", "listed") and format.labels:
        raise DataError(
            f"{paths[0].name} is no csv file, and no table in it names its images: it has no column {format.label!r} "
            "of labels",
            hint="leave out --label",
        )
    if format.labels and source_format not in ("csv", "listed"):
        format.refuse_for(paths[0].name)
    headers = _count_headers(paths, source_format, format, messages)
    format = _with_size(format, headers, messages, paths[0].name)
    if format.labels and not format.classes:
        if source_format == "csv" and not format.label:
            format = replace(format, label=_label(paths[0], format, messages))
        classes = _classes(paths, source_format, format, messages)
        if len(classes) == 1:
            raise DataError(
                f"{paths[0].name} has one class only, {classes[0]!r}, and there must be two to tell apart; add images "
                "of another"
            )
        format = replace(format, classes=tuple(classes))
    return Inferred(format, messages, _left_out(paths, source_format, format))


def _count_headers(
    paths: Sequence[Path], source_format: SourceFormat, format: ImageFormat, messages: list[str]
) -> Counter[ImageHeader]:
    """Count the sizes and colors of the images, or of a sample of image files."""
    counts: Counter[ImageHeader] = Counter()
    if source_format == "npz":
        for path in paths:
            for x, _, _, header in npz.pairs(path, format.labels):
                shape = npz.shape_of(header.shape)
                assert shape is not None
                counts[ImageHeader(shape[1], shape[0], shape[2] == 1)] += header.shape[0]
                messages.append(f"{x}: {header.shape[0]:,} images")
    elif source_format == "cifar":
        counts[ImageHeader(cifar.SIDE, cifar.SIDE, False)] += 1
        missing = [name for path in paths for name in cifar.missing(path)]
        messages.append("layout: batches of CIFAR")
        if missing:
            messages.append(
                f"of the publisher's five batches to train on, {', '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} not there: {5 - len(missing)}0,000 of 50,000 images"
            )
    elif source_format == "idx":
        for path, _, _ in idx.pairs(idx_files(paths), format.labels):
            count, height, width = idx.shape_of(path, format)
            counts[ImageHeader(width, height, True)] += count
            messages.append(f"{path.name}: {count:,} images")
    elif source_format == "csv":
        for path in paths:
            columns = table.columns_of(path, format)
            messages += columns.messages if path is paths[0] else ()
            side = int(np.sqrt(len(columns.pixels)))
            counts[ImageHeader(side, side, True)] += 1
    else:
        counts = _count_sampled_headers(paths, source_format, format)
    return counts


def _count_sampled_headers(
    paths: Sequence[Path], source_format: SourceFormat, format: ImageFormat
) -> Counter[ImageHeader]:
    """Count the sizes and colors of some image files, evenly spaced."""
    counts: Counter[ImageHeader] = Counter()
    if source_format == "files":
        if format.labels:
            raise DataError(
                f"the images of {paths[0].parent.name or paths[0].name} lie in no folders of classes; images lie in "
                "CLASS/FILE, or in train/CLASS/FILE and test/CLASS/FILE, and none beside these folders"
            )
        samples = [(path.name, path) for path in paths]
    elif source_format == "listed":
        names = [row.file for path in paths for row in listed.read_listing(path, format).rows]
        samples = [(name, paths[0] / name) for name in _spaced(names)]
    elif source_format == "tar":
        samples = [sample for path in paths for sample in tar.index_archive(path).samples]  # type: ignore[misc]
    else:
        samples = []
        for path in paths:
            file_layout = layout_of(path, format.labels)
            names = [
                name
                for name in names_of(path)
                if name.lower().endswith(IMAGES) and file_layout.locate(name) is not None
            ]
            for name in _spaced(names):
                samples.append((name, path / name if path.is_dir() else files.content(path, name, format)))  # type: ignore[arg-type]
    for name, source in samples:
        try:
            counts[image_header(source, name)] += 1
        except DataError:
            if format.damaged == "error" and source_format != "tar":  # of a file in a tar only the beginning was read
                raise
    if not counts:
        raise DataError(
            f"{paths[0].name} has no images (files that end in {', '.join(IMAGES)}); give a folder with a folder of "
            "images for each class"
        )
    return counts


def _spaced(names: Sequence[str]) -> list[str]:
    """Return at most `_SAMPLED` names, evenly spaced."""
    return [names[index] for index in evenly(len(names), _SAMPLED).tolist()]


def _with_size(format: ImageFormat, headers: Counter[ImageHeader], messages: list[str], name: str) -> ImageFormat:
    """Return the format with size and color set, and add messages to `messages`."""
    sizes: Counter[tuple[int, int]] = Counter()
    for header, count in headers.items():
        sizes[header.width, header.height] += count
    total = sizes.total()
    if not format.width:
        (width, height), most = max(sizes.items(), key=lambda item: (item[1], item[0]))
        if most < _NEARLY_ALL * total:
            low, high = min(sizes, key=lambda size: size[0] * size[1]), max(sizes, key=lambda size: size[0] * size[1])
            raise DataError(
                f"the images have {len(sizes):,} different sizes, from {low[0]}x{low[1]} to {high[0]}x{high[1]}",
                hint="say to which one they are to be brought, such as --size 64x64",
            )
        if max(width, height) > LARGEST:
            raise DataError(
                f"{name}: the images are {width}x{height}, and at most {LARGEST:,} pixels of a side are stored",
                hint="say to which size they are to be brought, such as --size 256x256",
            )
        format = replace(format, width=width, height=height)
        others = "" if most == total else f", {total - most:,} of {total:,} looked at are resized to it"
        messages.append(Message(f"size: {width}x{height}{others}", "--size WIDTHxHEIGHT resizes"))
    if not format.channels:
        gray = all(header.gray for header in headers)
        format = replace(format, channels=1 if gray else 3)
        messages.append(
            Message(f"color: {'gray' if gray else 'rgb'}", f"--color {'rgb' if gray else 'gray'} changes it")
        )
    return format


def _label(path: Path, format: ImageFormat, messages: list[str]) -> str:
    """Return the column of labels of a csv file, by name, or by number if columns have no names."""
    columns = table.columns_of(path, format)
    if columns.csv.header:
        messages.append(Message(f"label: column {columns.label!r}", "--label NAME names another"))
        return columns.label
    messages.append(
        Message(f"label: column {columns.label} of {len(columns.pixels) + 1}", "--label NUMBER names another")
    )
    return columns.label


def class_names(paths: Sequence[Path], format: ImageFormat) -> list[str]:
    """Return the names of the classes in some files.

    Raises:
        DataError: the files have no classes.
    """
    return _classes(paths, source_format_of(paths, format), format, [])


def _classes(paths: Sequence[Path], source_format: SourceFormat, format: ImageFormat, messages: list[str]) -> list[str]:
    """Return the names of the classes, and add messages to `messages`."""
    if source_format in ("npz", "idx", "csv"):
        labels: set[Any] = set()
        if source_format == "npz":
            for path in paths:
                for _, y, _, _ in npz.pairs(path):
                    labels.update(npz.labels_of(path, y, format))
        elif source_format == "idx":
            for _, label_path, _ in idx.pairs(idx_files(paths)):
                assert label_path is not None
                labels.update(idx.labels_of(label_path, format))
        else:
            labels.update(*(table.labels_in(path, format) for path in paths))
        return sort_classes({str(label) for label in labels})
    if source_format == "cifar":
        return list(dict.fromkeys(name for path in paths for name in cifar.classes(path, format)))
    if source_format == "listed":
        return sort_classes({row.label for path in paths for row in listed.read_listing(path, format).rows})
    names: set[str] = set()
    for path in paths:
        file_layout = layout_of(path, True)
        locations = [file_layout.locate(name) for name in names_of(path) if name.lower().endswith(IMAGES)]
        classes = {location[0] for location in locations if location is not None and location[0] is not None}
        if file_layout.name == "files" or not classes or layout.are_parts(classes):
            raise DataError(
                f"{path.name} has no folders of classes; images lie in CLASS/FILE, or in train/CLASS/FILE and "
                "test/CLASS/FILE, or a csv file beside them has a column with their names and one with their classes"
                + ("" if path.is_dir() else " (of an archive it is not read: unpack it)")
            )
        names |= classes
        messages.insert(
            0,
            f"layout: {file_layout.root}{file_layout.description}, {len(classes)} classes "
            f"({named_files(sorted(classes), _SHOWN)})",
        )
        empty = walk_tree(path).empty if path.is_dir() else ()
        if empty:
            messages.append(f"folders without files: {named_files(empty, _SHOWN)}")
    return sort_classes(names)


def _left_out(paths: Sequence[Path], source_format: SourceFormat, format: ImageFormat) -> list[str]:
    """Return the messages about files of folders and archives that are not read."""
    messages: list[str] = []
    for path in paths:
        if source_format == "listed":
            messages += listed.read_listing(path, format).messages
        elif source_format == "npz":
            messages += describe_ignored(
                npz.others(path, [name for name in (format.weight, format.group) if name]),
                "as they are called neither as images nor as labels",
            )
        elif source_format == "cifar":
            messages += describe_ignored(cifar.others(path), "as they are no batches")
        elif source_format == "idx" and path.is_dir():
            others = [name for name in names_of(path) if not name.lower().endswith(IDX)]
            messages += describe_ignored(others, f"as they do not end in {' or '.join(IDX)}")
        elif source_format in ("tree", "zip", "tar"):
            names = names_of(path)
            images = [name for name in names if name.lower().endswith(IMAGES)]
            file_layout = infer_layout(images, format.labels)
            outside = [name for name in images if file_layout.locate(name) is None]
            others = [name for name in names if not name.lower().endswith(IMAGES)]
            messages += describe_ignored(
                outside, "as they belong to no class" if format.labels else "as they lie in no part"
            )
            messages += describe_ignored(others, "as they are no images by their names")
            messages += describe_ignored(hidden_in(path), BY_SYSTEM)
    return messages
