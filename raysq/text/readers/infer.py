"""Infer settings the user left out from the files, and report what was inferred."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from raysq.data.filetree import named_files, walk_tree
from raysq.data.messages import Message
from raysq.errors import DataError
from raysq.text.readers import classes, imdb_npz, sniff, text
from raysq.text.readers.columns import columns_of
from raysq.text.readers.format import Form
from raysq.text.readers.partition import parts_by_name, sort_of

_LOOKED_AT = 10  # values of a column that are tested for being file names
_FOLDERS = 20  # folders that are searched for such files
_LONGEST = 256  # maximum characters of a file name


class Inferred(NamedTuple):
    """Settings inferred from files.

    Attributes:
        form: how the files are read. `text` and `label` are None where files have no columns.
        told: messages that report what was inferred.
        layout: "table", "ranks", "parts" (train/CLASS/FILE), "classes" (CLASS/FILE), "files" or "plain".
    """

    form: Form
    told: list[str]
    layout: str


def infer(files: Sequence[Path], form: Form) -> Inferred:
    """Infer the text and label columns, the csv format and the layout from the beginning of the files.

    Args:
        files: the raw files.
        form: how they are read, as far as the user specified it.

    Raises:
        DataError: a setting cannot be inferred. The message names the option that specifies it.
    """
    labels, bare = form.labels, replace(form, text=None, label=None, delimiter=None)
    kind = sort_of(files)
    if kind == "npz":
        there = imdb_npz.words_of(files) is not None
        words = imdb_npz.INDEX if there else f"no {imdb_npz.INDEX} beside it, so that words are numbers"
        return Inferred(bare, [f"layout: word ranks, as Keras ships them; words: {words}"], "ranks")
    if kind == "plain":
        return Inferred(bare, text.told(list(files), bare), "plain")
    if kind in ("tree", "tar"):
        told: list[str] = []
        for path in files:
            found = classes.of_tree(walk_tree(path), labels) if kind == "tree" else classes.of_archive(path, labels)
            if labels:
                found.check(path.name)
            count = f", {len(found.labels)} classes ({named_files(found.labels)})" if found.labels else ""
            told.append(f"layout: {found.layout.root}{found.layout.said}{count}")
            if found.deeper:
                told.append("files in folders below those of the classes are documents of these classes")
            told += found.left_out
            if found.empty:
                told.append(f"folders without files: {named_files(found.empty)}")
        return Inferred(bare, told, found.layout.name)
    return _table(files, form)


def _table(files: Sequence[Path], form: Form) -> Inferred:
    first = files[0]
    form, told = sniff.sniffed(first, form)
    columns = columns_of(first, form)
    if form.text is None:
        _refuse_names(first, columns.text, form)
        told.append(Message(f"text: column {columns.text!r}", "--text NAME names another"))
    if form.label is None and columns.label is not None:
        told.append(Message(f"label: column {columns.label!r}", "--label NAME names another"))
    if columns.part is not None:
        told.append(f"train, validation and test: as column {columns.part!r} says")
    elif parts_by_name(files)[0] >= 0:
        told.append("train, validation and test: as the names of the files say")
    return Inferred(replace(form, text=columns.text, label=columns.label), told, "table")


def _refuse_names(path: Path, column: str, form: Form) -> None:
    """Raise an error if the inferred text column holds names of files with the texts.

    Raises:
        DataError: its first values name files beside the table, or in a folder beside it.
    """
    values = [value for value in sniff.head(path, form)[column][:_LOOKED_AT] if isinstance(value, str)]
    names = [value for value in values if 0 < len(value) < _LONGEST and value.isprintable()]
    if len(names) < len(values) or not names:
        return
    folders = [path.parent, *itertools.islice((one for one in path.parent.iterdir() if one.is_dir()), _FOLDERS)]
    if all(any((folder / name).is_file() for folder in folders) for name in names):
        raise DataError(
            f"{path.name}: column {column!r} names files, such as {names[0]}, and does not hold their texts: put these "
            "into a column, or the files into CLASS/FILE",
            hint="--text NAME names another column",
        )
