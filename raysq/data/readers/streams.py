"""The bytes of a raw file, unpacked, as chunks; unpacking runs in a thread ahead of what reads them."""

import codecs
import contextlib
import itertools
import os
import queue
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from raysq.data.readers.files import open_file
from raysq.data.readers.limits import Limits
from raysq.data.readers.lines import lines_in
from raysq.data.readers.unpack import packing, unpacked
from raysq.distributed.cluster import cores
from raysq.errors import FormatError

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
    stream = _threaded(_raw(path)) if packing(path) == "gzip" else _raw(path, begin, end)
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


def whole(path: Path, limits: Limits, encoding: str = "utf-8") -> bytes:
    """All bytes of a file, as `chunks` gives them.

    Raises:
        DataError: a damaged archive, or one that is unpacked to more than the limit.
    """
    packed, size, found = packing(path) is not None, 0, []
    with contextlib.closing(chunks(path, encoding)) as stream:
        for chunk in stream:
            size += len(chunk)
            if packed:
                limits.check_object(path.name, size)
            found.append(chunk)
    return b"".join(found)


def blocks(stream: Iterator[bytes], size: int, limits: Limits, name: str) -> Iterator[bytes]:
    """Chunks joined to blocks of at least `size` bytes that end at line ends (the last may not).

    Args:
        stream: of chunks.
        size: of a block.
        limits: of a line.
        name: of the file, for errors.

    Raises:
        DataError: a line that is longer than the limit.
    """
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
        else:
            limits.check_record(f"{name}: a line", length)
    chunk = b""  # whoever receives a block can let go of it
    if length:
        yield _joined(held)


def _joined(held: list[bytes]) -> bytes:
    """The bytes together, which the list does not hold any longer."""
    joined = b"".join(held)
    held.clear()
    return joined


def ranges(path: Path, size: int, limits: Limits) -> list[tuple[int, int, int]]:
    """Byte ranges of a plain file, of at least `size` bytes, that end at line ends (the last may not).

    Returns:
        Of each the first byte, the byte after the last, and how many lines stand above.

    Raises:
        DataError: a line that is longer than the limit.
    """
    begins = [0]
    with open_file(path, buffering=0) as file:
        whole = file.seek(0, os.SEEK_END)
        place = size - 1
        while place < whole - 1:
            file.seek(place)
            found = file.read(CHUNK).find(b"\n") + 1
            if found:
                begins.append(place + found)
            place = begins[-1] + size - 1 if found else place + CHUNK
            limits.check_record(f"{path.name}: a line", place - begins[-1] - size)
    if begins[-1] == whole:
        begins.pop()
    with ThreadPoolExecutor(min(cores(), _COUNTING)) as pool:
        counts = pool.map(_lines_between, itertools.repeat(path), begins, begins[1:])
        above = [0, *itertools.accumulate(counts)]
    return list(zip(begins, [*begins[1:], whole], above, strict=True)) if begins else []


def _lines_between(path: Path, begin: int, end: int) -> int:
    buffer, lines = memoryview(bytearray(min(CHUNK, end - begin))), 0
    with open_file(path, buffering=0) as file:
        file.seek(begin)
        while begin < end and (count := file.readinto(buffer[: end - begin])):  # type: ignore[attr-defined]
            lines += lines_in(buffer[:count])
            begin += count
    return lines


def _raw(path: Path, begin: int = 0, end: int | None = None) -> Generator[bytes]:
    with unpacked(path, how := packing(path), buffering=0) as stream:
        if how is None:
            stream.seek(begin)
        # A range is what a task holds at a time: read at once it need not be joined.
        if end is None:
            yield from iter(lambda: stream.read(CHUNK), b"")
        else:
            yield from iter(lambda: stream.read(end - stream.tell()), b"")


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


def is_utf8(encoding: str) -> bool:
    """Return whether an encoding is UTF-8."""
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")
