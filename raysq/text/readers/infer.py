"""Infer settings the user left out from the files, and report what was inferred."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from raysq.data.filetree import named_files, walk_tree
from raysq.data.messages import Message
from raysq.data.parts import parts_by_name
from raysq.errors import DataError, UsageError
from raysq.text.readers import classes, imdb_npz, sniff, text
from raysq.text.readers.columns import columns_of
from raysq.text.readers.format import DocumentFormat
from raysq.text.readers.partition import sort_of

_LOOKED_AT = 10  # values of a column that are tested for being file names
_FOLDERS = 20  # folders that are searched for such files
_LONGEST = 256  # maximum characters of a file name


class InferredDocuments(NamedTuple):
    """Settings inferred from files.

    Attributes:
        format: how the files are read. `text` and `label` are None where files have no columns.
        layout: "table", "ranks", "parts" (train/CLASS/FILE), "classes" (CLASS/FILE), "files" or "plain".
    """

    format: DocumentFormat
    messages: list[str]
    layout: str


def infer(files: Sequence[Path], format: DocumentFormat) -> InferredDocuments:
    """Infer the text and label columns, the csv format and the layout from the beginning of the files.

    Raises:
        DataError: a setting cannot be inferred. The message names the option that specifies it.
    """
    labels, bare = format.labels, replace(format, text=None, label=None, delimiter=None)
    kind = sort_of(files)
    if kind != "table":
        refuse_columns(files[0].name, format)
    if kind == "npz":
        indexed = imdb_npz.words_of(files) is not None
        words = imdb_npz.INDEX if indexed else f"no {imdb_npz.INDEX} beside it, so that words are numbers"
        return InferredDocuments(bare, [f"layout: word ranks, as Keras ships them; words: {words}"], "ranks")
    if kind == "plain":
        return InferredDocuments(bare, text.messages(list(files), bare), "plain")
    if kind in ("tree", "tar"):
        messages: list[str] = []
        for path in files:
            contents = classes.of_tree(walk_tree(path), labels) if kind == "tree" else classes.of_archive(path, labels)
            if labels:
                contents.check(path.name)
            count = f", {len(contents.labels)} classes ({named_files(contents.labels)})" if contents.labels else ""
            messages.append(f"layout: {contents.layout.root}{contents.layout.description}{count}")
            if contents.deeper:
                messages.append("files in folders below those of the classes are documents of these classes")
            messages += contents.left_out
            if contents.empty:
                messages.append(f"folders without files: {named_files(contents.empty)}")
        return InferredDocuments(bare, messages, contents.layout.name)
    return _table(files, format)


def refuse_columns(name: str, format: DocumentFormat) -> None:
    """Raise UsageError if columns are named of files that have none."""
    for option, column in (
        ("--split-column", format.split_column),
        ("--weight", format.weight),
        ("--group", format.group),
    ):
        if column is not None:
            raise UsageError(
                f"{option} {column} names a column, and {name} has none: give a csv, JSON or Parquet file, or a frame"
            )


def _table(files: Sequence[Path], format: DocumentFormat) -> InferredDocuments:
    first = files[0]
    format, messages = sniff.sniffed(first, format)
    columns = columns_of(first, format)
    if format.text is None:
        _refuse_names(first, columns.text, format)
        messages.append(Message(f"text: column {columns.text!r}", "--text NAME names another"))
    if format.label is None and columns.label is not None:
        messages.append(Message(f"label: column {columns.label!r}", "--label NAME names another"))
    if columns.part is not None:
        messages.append(f"train, validation and test: as column {columns.part!r} says")
    elif parts_by_name(files)[0] >= 0:
        messages.append("train, validation and test: as the names of the files say")
    if columns.flags:
        messages.append(f"labels: the columns {', '.join(columns.flags)} that hold 1")
    label = format.label if columns.flags else columns.label
    return InferredDocuments(replace(format, text=columns.text, label=label), messages, "table")


def _refuse_names(path: Path, column: str, format: DocumentFormat) -> None:
    """Raise `DataError` if the inferred text column names files beside the table, or in a folder beside it."""
    values = [value for value in sniff.head(path, format)[column][:_LOOKED_AT] if isinstance(value, str)]
    names = [value for value in values if 0 < len(value) < _LONGEST and value.isprintable()]
    if len(names) < len(values) or not names:
        return
    folders = [path.parent, *itertools.islice((entry for entry in path.parent.iterdir() if entry.is_dir()), _FOLDERS)]
    if all(any((folder / name).is_file() for folder in folders) for name in names):
        raise DataError(
            f"{path.name}: column {column!r} names files, such as {names[0]}, and does not hold their texts: put these "
            "into a column, or the files into CLASS/FILE",
            hint="--text NAME names another column",
        )
