"""Documents in a tar archive."""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from raysq.data.filetree import is_hidden
from raysq.data.readers import streams, tar
from raysq.data.readers.files import open_file
from raysq.data.readers.limits import LIMITS, Limits
from raysq.text.readers import layout
from raysq.text.readers.format import RANGE, Form, Piece
from raysq.text.readers.layout import Layout
from raysq.text.readers.tables import Documents


@dataclass(frozen=True)
class Seen:
    """Contents of an archive, as known before its documents are read.

    Attributes:
        layout: where the classes are.
        ranges: first byte and end of each partition. 0 stands for the end of the archive.
        paths: one path of each folder that holds files, or None where the layout was determined by an early path.
        hidden: paths that are hidden or were written by the operating system, among the paths scanned so far.
    """

    layout: Layout
    ranges: tuple[tuple[int, int], ...]
    paths: tuple[str, ...] | None
    hidden: tuple[str, ...] = ()


def look(path: Path) -> Seen:
    """Scan an archive. The result is cached until the file changes.

    Raises:
        DataError: the archive is damaged, or has links or devices.
    """
    stat = path.stat()
    return _look(path.absolute(), stat.st_size, stat.st_mtime_ns)


def plan(path: Path, form: Form) -> list[Piece]:
    """Return the partitions of an archive; one if it is compressed."""
    seen, size = look(path), path.stat().st_size
    found = seen.layout if form.labels else layout.for_predictions(seen.layout)
    return [
        Piece(str(path), "tar", (end or size) - begin, layout=found, begin=begin, end=end or None)
        for begin, end in seen.ranges
    ]


def read(piece: Piece, form: Form) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """Yield the documents of a partition."""
    assert piece.layout is not None
    path, place = Path(piece.path), piece.layout.place
    documents = Documents(form)

    def wanted(name: str) -> bool:
        return place(name) is not None and not is_hidden(name)

    with _opened(path, piece.begin) as stream:
        for member in tar.members(stream, path, wanted, form.check_record, piece.begin):
            if piece.end is not None and member.begin >= piece.end:
                break
            placed = place(member.name)
            if member.data is None or placed is None:
                documents.ignored += 1
            elif not streams.is_text(member.name, member.data, form.encoding):
                documents.skip(member.name)
            elif documents.add(member.data, *placed):
                yield documents.take()
    yield from documents.rest()


def documents(path: Path, found: Layout, limits: Limits) -> Iterator[bytes]:
    """Yield the bytes of each document in an archive.

    Args:
        path: the archive.
        found: layout of the archive.
        limits: maximum size of a document.
    """

    def wanted(name: str) -> bool:
        return found.place(name) is not None and not is_hidden(name)

    with _opened(path) as stream:
        for member in tar.members(stream, path, wanted, limits.check_record):
            if member.data is not None:
                yield member.data


@functools.lru_cache(maxsize=64)
def _look(path: Path, size: int, changed: int) -> Seen:
    packed = path.suffix.lower() != ".tar"
    paths: dict[str, str] = {}
    hidden: list[str] = []
    cuts = [0]
    with _opened(path) as stream:
        for member in tar.members(stream, path, lambda name: False, LIMITS.check_record):
            if not packed and member.begin - cuts[-1] >= RANGE:
                cuts.append(member.begin)
            if is_hidden(member.name):
                hidden.append(member.name)
                continue
            if packed and (parts := layout.has_parts(member.name)):
                # This path determines the layout, so the archive need not be decompressed twice.
                return Seen(parts, ((0, 0),), None)
            paths.setdefault(member.name.rpartition("/")[0], member.name)
    found = tuple(sorted(paths.values()))
    return Seen(layout.find(found), tuple(zip(cuts, [*cuts[1:], 0], strict=True)), found, tuple(hidden))


@contextlib.contextmanager
def _opened(path: Path, begin: int = 0) -> Iterator[tar.Input]:
    if path.suffix.lower() == ".tar":
        with open_file(path) as file:
            file.seek(begin)
            yield tar.File(file)
    else:
        with contextlib.closing(streams.chunks(path)) as chunks:
            yield tar.Chunks(chunks)
