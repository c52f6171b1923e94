"""The bytes of a raw file, unpacked, as chunks; unpacking runs in a thread ahead of what reads them."""

import codecs
import contextlib
import gzip
import itertools
import os
import queue
import threading
import zipfile
import zlib
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, cast

from raysq.cluster import cores
from raysq.corpus.reading.tables import is_utf8
from raysq.errors import DataError, FormatError
from raysq.readers.lines import lines_in
from raysq.sources import zip_member

CHUNK = 1 << 20  # bytes
_AHEAD = 8  # chunks
_LOOKED_AT = 1 << 12  # bytes of a file in which a NUL is looked for
_COUNTING = 4  # threads that count lines


def chunks(path: Path, encoding: str = "utf-8", *, begin: int = 0, end: int | None = None) -> Generator[bytes]:
    """The file's bytes, unpacked, in the encoding it has, or in UTF-8 where its line ends are not single bytes.

    Args:
        path: a file, a `.gz` file, or a `.zip` file that holds one csv.
        encoding: as Python names it.
        begin: first byte of a plain file.
        end: byte after the last.

    Raises:
        DataError: a damaged archive; it names the file.
    """
    stream = _threaded(_raw(path)) if path.name.lower().endswith((".gz", ".tgz")) else _raw(path, begin, end)
    with contextlib.closing(stream):
        if plain(encoding):
            yield from stream
            return
        # Bytes that are not of the encoding stay as they are, which is not UTF-8 either.
        decoder = codecs.getincrementaldecoder(encoding)(errors="surrogateescape")
        try:
            for chunk in stream:
                yield decoder.decode(chunk).encode("utf-8", "surrogateescape")
            yield decoder.decode(b"", True).encode("utf-8", "surrogateescape")
        except UnicodeError as error:
            raise FormatError(
                f"{path.name} is not {encoding} ({error})", hint="--set encoding=... says what it is"
            ) from None


def below(stream: Iterator[bytes], header: int) -> Generator[bytes]:
    """The stream without the bytes of its header."""
    for chunk in stream:
        if len(chunk) > header:
            yield chunk[header:]
            break
        header -= len(chunk)
    yield from stream


def plain(encoding: str) -> bool:
    """Whether every byte that looks like a line end, a quote or a delimiter is one: UTF-8 and one-byte encodings."""
    if is_utf8(encoding):
        return True
    low = bytes(range(128))
    try:
        return low.decode(encoding) == low.decode("ascii") and len(bytes(range(256)).decode(encoding, "replace")) == 256
    except UnicodeDecodeError:
        return False


def given(encoding: str) -> str:
    """The encoding of what `chunks` gives for a file in another."""
    return encoding if plain(encoding) else "utf-8"


def refuse_utf16(name: str, begin: bytes, encoding: str) -> None:
    """Refuses a file that begins as UTF-16 does where it would be read as another encoding.

    Raises:
        DataError: it does; says which setting reads it.
    """
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and plain(encoding):
        raise FormatError(f"{name} begins as UTF-16 does, not {encoding}", hint="--set encoding=utf-16 reads it")


def is_text(name: str, raw: bytes, encoding: str) -> bool:
    """Whether a whole file can be a text: a NUL at its beginning says that it is none.

    Raises:
        DataError: it begins as UTF-16 does and would be read as another encoding.
    """
    refuse_utf16(name, raw, encoding)
    return b"\0" not in raw[:_LOOKED_AT] or not plain(encoding)


def blocks(stream: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Chunks joined to blocks of at least `size` bytes that end at line ends (the last may not)."""
    held: list[bytes] = []
    length = 0
    for chunk in stream:
        held.append(chunk)
        length += len(chunk)
        if length < size:
            continue
        cut = chunk.rfind(b"\n") + 1
        if cut:
            held[-1] = chunk[:cut]
            left = chunk[cut:]
            yield _joined(held)
            held.append(left)
            length = len(left)
    chunk = b""  # whoever receives a block can let go of it
    if length:
        yield _joined(held)


def _joined(held: list[bytes]) -> bytes:
    """The bytes together, which the list does not hold any longer."""
    joined = b"".join(held)
    held.clear()
    return joined


def ranges(path: Path, size: int) -> list[tuple[int, int, int]]:
    """Byte ranges of a plain file, of at least `size` bytes, that end at line ends (the last may not).

    Returns:
        Of each the first byte, the byte after the last, and how many lines stand above.
    """
    begins = [0]
    with open(path, "rb", buffering=0) as file:
        whole = file.seek(0, os.SEEK_END)
        place = size - 1
        while place < whole - 1:
            file.seek(place)
            found = file.read(CHUNK).find(b"\n") + 1
            if found:
                begins.append(place + found)
            place = begins[-1] + size - 1 if found else place + CHUNK
    if begins[-1] == whole:
        begins.pop()
    with ThreadPoolExecutor(min(cores(), _COUNTING)) as pool:
        counts = pool.map(_lines_between, itertools.repeat(path), begins, begins[1:])
        above = [0, *itertools.accumulate(counts)]
    return list(zip(begins, [*begins[1:], whole], above, strict=True)) if begins else []


def _lines_between(path: Path, begin: int, end: int) -> int:
    buffer, lines = memoryview(bytearray(min(CHUNK, end - begin))), 0
    with open(path, "rb", buffering=0) as file:
        file.seek(begin)
        while begin < end and (count := file.readinto(buffer[: end - begin])):
            lines += lines_in(buffer[:count])
            begin += count
    return lines


def damaged(path: Path, error: object) -> DataError:
    """The error for a file that cannot be unpacked."""
    return DataError(f"{path.name} is damaged or cut short ({error}); fetch or write it again")


def _raw(path: Path, begin: int = 0, end: int | None = None) -> Generator[bytes]:
    name = path.name.lower()
    try:
        with contextlib.ExitStack() as stack:
            if name.endswith((".gz", ".tgz")):
                stream = cast("IO[bytes]", stack.enter_context(gzip.open(path, "rb")))
            elif name.endswith(".zip"):
                archive = stack.enter_context(zipfile.ZipFile(path))
                stream = stack.enter_context(archive.open(zip_member(path)))
            else:
                stream = stack.enter_context(open(path, "rb", buffering=0))
                stream.seek(begin)
            # A range is what a task holds at a time: read at once it need not be joined.
            if end is None:
                yield from iter(lambda: stream.read(CHUNK), b"")
            else:
                yield from iter(lambda: stream.read(end - stream.tell()), b"")
    except (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise damaged(path, error) from None


def _threaded(stream: Iterator[bytes]) -> Generator[bytes]:
    """The same chunks, made ahead by a thread."""
    ready: queue.Queue[bytes | Exception | None] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def put(item: bytes | Exception | None) -> bool:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return True
        return False

    def work() -> None:
        try:
            for chunk in stream:
                if not put(chunk):
                    break
            else:
                put(None)
        except Exception as error:
            put(error)

    thread = threading.Thread(target=work, name="raysq-unpack", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()
