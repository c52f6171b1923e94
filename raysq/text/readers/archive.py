"""Documents in a tar archive."""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from raysq.data.filetree import is_hidden
from raysq.data.partition_stats import Stats
from raysq.data.readers import streams, tar
from raysq.data.readers.files import open_file
from raysq.data.readers.limits import LIMITS, Limits
from raysq.text.readers import layout
from raysq.text.readers.format import RANGE, DocumentFormat, DocumentPartition
from raysq.text.readers.layout import Layout
from raysq.text.readers.tables import DocumentTables


@dataclass(frozen=True)
class ArchiveContents:
    """Contents of an archive, as known before its documents are read.

    Attributes:
        ranges: first byte and end of each partition. 0 stands for the end of the archive.
        paths: one path of each folder that holds files, or None where the layout was determined by an early path.
        hidden: paths that are hidden or were written by the operating system, among the paths scanned so far.
    """

    layout: Layout
    ranges: tuple[tuple[int, int], ...]
    paths: tuple[str, ...] | None
    hidden: tuple[str, ...] = ()


def scan(path: Path) -> ArchiveContents:
    """Scan an archive. The result is cached until the file changes.

    Raises:
        DataError: the archive is damaged, or has links or devices.
    """
    stat = path.stat()
    return _scan(path.absolute(), stat.st_size, stat.st_mtime_ns)


def partition(path: Path, format: DocumentFormat) -> list[DocumentPartition]:
    """Return the partitions of an archive; one if it is compressed."""
    contents, size = scan(path), path.stat().st_size
    chosen = contents.layout if format.labels else layout.for_predictions(contents.layout)
    return [
        DocumentPartition(str(path), "tar", (end or size) - begin, layout=chosen, begin=begin, end=end or None)
        for begin, end in contents.ranges
    ]


def read(partition: DocumentPartition, format: DocumentFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield the documents of a partition."""
    assert partition.layout is not None
    path, locate = Path(partition.path), partition.layout.locate
    documents = DocumentTables(format)

    def wanted(name: str) -> bool:
        return locate(name) is not None and not is_hidden(name)

    with _opened(path, partition.begin) as stream:
        for member in tar.members(stream, path, wanted, format.check_record, partition.begin):
            if partition.end is not None and member.begin >= partition.end:
                break
            placed = locate(member.name)
            if member.data is None or placed is None:
                documents.ignored += 1
            elif not streams.is_text(member.name, member.data, format.encoding):
                documents.skip(member.name)
            elif documents.add(member.data, *placed):
                yield documents.take()
    yield from documents.rest()


def documents(path: Path, where: Layout, limits: Limits) -> Iterator[bytes]:
    """Yield the bytes of each document in an archive."""

    def wanted(name: str) -> bool:
        return where.locate(name) is not None and not is_hidden(name)

    with _opened(path) as stream:
        for member in tar.members(stream, path, wanted, limits.check_record):
            if member.data is not None:
                yield member.data


@functools.lru_cache(maxsize=64)
def _scan(path: Path, size: int, changed: int) -> ArchiveContents:
    compressed = path.suffix.lower() != ".tar"
    paths: dict[str, str] = {}
    hidden: list[str] = []
    cuts = [0]
    with _opened(path) as stream:
        for member in tar.members(stream, path, lambda name: False, LIMITS.check_record):
            if not compressed and member.begin - cuts[-1] >= RANGE:
                cuts.append(member.begin)
            if is_hidden(member.name):
                hidden.append(member.name)
                continue
            if compressed and (parts := layout.has_parts(member.name)):
                # This path determines the layout, so the archive need not be decompressed twice.
                return ArchiveContents(parts, ((0, 0),), None)
            paths.setdefault(member.name.rpartition("/")[0], member.name)
    examples = tuple(sorted(paths.values()))
    return ArchiveContents(
        layout.find(examples), tuple(zip(cuts, [*cuts[1:], 0], strict=True)), examples, tuple(hidden)
    )


@contextlib.contextmanager
def _opened(path: Path, begin: int = 0) -> Iterator[tar.Input]:
    if path.suffix.lower() == ".tar":
        with open_file(path) as file:
            file.seek(begin)
            yield tar.File(file)
    else:
        with contextlib.closing(streams.chunks(path)) as chunks:
            yield tar.Chunks(chunks)
