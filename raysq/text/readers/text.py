"""Plain text files as documents: paragraphs of running text, or whole files, with any line ends.

Files are read in ranges that end at paragraphs. Memory does not grow with the file, and the documents do not depend
on the number of tasks. Project Gutenberg's header and license are left out.
"""

import contextlib
import mmap
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from raysq.data.filetree import named_files
from raysq.data.partition_stats import Stats
from raysq.data.readers import streams
from raysq.data.readers.files import open_file
from raysq.data.readers.unpack import packing, with_compressions
from raysq.text.readers import gutenberg
from raysq.text.readers.format import RANGE, DocumentFormat, DocumentPartition
from raysq.text.readers.tables import BOM, DocumentTables

SUFFIXES = with_compressions(".txt", ".text")

_GAP = re.compile(rb"\n(?:[ \t\r]*\n)+")


def partition(path: Path, format: DocumentFormat) -> list[DocumentPartition]:
    """Return the partitions of a file.

    They are ranges that end at paragraphs. There is one stream if the file is compressed, is in a multi-byte encoding
    other than UTF-8, or is read as one document.
    """
    size = path.stat().st_size
    if not size:
        return []
    if format.one_document or packing(path) is not None or not streams.extends_ascii(format.encoding):
        return [DocumentPartition(str(path), "plain", size)]
    partitions = []
    with open_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        begin, end = gutenberg.body(data)
        line = data[:begin].count(b"\n")
        while begin < end:
            cut = _cut(data, begin, end)
            partitions.append(DocumentPartition(str(path), "plain", cut - begin, begin=begin, end=cut, line=line))
            line += data[begin:cut].count(b"\n")
            begin = cut
    return partitions


def read(partition: DocumentPartition, format: DocumentFormat) -> Iterator[tuple[pa.Table, Stats]]:
    """Yield the documents of a partition: paragraphs, with the number of their first line as id, or the whole file."""
    documents = DocumentTables(replace(format, encoding=streams.given(format.encoding)))
    with contextlib.closing(
        streams.chunks(Path(partition.path), format.encoding, begin=partition.begin, end=partition.end)
    ) as stream:
        if format.one_document:
            raw = b"".join(_all(stream, format, partition.name))
            begin, end = gutenberg.body(raw)
            documents.add(_line_ends(raw[begin:end]), None, partition.part, partition.name)
            yield documents.take()
            return
        line = partition.line + 1
        for block in _blocks(stream) if partition.end is None else [b"".join(stream)]:
            for paragraph, gap in _paragraphs(_line_ends(block)):
                text = paragraph.lstrip(b"\n")
                first = line + len(paragraph) - len(text)
                if text.strip() and documents.add(text.rstrip(), None, partition.part, f"{partition.name}:{first}"):
                    yield documents.take()
                line += paragraph.count(b"\n") + gap
    yield from documents.rest()


def messages(files: list[Path], format: DocumentFormat) -> list[str]:
    """Return messages about text that is left out of files.

    Raise `DataError` for a file that begins in another encoding.
    """
    books = []
    for path in files:
        with contextlib.closing(streams.chunks(path, format.encoding)) as stream:
            begin = _first(stream, gutenberg.NEAR)
        streams.refuse_utf16(path.name, begin, format.encoding)
        if gutenberg.body(begin)[0]:
            books.append(path.name)
    if not books:
        return []
    return [f"Project Gutenberg's header and licence are left out of {named_files(books)}"]


def _all(stream: Iterator[bytes], format: DocumentFormat, name: str) -> Iterator[bytes]:
    """Yield the chunks of a file that is one document, up to the size limit."""
    size = 0
    for chunk in stream:
        size += len(chunk)
        format.check_record(name, size)
        yield chunk


def _paragraphs(block: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each paragraph, with the number of line ends between it and the next."""
    position = 0
    for gap in _GAP.finditer(block):
        yield block[position : gap.start()], gap.group().count(b"\n")
        position = gap.end()
    yield block[position:], 0


def _line_ends(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def _cut(data: "bytes | mmap.mmap", begin: int, end: int) -> int:
    """Return the end of a range: at a paragraph, else at a line, a word, or between two characters."""
    least, most = begin + RANGE, begin + 2 * RANGE
    if least >= end:
        return end
    gap = _GAP.search(data, least, min(most, end))
    if gap is not None:
        return gap.end()
    if most >= end:
        return end
    for sign in (b"\n", b"\r", b" "):
        position = data.rfind(sign, least, most)
        if position >= 0:
            return position + 1
    while most > least and data[most] & 0xC0 == 0x80:  # inside a UTF-8 character
        most -= 1
    return most


def _first(stream: Iterator[bytes], least: int) -> bytes:
    chunks, size = [], 0
    for chunk in stream:
        chunks.append(chunk)
        size += len(chunk)
        if size >= least:
            break
    return b"".join(chunks)


def _blocks(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a stream in blocks that end at paragraphs (see `_cut`), without Project Gutenberg's header and license.

    The header becomes empty lines, so that line numbers do not change.
    """
    buffer = _first(stream, gutenberg.NEAR).removeprefix(BOM)
    begin = gutenberg.body(buffer)[0]
    book = begin > 0
    buffer = b"\n" * buffer.count(b"\n", 0, begin) + buffer[begin:]
    ended = False
    while not ended:
        added = _first(stream, 2 * RANGE)
        buffer += added
        ended = not added
        if book:
            # The end marker may be split between two chunks, so the whole buffer is searched.
            stop = gutenberg.end(buffer)
            if stop is not None:
                buffer, ended = buffer[:stop], True
        while len(buffer) > 2 * RANGE or (ended and buffer):
            cut = _cut(buffer, 0, len(buffer))
            yield buffer[:cut]
            buffer = buffer[cut:]
