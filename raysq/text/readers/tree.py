"""Documents in a folder tree, one per file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from raysq.data.filetree import Tree
from raysq.data.readers import streams
from raysq.data.readers.files import read_file
from raysq.text.readers import layout
from raysq.text.readers.format import RANGE, Form, Piece
from raysq.text.readers.tables import Documents

_MOST = 4000  # maximum files of a partition


def plan(path: Path, tree: Tree, form: Form) -> list[Piece]:
    """Return the partitions of a folder tree: some thousand files each, in the order of their names."""
    found = layout.find(file.name for file in tree.files)
    if not form.labels:
        found = layout.for_predictions(found)
    pieces: list[Piece] = []
    names: list[str] = []
    size = 0
    for file in tree.files:
        if found.place(file.name) is None:
            continue
        if names and (len(names) >= _MOST or size + file.size > RANGE):
            pieces.append(Piece(str(path), "tree", size, layout=found, names=tuple(names)))
            names, size = [], 0
        names.append(file.name)
        size += file.size
    if names:
        pieces.append(Piece(str(path), "tree", size, layout=found, names=tuple(names)))
    return pieces


def read(piece: Piece, form: Form) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """Yield the documents of a partition."""
    assert piece.layout is not None
    documents = Documents(form)
    for name in piece.names:
        placed = piece.layout.place(name)
        assert placed is not None
        raw = read_file(f"{piece.path}/{name}", name, form.check_record)
        if not streams.is_text(name, raw, form.encoding):
            documents.skip(name)
        elif documents.add(raw, *placed):
            yield documents.take()
    yield from documents.rest()
