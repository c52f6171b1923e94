"""Read a partition with the reader of its format."""

from collections.abc import Iterator

import pyarrow as pa

from raysq.data.partition_stats import Stats
from raysq.data.readers.files import damages
from raysq.text.readers import archive, csv, imdb_npz, json, text, tree, typed
from raysq.text.readers.format import DocumentFormat, DocumentPartition

_READERS = {
    "tree": tree.read,
    "tar": archive.read,
    "csv": csv.read,
    "jsonl": json.read,
    "json": json.read_list,
    "typed": typed.read,
    "npz": imdb_npz.read,
    "plain": text.read,
}


def read(partition: DocumentPartition, format: DocumentFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield the documents of a partition as tables of bounded size, each with its statistics.

    Both are described in `raysq.text.readers`.

    Raises:
        DataError: the partition cannot be read. The message names the file, and the line where there is one.
        SourceError: a file cannot be opened.
    """
    with damages(partition.path):
        yield from _READERS[partition.kind](partition, format)
