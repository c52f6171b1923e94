"""Infer settings of images that the user left out from the files, and report what was inferred."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from raysq.data.filetree import BY_SYSTEM, describe_ignored, named_files, walk_tree
from raysq.data.messages import Message
from raysq.errors import DataError
from raysq.problems.images.readers import cifar, files, idx, listed, npz, tar
from raysq.problems.images.readers import csv as table
from raysq.problems.images.readers.decode import Head, head
from raysq.problems.images.readers.format import IDX, IMAGES, LARGEST, Form, Kind
from raysq.problems.images.readers.partition import found_layout, hidden_in, idx_files, layout_of, names_of, sort_of
from raysq.text.fit_vocabulary import sort_classes
from raysq.text.readers import layout

_LOOKED_AT = 200  # image files to read the size and color of
_NEARLY_ALL = 0.95  # share of the images that must agree in size
_SHOWN = 8  # names in a message


@dataclass(frozen=True)
class Inferred:
    """Result of `infer`.

    Attributes:
        form: format of every image, with all settings known.
        messages: messages about what was inferred.
        left_out: messages about files that are not read.
    """

    form: Form
    messages: list[str]
    left_out: list[str]


def infer(paths: Sequence[Path], form: Form) -> Inferred:
    """Infer size, color, label and classes from the files if they are not set.

    Args:
        paths: raw files.
        form: format of every image as far as the user set it.

    Raises:
        DataError: a setting cannot be inferred, and the message says which to give; or there is a single class.
        UsageError: csv settings are set, and the files are no csv files.
    """
    kind = sort_of(paths, form)
    messages: list[str] = []
    if form.label and kind not in ("csv", "listed") and form.labels:
        raise DataError(
            f"{paths[0].name} is no csv file, and no table in it names its images: it has no column {form.label!r} of "
            "labels",
            hint="leave out --label",
        )
    if form.labels and kind not in ("csv", "listed"):
        form.refuse_for(paths[0].name)
    heads = _heads(paths, kind, form, messages)
    form = _sized(form, heads, messages, paths[0].name)
    if form.labels and not form.classes:
        if kind == "csv" and not form.label:
            form = replace(form, label=_label(paths[0], form, messages))
        classes = _classes(paths, kind, form, messages)
        if len(classes) == 1:
            raise DataError(
                f"{paths[0].name} has one class only, {classes[0]!r}, and there must be two to tell apart; add images "
                "of another"
            )
        form = replace(form, classes=tuple(classes))
    return Inferred(form, messages, _left_out(paths, kind, form))


def _heads(paths: Sequence[Path], kind: Kind, form: Form, messages: list[str]) -> Counter[Head]:
    """Count the sizes and colors of the images, or of a sample of image files."""
    counts: Counter[Head] = Counter()
    if kind == "npz":
        for path in paths:
            for x, _, _, about in npz.pairs(path, form.labels):
                shape = npz.shape_of(about.shape)
                assert shape is not None
                counts[Head(shape[1], shape[0], shape[2] == 1)] += about.shape[0]
                messages.append(f"{x}: {about.shape[0]:,} images")
    elif kind == "cifar":
        counts[Head(cifar.SIDE, cifar.SIDE, False)] += 1
        gone = [name for path in paths for name in cifar.missing(path)]
        messages.append("layout: batches of CIFAR")
        if gone:
            messages.append(
                f"of the publisher's five batches to train on, {', '.join(gone)} {'is' if len(gone) == 1 else 'are'} "
                f"not there: {5 - len(gone)}0,000 of 50,000 images"
            )
    elif kind == "idx":
        for path, _, _ in idx.pairs(idx_files(paths), form.labels):
            count, height, width = idx.shape_of(path, form)
            counts[Head(width, height, True)] += count
            messages.append(f"{path.name}: {count:,} images")
    elif kind == "csv":
        for path in paths:
            columns = table.columns_of(path, form)
            messages += columns.messages if path is paths[0] else ()
            side = int(np.sqrt(len(columns.pixels)))
            counts[Head(side, side, True)] += 1
    else:
        counts = _looked_at(paths, kind, form)
    return counts


def _looked_at(paths: Sequence[Path], kind: Kind, form: Form) -> Counter[Head]:
    """Count the sizes and colors of some image files, evenly spaced."""
    counts: Counter[Head] = Counter()
    if kind == "files":
        if form.labels:
            raise DataError(
                f"the images of {paths[0].parent.name or paths[0].name} lie in no folders of classes; images lie in "
                "CLASS/FILE, or in train/CLASS/FILE and test/CLASS/FILE, and none beside these folders"
            )
        looks = [(path.name, path) for path in paths]
    elif kind == "listed":
        names = [row.file for path in paths for row in listed.read_listing(path, form).rows]
        looks = [(name, paths[0] / name) for name in _spaced(names)]
    elif kind == "tar":
        looks = [look for path in paths for look in tar.look(path).heads]  # type: ignore[misc]
    else:
        looks = []
        for path in paths:
            where = layout_of(path, form.labels)
            names = [
                name for name in names_of(path) if name.lower().endswith(IMAGES) and where.locate(name) is not None
            ]
            for name in _spaced(names):
                looks.append((name, path / name if path.is_dir() else files.content(path, name, form)))  # type: ignore[arg-type]
    for name, source in looks:
        try:
            counts[head(source, name)] += 1
        except DataError:
            if form.damaged == "error" and kind != "tar":  # of a file in a tar only the beginning was read
                raise
    if not counts:
        raise DataError(
            f"{paths[0].name} has no images (files that end in {', '.join(IMAGES)}); give a folder with a folder of "
            "images for each class"
        )
    return counts


def _spaced(names: Sequence[str]) -> list[str]:
    """Return at most `_LOOKED_AT` names, evenly spaced."""
    indices = np.unique(np.linspace(0, max(len(names) - 1, 0), min(_LOOKED_AT, len(names))).astype(int))
    return [names[index] for index in indices.tolist()]


def _sized(form: Form, heads: Counter[Head], messages: list[str], name: str) -> Form:
    """Return the form with size and color set, and add messages to `messages`."""
    sizes: Counter[tuple[int, int]] = Counter()
    for about, count in heads.items():
        sizes[about.width, about.height] += count
    total = sizes.total()
    if not form.width:
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
        form = replace(form, width=width, height=height)
        others = "" if most == total else f", {total - most:,} of {total:,} looked at are resized to it"
        messages.append(Message(f"size: {width}x{height}{others}", "--size WIDTHxHEIGHT resizes"))
    if not form.channels:
        gray = all(about.gray for about in heads)
        form = replace(form, channels=1 if gray else 3)
        messages.append(
            Message(f"color: {'gray' if gray else 'rgb'}", f"--color {'rgb' if gray else 'gray'} changes it")
        )
    return form


def _label(path: Path, form: Form, messages: list[str]) -> str:
    """Return the column of labels of a csv file, by name, or by number if columns have no names."""
    columns = table.columns_of(path, form)
    if columns.csv.header:
        messages.append(Message(f"label: column {columns.label!r}", "--label NAME names another"))
        return columns.label
    messages.append(
        Message(f"label: column {columns.label} of {len(columns.pixels) + 1}", "--label NUMBER names another")
    )
    return columns.label


def _classes(paths: Sequence[Path], kind: Kind, form: Form, messages: list[str]) -> list[str]:
    """Return the names of the classes, and add messages to `messages`."""
    if kind in ("npz", "idx", "csv"):
        labels: set[Any] = set()
        if kind == "npz":
            for path in paths:
                for _, y, _, _ in npz.pairs(path):
                    labels.update(npz.labels_of(path, y, form))
        elif kind == "idx":
            for _, other, _ in idx.pairs(idx_files(paths)):
                assert other is not None
                labels.update(idx.labels_of(other, form))
        else:
            labels.update(*(table.labels_in(path, form) for path in paths))
        return sort_classes({str(label) for label in labels})
    if kind == "cifar":
        return list(dict.fromkeys(name for path in paths for name in cifar.classes(path, form)))
    if kind == "listed":
        return sort_classes({row.label for path in paths for row in listed.read_listing(path, form).rows})
    names: set[str] = set()
    for path in paths:
        where = layout_of(path, True)
        locations = [where.locate(name) for name in names_of(path) if name.lower().endswith(IMAGES)]
        classes = {location[0] for location in locations if location is not None and location[0] is not None}
        if where.name == "files" or not classes or layout.are_parts(classes):
            raise DataError(
                f"{path.name} has no folders of classes; images lie in CLASS/FILE, or in train/CLASS/FILE and "
                "test/CLASS/FILE, or a csv file beside them has a column with their names and one with their classes"
                + ("" if path.is_dir() else " (of an archive it is not read: unpack it)")
            )
        names |= classes
        messages.insert(
            0,
            f"layout: {where.root}{where.description}, {len(classes)} classes ({named_files(sorted(classes), _SHOWN)})",
        )
        empty = walk_tree(path).empty if path.is_dir() else ()
        if empty:
            messages.append(f"folders without files: {named_files(empty, _SHOWN)}")
    return sort_classes(names)


def _left_out(paths: Sequence[Path], kind: Kind, form: Form) -> list[str]:
    """Return the messages about files of folders and archives that are not read."""
    messages: list[str] = []
    for path in paths:
        if kind == "listed":
            messages += listed.read_listing(path, form).messages
        elif kind == "npz":
            messages += describe_ignored(npz.others(path), "as they are called neither as images nor as labels")
        elif kind == "cifar":
            messages += describe_ignored(cifar.others(path), "as they are no batches")
        elif kind == "idx" and path.is_dir():
            others = [name for name in names_of(path) if not name.lower().endswith(IDX)]
            messages += describe_ignored(others, f"as they do not end in {' or '.join(IDX)}")
        elif kind in ("tree", "zip", "tar"):
            names = names_of(path)
            images = [name for name in names if name.lower().endswith(IMAGES)]
            where = found_layout(images, form.labels)
            outside = [name for name in images if where.locate(name) is None]
            others = [name for name in names if not name.lower().endswith(IMAGES)]
            messages += describe_ignored(
                outside, "as they belong to no class" if form.labels else "as they lie in no part"
            )
            messages += describe_ignored(others, "as they are no images by their names")
            messages += describe_ignored(hidden_in(path), BY_SYSTEM)
    return messages
