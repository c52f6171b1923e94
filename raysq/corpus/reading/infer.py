"""What a person did not say of their documents, found in the files, and told."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from raysq.corpus.reading import classes, heads, plain, ranks
from raysq.corpus.reading.columns import columns_of
from raysq.corpus.reading.form import Form
from raysq.corpus.reading.plan import parts_by_name, sort_of
from raysq.trees import named, walk


class Inferred(NamedTuple):
    """What was found in files.

    Attributes:
        form: how they are read; text and label are None where files have no columns.
        told: what was found, in lines.
        layout: "table", "ranks", "parts" (train/CLASS/FILE), "classes" (CLASS/FILE), "files" or "plain".
    """

    form: Form
    told: list[str]
    layout: str


def infer(files: Sequence[Path], form: Form) -> Inferred:
    """Finds the columns of text and label, how csv files are written, and the layout, by the beginnings of the files.

    Args:
        files: the raw files.
        form: how they are read, as far as it is known.

    Raises:
        DataError: something cannot be found; the message says what to say.
    """
    labels, bare = form.labels, replace(form, text=None, label=None, delimiter=None)
    kind = sort_of(files)
    if kind == "npz":
        there = ranks.words_of(files) is not None
        words = ranks.INDEX if there else f"no {ranks.INDEX} beside it, so that words are numbers"
        return Inferred(bare, [f"layout: word ranks, as Keras ships them; words: {words}"], "ranks")
    if kind == "plain":
        return Inferred(bare, plain.told(list(files), bare), "plain")
    if kind in ("tree", "tar"):
        told: list[str] = []
        for path in files:
            found = classes.of_tree(walk(path), labels) if kind == "tree" else classes.of_archive(path, labels)
            if labels:
                found.check(path.name)
            count = f", {len(found.labels)} classes ({named(found.labels)})" if found.labels else ""
            told.append(f"layout: {found.layout.root}{found.layout.said}{count}")
            if found.deeper:
                told.append("files in folders below those of the classes are documents of these classes")
            told += found.left_out
            if found.empty:
                told.append(f"folders without files: {named(found.empty)}")
        return Inferred(bare, told, found.layout.name)
    return _table(files, form)


def _table(files: Sequence[Path], form: Form) -> Inferred:
    first = files[0]
    form, told = heads.sniffed(first, form)
    columns = columns_of(first, form)
    if form.text is None:
        told.append(f"text: column {columns.text!r} (--text NAME names another)")
    if form.label is None and columns.label is not None:
        told.append(f"label: column {columns.label!r} (--label NAME names another)")
    if columns.part is not None:
        told.append(f"train, validation and test: as column {columns.part!r} says")
    elif parts_by_name(files)[0] >= 0:
        told.append("train, validation and test: as the names of the files say")
    return Inferred(replace(form, text=columns.text, label=columns.label), told, "table")
