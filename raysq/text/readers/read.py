"""Read a partition with the reader of its format."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from raysq.data.readers.files import damages
from raysq.text.readers import archive, imdb_npz, parquet, text, tree
from raysq.text.readers import csv as quoted
from raysq.text.readers import json as objects
from raysq.text.readers.format import Form, Piece

_READERS = {
    "tree": tree.read,
    "tar": archive.read,
    "csv": quoted.read,
    "jsonl": objects.read,
    "json": objects.read_list,
    "parquet": parquet.read,
    "npz": imdb_npz.read,
    "plain": text.read,
}


def read(piece: Piece, form: Form) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """Yield the documents of a partition as tables of bounded size, each with its statistics.

    Both are described in `raysq.text.readers`.

    Args:
        piece: a partition from `plan`.
        form: how documents are read.

    Raises:
        DataError: the partition cannot be read. The message names the file, and the line where there is one.
        SourceError: a file cannot be opened.
    """
    with damages(piece.path):
        yield from _READERS[piece.kind](piece, form)
