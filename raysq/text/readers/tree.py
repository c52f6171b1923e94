"""Documents in a folder tree, one per file."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from raysq.data.filetree import FileTree
from raysq.data.partition_stats import Stats
from raysq.data.readers import streams
from raysq.data.readers.files import read_file
from raysq.text.readers import layout
from raysq.text.readers.format import RANGE, DocumentFormat, DocumentPartition
from raysq.text.readers.tables import DocumentTables

_MOST = 4000  # maximum files of a partition


def partition(path: Path, tree: FileTree, format: DocumentFormat) -> list[DocumentPartition]:
    """Return the partitions of a folder tree: some thousand files each, in the order of their names."""
    where = layout.find(file.name for file in tree.files)
    if not format.labels:
        where = layout.for_predictions(where)
    partitions: list[DocumentPartition] = []
    names: list[str] = []
    size = 0
    for file in tree.files:
        if where.locate(file.name) is None:
            continue
        if names and (len(names) >= _MOST or size + file.size > RANGE):
            partitions.append(DocumentPartition(str(path), "tree", size, layout=where, names=tuple(names)))
            names, size = [], 0
        names.append(file.name)
        size += file.size
    if names:
        partitions.append(DocumentPartition(str(path), "tree", size, layout=where, names=tuple(names)))
    return partitions


def read(partition: DocumentPartition, format: DocumentFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield the documents of a partition."""
    assert partition.layout is not None
    documents = DocumentTables(format)
    for name in partition.names:
        placed = partition.layout.locate(name)
        assert placed is not None
        raw = read_file(f"{partition.path}/{name}", name, format.check_record)
        if not streams.is_text(name, raw, format.encoding):
            documents.skip(name)
        elif documents.add(raw, *placed):
            yield documents.take()
    yield from documents.rest()
