"""Partition raw files of documents into the parts that are read independently of each other."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from raysq.data.filetree import walk_tree
from raysq.data.parts import parts_by_name
from raysq.data.readers.files import damages
from raysq.errors import DataError
from raysq.text.readers import archive, classes, csv, imdb_npz, json, text, tree, typed
from raysq.text.readers.format import DocumentFormat, DocumentPartition
from raysq.text.readers.sniff import family

_TABLES = {
    "csv": csv.partition,
    "jsonl": json.partition,
    "json": json.partition_list,
    "typed": typed.partition,
}


def partition(files: Sequence[Path], format: DocumentFormat) -> list[DocumentPartition]:
    """Return the partitions of files, in row order.

    Partitions follow the order of the files. In a folder tree they follow the order of the names, in `imdb.npz` that of
    Keras.

    Raises:
        DataError: the files have different formats, or cannot be read.
    """
    kind = sort_of(files)
    files = documents_of(files)
    parts = parts_by_name(files) if kind == "table" else [-1] * len(files)
    partitions: list[DocumentPartition] = []
    for path, part in zip(files, parts, strict=True):
        with damages(path):
            of_file = _PARTITIONS[family(path)](path, format)
        partitions += [replace(partition, part=part) for partition in of_file] if kind == "table" else of_file
    return partitions


def sort_of(files: Sequence[Path]) -> str:
    """Return the common format of files: "tree", "tar", "npz", "plain" or "table". Raise `DataError` if they differ."""
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


def _tree(path: Path, format: DocumentFormat) -> list[DocumentPartition]:
    contents = walk_tree(path)
    if format.labels:
        classes.of_tree(contents).check(path.name)
    return tree.partition(path, contents, format)


def _archive(path: Path, format: DocumentFormat) -> list[DocumentPartition]:
    if format.labels:
        classes.of_archive(path).check(path.name)
    return archive.partition(path, format)


_PARTITIONS: dict[str, Callable[[Path, DocumentFormat], list[DocumentPartition]]] = {
    **_TABLES,
    "npz": imdb_npz.partition,
    "plain": text.partition,
    "tree": _tree,
    "tar": _archive,
}
