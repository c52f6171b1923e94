"""Partitioning of raw files."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from raysq.data.filetree import walk_tree
from raysq.data.readers.files import damages
from raysq.errors import DataError
from raysq.text.readers import archive, classes, imdb_npz, layout, parquet, text, tree
from raysq.text.readers import csv as quoted
from raysq.text.readers import json as objects
from raysq.text.readers.format import Form, Piece
from raysq.text.readers.sniff import family

_TABLES = {"csv": quoted.plan, "jsonl": objects.plan, "json": objects.plan_list, "parquet": parquet.plan}


def plan(files: Sequence[Path], form: Form) -> list[Piece]:
    """Return the partitions of files, in row order.

    Partitions follow the order of the files. In a folder tree they follow the order of the names, in `imdb.npz` that of
    Keras.

    Args:
        files: raw files of one format.
        form: how they are read.

    Raises:
        DataError: the files have different formats, or cannot be read.
    """
    kind = sort_of(files)
    files = documents_of(files)
    parts = parts_by_name(files) if kind == "table" else [-1] * len(files)
    pieces: list[Piece] = []
    for path, part in zip(files, parts, strict=True):
        with damages(path):
            found = _PLANS[family(path)](path, form)
        pieces += [replace(piece, part=part) for piece in found] if kind == "table" else found
    return pieces


def sort_of(files: Sequence[Path]) -> str:
    """Return the common format of files: "tree", "tar", "npz", "plain" or "table".

    Raises:
        DataError: the files have different formats and are therefore different data sets.
    """
    sorts: dict[str, str] = {}
    for path in documents_of(files):
        kind = family(path)
        sorts.setdefault("table" if kind in _TABLES else kind, path.name)
    if len(sorts) > 1:
        raise DataError(f"{' and '.join(sorts.values())} are different sorts of sources; give one of them")
    return next(iter(sorts))


def documents_of(files: Sequence[Path]) -> list[Path]:
    """Return the files without the word index that accompanies `imdb.npz`."""
    if any(path.suffix.lower() == ".npz" for path in files):
        return [path for path in files if path.name != imdb_npz.INDEX]
    return list(files)


def parts_by_name(files: Sequence[Path]) -> list[int]:
    """Return the split of each file according to its name.

    Returns:
        0, 1 or 2 for each file, where there are several and all names start with a split, such as train or test;
        otherwise -1 for each.
    """
    found = [layout.PARTS.get(re.split(r"[-_.]", path.name.lower(), maxsplit=1)[0], -1) for path in files]
    return found if len(files) > 1 and -1 not in found else [-1] * len(files)


def _tree(path: Path, form: Form) -> list[Piece]:
    found = walk_tree(path)
    if form.labels:
        classes.of_tree(found).check(path.name)
    return tree.plan(path, found, form)


def _archive(path: Path, form: Form) -> list[Piece]:
    if form.labels:
        classes.of_archive(path).check(path.name)
    return archive.plan(path, form)


_PLANS: dict[str, Callable[[Path, Form], list[Piece]]] = {
    **_TABLES,
    "npz": imdb_npz.plan,
    "plain": text.plan,
    "tree": _tree,
    "tar": _archive,
}
