"""The pieces of raw files."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from raysq.corpus.reading import archive, classes, groups, layout, objects, plain, quoted, ranks, tree
from raysq.corpus.reading.form import Form, Piece
from raysq.corpus.reading.heads import family
from raysq.errors import DataError
from raysq.trees import walk

_TABLES = {"csv": quoted.plan, "jsonl": objects.plan, "json": objects.plan_list, "parquet": groups.plan}


def plan(files: Sequence[Path], form: Form) -> list[Piece]:
    """The pieces, in row order: that of the files, in a folder tree that of the names, in `imdb.npz` Keras's.

    Raises:
        DataError: files of several sorts, or what cannot be read.
    """
    kind = sort_of(files)
    if kind == "npz":
        return [piece for path in documents_of(files) for piece in ranks.plan(path)]
    if kind == "plain":
        return [piece for path in files for piece in plain.plan(path, form)]
    if kind in ("tree", "tar"):
        return [piece for path in files for piece in (_tree if kind == "tree" else _archive)(path, form)]
    pieces = []
    for path, part in zip(files, parts_by_name(files), strict=True):
        pieces += [replace(piece, part=part) for piece in _TABLES[family(path)](path, form)]
    return pieces


def sort_of(files: Sequence[Path]) -> str:
    """What the files are: "tree", "tar", "npz", "plain" or "table".

    Raises:
        DataError: several sorts, which are different data sets.
    """
    sorts: dict[str, str] = {}
    for path in documents_of(files):
        kind = family(path)
        sorts.setdefault("table" if kind in _TABLES else kind, path.name)
    if len(sorts) > 1:
        raise DataError(f"{' and '.join(sorts.values())} are different sorts of sources; give one of them")
    return next(iter(sorts))


def documents_of(files: Sequence[Path]) -> list[Path]:
    """The files without the list of words that lies beside `imdb.npz`."""
    if any(path.suffix.lower() == ".npz" for path in files):
        return [path for path in files if path.name != ranks.INDEX]
    return list(files)


def parts_by_name(files: Sequence[Path]) -> list[int]:
    """What several files say of their rows when all are called train... or test...; else -1 for each."""
    found = [layout.PARTS.get(re.split(r"[-_.]", path.name.lower(), maxsplit=1)[0], -1) for path in files]
    return found if len(files) > 1 and -1 not in found else [-1] * len(files)


def _tree(path: Path, form: Form) -> list[Piece]:
    found = walk(path)
    if form.labels:
        classes.of_tree(found).check(path.name)
    return tree.plan(path, found, form)


def _archive(path: Path, form: Form) -> list[Piece]:
    if form.labels:
        classes.of_archive(path).check(path.name)
    return archive.plan(path, form)
