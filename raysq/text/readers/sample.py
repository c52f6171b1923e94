"""Sample the first texts of raw files, to infer settings from them."""

import contextlib
import itertools
from collections.abc import Sequence
from pathlib import Path

from raysq.data.filetree import walk_tree
from raysq.data.readers import streams
from raysq.data.readers.files import open_file
from raysq.text.readers import archive, classes, gutenberg, layout, sniff
from raysq.text.readers.format import DocumentFormat
from raysq.text.readers.partition import sort_of

_FILES = 64  # maximum files of a folder or an archive
_BYTES = 1 << 17  # bytes of text in a sample


def sample(files: Sequence[Path], format: DocumentFormat) -> list[str]:
    """Return the first texts of raw files, about 128 kB. The list is empty where documents are word ranks."""
    sort = sort_of(files)
    if sort == "npz":
        return []
    if sort == "table":
        assert format.text is not None
        values = [value for value in sniff.head(files[0], format)[format.text] if value is not None]
        texts = [_decoded(value, format) if isinstance(value, bytes) else str(value) for value in values]
        ends = itertools.accumulate(map(len, texts))
        return [text[:_BYTES] for text, end in zip(texts, ends, strict=True) if end - len(text) < _BYTES]
    if sort == "plain":
        with contextlib.closing(streams.chunks(files[0], format.encoding)) as stream:
            data = next(stream, b"")
        begin, end = gutenberg.body(data)
        return [data[begin : min(end, begin + _BYTES)].decode(streams.given(format.encoding), errors="replace")]
    return _of_tree(files[0], format) if sort == "tree" else _of_archive(files[0], format)


def _of_tree(path: Path, format: DocumentFormat) -> list[str]:
    tree = walk_tree(path)
    where = classes.of_tree(tree, format.labels).layout
    texts: list[str] = []
    size = 0
    for file in tree.files:
        if where.locate(file.name) is None:
            continue
        with open_file(path / file.name) as stream:
            raw = stream.read(_BYTES)
        texts.append(_decoded(raw, format))
        size += len(raw)
        if len(texts) >= _FILES or size >= _BYTES:
            break
    return texts


def _of_archive(path: Path, format: DocumentFormat) -> list[str]:
    of_documents = archive.scan(path).layout
    where = of_documents if format.labels else layout.for_predictions(of_documents)
    texts: list[str] = []
    size = 0
    for raw in archive.documents(path, where, format):
        texts.append(_decoded(raw[:_BYTES], format))
        size += len(raw)
        if len(texts) >= _FILES or size >= _BYTES:
            break
    return texts


def _decoded(raw: bytes, format: DocumentFormat) -> str:
    return raw.decode(format.encoding, errors="replace")
