"""What a person did not say of their documents, found in the files, and told."""

from collections.abc import Sequence
from pathlib import Path

from raysq.corpus.reading import classes, heads, plain, ranks
from raysq.corpus.reading.columns import columns_of
from raysq.corpus.reading.form import Form
from raysq.corpus.reading.plan import parts_by_name, sort_of
from raysq.trees import named, walk

Inferred = tuple[str | None, str | None, str | None, list[str], str]


def infer(
    files: Sequence[Path],
    text: str | None = None,
    label: str | None = None,
    delimiter: str | None = None,
    *,
    encoding: str = "utf-8",
    labels: bool = True,
) -> Inferred:
    """Finds the columns of text and label, the delimiter, and the layout, by the beginnings of the files.

    Args:
        files: the raw files.
        text: the text's column, if it is known.
        label: the label's column, if it is known.
        delimiter: of csv files, if it is known.
        encoding: as Python names it.
        labels: whether there must be labels.

    Returns:
        Text, label and delimiter (None where files have none), what was found, in lines, and the name of the layout:
        "table", "ranks", "parts" (train/CLASS/FILE), "classes" (CLASS/FILE), "files" or "plain".

    Raises:
        DataError: something cannot be found; the message says what to say.
    """
    kind = sort_of(files)
    if kind == "npz":
        there = ranks.words_of(files) is not None
        words = ranks.INDEX if there else f"no {ranks.INDEX} beside it, so that words are numbers"
        return None, None, None, [f"layout: word ranks, as Keras ships them; words: {words}"], "ranks"
    if kind == "plain":
        return None, None, None, plain.told(list(files), Form(encoding=encoding, labels=labels)), "plain"
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
        return None, None, None, told, found.layout.name
    return _table(files, Form(text, label, encoding, delimiter=delimiter, labels=labels))


def _table(files: Sequence[Path], form: Form) -> Inferred:
    first = files[0]
    form, told = heads.with_delimiter(first, form)
    columns = columns_of(first, form)
    if form.text is None:
        told.append(f"text: column {columns.text!r} (--text NAME names another)")
    if form.label is None and columns.label is not None:
        told.append(f"label: column {columns.label!r} (--label NAME names another)")
    if columns.part is not None:
        told.append(f"train, validation and test: as column {columns.part!r} says")
    elif parts_by_name(files)[0] >= 0:
        told.append("train, validation and test: as the names of the files say")
    return columns.text, columns.label, form.delimiter, told, "table"
