"""Decompressed bytes of raw files, as chunks. Decompression runs ahead in a thread."""

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
_LOOKED_AT = 1 << 12  # bytes of a file that are searched for a NUL
_COUNTING = 4  # number of threads that count lines


def chunks(path: Path, encoding: str = "utf-8", *, begin: int = 0, end: int | None = None) -> Generator[bytes]:
    """Yield the decompressed bytes of a file, in its encoding, or in UTF-8 if its encoding is not `extends_ascii`.

    Args:
        path: a file, a compressed file, or a `.zip` file that holds one csv.
        begin: first byte of an uncompressed file.
        end: byte after the last, of an uncompressed file.

    Raises:
        DataError: the archive is damaged. The message names the file.
    """
    stream = _raw(path, begin, end) if packing(path) in (None, "zip") else _threaded(_raw(path))
    with contextlib.closing(stream):
        if extends_ascii(encoding):
            yield from stream
            return
        # Bytes that are invalid in the encoding are kept unchanged. They are not valid UTF-8 either.
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
    """Yield the stream without its first `header` bytes."""
    for chunk in stream:
        if len(chunk) > header:
            yield chunk[header:]
            break
        header -= len(chunk)
    yield from stream


def extends_ascii(encoding: str) -> bool:
    """Whether bytes of line ends, quotes and delimiters are unambiguous: true for UTF-8 and single-byte encodings."""
    if is_utf8(encoding):
        return True
    low = bytes(range(128))
    try:
        return low.decode(encoding) == low.decode("ascii") and len(bytes(range(256)).decode(encoding, "replace")) == 256
    except UnicodeDecodeError:
        return False


def given(encoding: str) -> str:
    """Return the encoding of the bytes that `chunks` yields for a file in the given encoding."""
    return encoding if extends_ascii(encoding) else "utf-8"


def refuse_utf16(name: str, begin: bytes, encoding: str) -> None:
    """Raise `FormatError` for a file with a UTF-16 byte order mark that would be read in another encoding."""
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and extends_ascii(encoding):
        raise FormatError(f"{name} begins as UTF-16 does, not {encoding}", hint="--set encoding=utf-16 reads it")


def is_text(name: str, raw: bytes, encoding: str) -> bool:
    """Whether a complete file may be text: a NUL near its beginning means that it is not.

    Raise `FormatError` as `refuse_utf16` does.
    """
    refuse_utf16(name, raw, encoding)
    return b"\0" not in raw[:_LOOKED_AT] or not extends_ascii(encoding)


def read_all(path: Path, limits: Limits, encoding: str = "utf-8") -> bytes:
    """Return all bytes of a file, as yielded by `chunks`.

    Raise `DataError` if they exceed the limits when decompressed.
    """
    compressed, size, parts = packing(path) is not None, 0, []
    with contextlib.closing(chunks(path, encoding)) as stream:
        for chunk in stream:
            size += len(chunk)
            if compressed:
                limits.check_object(path.name, size)
            parts.append(chunk)
    return b"".join(parts)


def blocks(stream: Iterator[bytes], size: int, limits: Limits, name: str) -> Iterator[bytes]:
    """Join chunks to blocks of at least `size` bytes that end at line ends, except for the last."""
    parts: list[bytes] = []
    length = 0
    for chunk in stream:
        parts.append(chunk)
        length += len(chunk)
        if length < size:
            continue
        cut = chunk.rfind(b"\n") + 1
        if cut:
            parts[-1] = chunk[:cut]
            left = chunk[cut:]
            yield _joined(parts)
            parts.append(left)
            length = len(left)
        else:
            limits.check_record(f"{name}: a line", length)
    chunk = b""  # drop this reference, so that the consumer can free a block
    if length:
        yield _joined(parts)


def _joined(parts: list[bytes]) -> bytes:
    """Join the parts and clear the list, which frees its references."""
    joined = b"".join(parts)
    parts.clear()
    return joined


def ranges(path: Path, size: int, limits: Limits) -> list[tuple[int, int, int]]:
    """Divide an uncompressed file into byte ranges of at least `size` bytes that end at line ends. The last may not.

    Returns:
        For each range the first byte, the byte after the last, and the number of lines above it.

    Raises:
        DataError: a line is longer than the limit.
    """
    begins = [0]
    with open_file(path, buffering=0) as file:
        total = file.seek(0, os.SEEK_END)
        position = size - 1
        while position < total - 1:
            file.seek(position)
            length = file.read(CHUNK).find(b"\n") + 1
            if length:
                begins.append(position + length)
            position = begins[-1] + size - 1 if length else position + CHUNK
            limits.check_record(f"{path.name}: a line", position - begins[-1] - size)
    if begins[-1] == total:
        begins.pop()
    with ThreadPoolExecutor(min(cores(), _COUNTING)) as pool:
        counts = pool.map(_lines_between, itertools.repeat(path), begins, begins[1:])
        above = [0, *itertools.accumulate(counts)]
    return list(zip(begins, [*begins[1:], total], above, strict=True)) if begins else []


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
        # A task holds a whole range in memory. Reading it in one call avoids joining chunks.
        if end is None:
            yield from iter(lambda: stream.read(CHUNK), b"")
        else:
            yield from iter(lambda: stream.read(end - stream.tell()), b"")


def _threaded(stream: Iterator[bytes]) -> Generator[bytes]:
    """Yield the same chunks, produced ahead by a thread."""
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
    """Whether an encoding is UTF-8."""
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")
