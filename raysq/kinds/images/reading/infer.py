"""What a person did not say of their images, found in the files, and told."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from raysq.corpus.survey import in_order
from raysq.errors import DataError
from raysq.kinds.images.reading import arrays, cifar, files, idx, table, tars
from raysq.kinds.images.reading.decode import Head, head
from raysq.kinds.images.reading.form import IMAGES, Form, Kind
from raysq.kinds.images.reading.plan import idx_files, layout_of, names_of, sort_of
from raysq.trees import walk

_LOOKED_AT = 200  # image files
_NEARLY_ALL = 0.95
_SHOWN = 8


@dataclass(frozen=True)
class Found:
    """A form with nothing left open, and what was found, in lines."""

    form: Form
    told: list[str]


def infer(paths: Sequence[Path], form: Form) -> Found:
    """Finds size, colour and classes where they are not said.

    Raises:
        DataError: something cannot be found; the message says what to say.
    """
    kind = sort_of(paths)
    told: list[str] = []
    if form.label and kind != "csv" and form.labels:
        raise DataError(f"{paths[0].name} is no csv file: it has no column {form.label!r} of labels; leave out --label")
    heads = _heads(paths, kind, form, told)
    form = _sized(form, heads, told)
    if form.labels and not form.classes:
        if kind == "csv" and not form.label:
            form = replace(form, label=_label(paths[0], form, told))
        classes = _classes(paths, kind, form, told)
        if len(classes) == 1:
            raise DataError(
                f"{paths[0].name} has one class only, {classes[0]!r}, and there must be two to tell apart; add images "
                "of another"
            )
        form = replace(form, classes=tuple(classes))
    return Found(form, told)


def _heads(paths: Sequence[Path], kind: Kind, form: Form, told: list[str]) -> Counter[Head]:
    """Sizes and colours of the images that are looked at, with their numbers."""
    found: Counter[Head] = Counter()
    if kind == "npz":
        for path in paths:
            for x, _, _, about in arrays.pairs(path, form.labels):
                shape = arrays.shape_of(about.shape)
                assert shape is not None
                found[Head(shape[1], shape[0], shape[2] == 1)] += about.shape[0]
                told.append(f"{x}: {about.shape[0]:,} images")
    elif kind == "cifar":
        found[Head(cifar.SIDE, cifar.SIDE, False)] += 1
        gone = [name for path in paths for name in cifar.missing(path)]
        told.append("layout: batches of CIFAR")
        if gone:
            told.append(
                f"of the publisher's five batches to train on, {', '.join(gone)} {'is' if len(gone) == 1 else 'are'} "
                f"not there: {5 - len(gone)}0,000 of 50,000 images"
            )
    elif kind == "idx":
        for path, _, _ in idx.pairs(idx_files(paths), form.labels):
            count, height, width = idx.shape_of(path)
            found[Head(width, height, True)] += count
            told.append(f"{path.name}: {count:,} images")
    elif kind == "csv":
        for path in paths:
            side = int(np.sqrt(len(table.columns_of(path, form).pixels)))
            found[Head(side, side, True)] += 1
    else:
        found = _looked_at(paths, kind, form)
    return found


def _looked_at(paths: Sequence[Path], kind: Kind, form: Form) -> Counter[Head]:
    """The heads of some image files, evenly spaced."""
    found: Counter[Head] = Counter()
    if kind == "files":
        if form.labels:
            raise DataError(
                f"the images of {paths[0].parent.name or paths[0].name} lie in no folders of classes; images lie in "
                "CLASS/FILE, or in train/CLASS/FILE and test/CLASS/FILE, and none beside these folders"
            )
        looks = [(path.name, path) for path in paths]
    elif kind == "tar":
        looks = [look for path in paths for look in tars.look(path).heads]  # type: ignore[misc]
    else:
        looks = []
        for path in paths:
            where = layout_of(path, form.labels)
            names = [name for name in names_of(path) if name.lower().endswith(IMAGES) and where.place(name) is not None]
            for place in np.unique(np.linspace(0, max(len(names) - 1, 0), min(_LOOKED_AT, len(names))).astype(int)):
                name = names[place]
                looks.append((name, path / name if path.is_dir() else files.content(path, name)))  # type: ignore[arg-type]
    for name, source in looks:
        try:
            found[head(source, name)] += 1
        except DataError:
            if form.damaged == "error" and kind != "tar":  # of a tar only the beginning of each was read
                raise
    if not found:
        raise DataError(
            f"{paths[0].name} has no images (files that end in {', '.join(IMAGES)}); give a folder with a folder of "
            "images for each class"
        )
    return found


def _sized(form: Form, heads: Counter[Head], told: list[str]) -> Form:
    """The form with size and colour."""
    sizes: Counter[tuple[int, int]] = Counter()
    for about, count in heads.items():
        sizes[about.width, about.height] += count
    total = sizes.total()
    if not form.width:
        (width, height), most = max(sizes.items(), key=lambda item: (item[1], item[0]))
        if most < _NEARLY_ALL * total:
            low, high = min(sizes, key=lambda one: one[0] * one[1]), max(sizes, key=lambda one: one[0] * one[1])
            raise DataError(
                f"the images have {len(sizes):,} different sizes, from {low[0]}x{low[1]} to {high[0]}x{high[1]}: say "
                "to which one they are to be brought, such as --size 64x64"
            )
        form = replace(form, width=width, height=height)
        others = "" if most == total else f", {total - most:,} of {total:,} looked at are resized to it"
        told.append(f"size: {width}x{height}{others} (--size WIDTHxHEIGHT resizes)")
    if not form.channels:
        grey = all(about.grey for about in heads)
        form = replace(form, channels=1 if grey else 3)
        told.append(f"colour: {'grey' if grey else 'rgb'} (--colour {'rgb' if grey else 'grey'} changes it)")
    return form


def _label(path: Path, form: Form, told: list[str]) -> str:
    """The column of the labels of a csv file, by name, or by number where columns have no names."""
    columns = table.columns_of(path, form)
    if columns.headed:
        told.append(f"label: column {columns.label!r} (--label NAME names another)")
        return columns.label
    number = 1 + int(columns.label.removeprefix("f"))
    told.append(f"label: column {number} of {len(columns.pixels) + 1} (--label NUMBER names another)")
    return str(number)


def _classes(paths: Sequence[Path], kind: Kind, form: Form, told: list[str]) -> list[str]:
    """The names of the classes."""
    if kind in ("npz", "idx", "csv"):
        labels: set[Any] = set()
        if kind == "npz":
            for path in paths:
                for _, y, _, _ in arrays.pairs(path):
                    labels.update(arrays.labels_of(path, y))
        elif kind == "idx":
            for _, other, _ in idx.pairs(idx_files(paths)):
                assert other is not None
                labels.update(idx.labels_of(other))
        else:
            labels.update(*(table.labels_in(path, form) for path in paths))
        return in_order({str(label) for label in labels})
    if kind == "cifar":
        return list(dict.fromkeys(name for path in paths for name in cifar.classes(path)))
    names: set[str] = set()
    for path in paths:
        found = layout_of(path, True)
        everything = names_of(path)
        placed = {name: found.place(name) for name in everything if name.lower().endswith(IMAGES)}
        own = {place[0] for place in placed.values() if place is not None and place[0] is not None}
        if found.name == "files" or not own:
            raise DataError(
                f"{path.name} has no folders of classes; images lie in CLASS/FILE, or in train/CLASS/FILE and "
                "test/CLASS/FILE"
            )
        names |= own
        told.insert(0, f"layout: {found.root}{found.said}, {len(own)} classes ({_listed(sorted(own))})")
        outside = [name for name, place in placed.items() if place is None]
        others = [name for name in everything if name not in placed]
        if outside:
            told.append(f"left out, as they belong to no class: {_listed(outside)}")
        if others:
            told.append(f"{len(others):,} files are no images by their names and are left out: {_listed(others)}")
        empty = walk(path).empty if path.is_dir() else ()
        if empty:
            told.append(f"folders without files: {_listed(empty)}")
    return in_order(names)


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
