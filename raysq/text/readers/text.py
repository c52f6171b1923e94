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
from typing import Any

import pyarrow as pa

from raysq.data.readers import streams
from raysq.data.readers.files import open_file
from raysq.text.readers import gutenberg
from raysq.text.readers.format import RANGE, Form, Piece
from raysq.text.readers.tables import BOM, Documents

SUFFIXES = (".txt", ".txt.gz", ".text", ".text.gz")

_GAP = re.compile(rb"\n(?:[ \t\r]*\n)+")


def plan(path: Path, form: Form) -> list[Piece]:
    """Return the partitions of a file.

    They are ranges that end at paragraphs. There is one stream if the file is compressed, is in a multi-byte encoding
    other than UTF-8, or is read as one document.
    """
    size = path.stat().st_size
    if not size:
        return []
    if form.whole or _packed(path) or not streams.plain(form.encoding):
        return [Piece(str(path), "plain", size)]
    pieces = []
    with open_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        begin, end = gutenberg.body(data)
        line = data[:begin].count(b"\n")
        while begin < end:
            cut = _cut(data, begin, end)
            pieces.append(Piece(str(path), "plain", cut - begin, begin=begin, end=cut, line=line))
            line += data[begin:cut].count(b"\n")
            begin = cut
    return pieces


def read(piece: Piece, form: Form) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """Yield the documents of a partition: paragraphs, with the number of their first line as id, or the whole file."""
    documents = Documents(replace(form, encoding=streams.given(form.encoding)))
    with contextlib.closing(
        streams.chunks(Path(piece.path), form.encoding, begin=piece.begin, end=piece.end)
    ) as stream:
        if form.whole:
            raw = b"".join(_all(stream, form, piece.name))
            begin, end = gutenberg.body(raw)
            documents.add(_line_ends(raw[begin:end]), None, piece.part, piece.name)
            yield documents.take()
            return
        line = piece.line + 1
        for block in _blocks(stream) if piece.end is None else [b"".join(stream)]:
            for paragraph, gap in _paragraphs(_line_ends(block)):
                text = paragraph.lstrip(b"\n")
                first = line + len(paragraph) - len(text)
                if text.strip() and documents.add(text.rstrip(), None, piece.part, f"{piece.name}:{first}"):
                    yield documents.take()
                line += paragraph.count(b"\n") + gap
    yield from documents.rest()


def told(files: list[Path], form: Form) -> list[str]:
    """Return messages about text that is left out of files.

    Raises:
        DataError: a file begins as in another encoding.
    """
    found = []
    for path in files:
        with contextlib.closing(streams.chunks(path, form.encoding)) as stream:
            begin = _first(stream, gutenberg.NEAR)
        streams.refuse_utf16(path.name, begin, form.encoding)
        if gutenberg.body(begin)[0]:
            found.append(path.name)
    if not found:
        return []
    names = ", ".join(found[:5]) + (f", and {len(found) - 5:,} more" if len(found) > 5 else "")
    return [f"Project Gutenberg's header and licence are left out of {names}"]


def _all(stream: Iterator[bytes], form: Form, name: str) -> Iterator[bytes]:
    """Yield the chunks of a file that is one document, up to the size limit."""
    size = 0
    for chunk in stream:
        size += len(chunk)
        form.check_record(name, size)
        yield chunk


def _paragraphs(block: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each paragraph, with the number of line ends between it and the next."""
    place = 0
    for gap in _GAP.finditer(block):
        yield block[place : gap.start()], gap.group().count(b"\n")
        place = gap.end()
    yield block[place:], 0


def _packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


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
        found = data.rfind(sign, least, most)
        if found >= 0:
            return found + 1
    while most > least and data[most] & 0xC0 == 0x80:  # inside a UTF-8 character
        most -= 1
    return most


def _first(stream: Iterator[bytes], least: int) -> bytes:
    found, size = [], 0
    for chunk in stream:
        found.append(chunk)
        size += len(chunk)
        if size >= least:
            break
    return b"".join(found)


def _blocks(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a stream in blocks that end at paragraphs (see `_cut`), without Project Gutenberg's header and license.

    The header becomes empty lines, so that line numbers do not change.
    """
    held = _first(stream, gutenberg.NEAR).removeprefix(BOM)
    begin = gutenberg.body(held)[0]
    book = begin > 0
    held = b"\n" * held.count(b"\n", 0, begin) + held[begin:]
    ended = False
    while not ended:
        more = _first(stream, 2 * RANGE)
        held += more
        ended = not more
        if book:
            # The end marker may be split between two chunks, so the whole buffer is searched.
            stop = gutenberg.end(held)
            if stop is not None:
                held, ended = held[:stop], True
        while len(held) > 2 * RANGE or (ended and held):
            cut = _cut(held, 0, len(held))
            yield held[:cut]
            held = held[cut:]
