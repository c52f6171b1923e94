"""Streaming reader of tar archives (ustar, pax and GNU).

It accepts regular files and folders only, and extracts nothing to disk. For tens of thousands of small members,
Python's `tarfile` takes several times as long as decompression itself.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from raysq.errors import DataError

_BLOCK = 512
_END = bytes(_BLOCK)
_LONGEST_NAME = 1 << 20  # bytes of a pax or GNU header
_REFUSED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a named pipe",
    b"S": "a sparse file",
    b"M": "a part of a file on another volume",
}


class Input(Protocol):
    """Protocol of byte streams that archives are read from."""

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, or fewer at the end."""
        ...

    def skip(self, size: int) -> None:
        """Skip the next `size` bytes."""
        ...


class Chunks:
    """Input made of chunks, such as those of `streams.chunks`."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""
        self._position = 0

    def read(self, size: int) -> bytes:
        end = self._position + size
        if end <= len(self._buffer):
            data = self._buffer[self._position : end]
            self._position = end
            return data
        parts = [self._buffer[self._position :]]
        left = size - len(parts[0])
        self._buffer, self._position = b"", 0
        for chunk in self._chunks:
            if len(chunk) >= left:
                parts.append(chunk[:left])
                self._buffer, self._position = chunk, left
                break
            parts.append(chunk)
            left -= len(chunk)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        while size > 0:
            passed = len(self.read(min(size, 1 << 20)))
            if not passed:
                break
            size -= passed


class File:
    """Input that is an uncompressed file, in which skipping is cheap."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def skip(self, size: int) -> None:
        self._file.seek(min(self._file.tell() + size, self._size))


class Member(NamedTuple):
    """Regular file in an archive.

    Attributes:
        name: path of the file, without a leading "./".
        begin: position of the first byte of its headers.
    """

    name: str
    size: int
    begin: int
    data: bytes | None


def members(
    stream: Input, path: Path, wanted: Callable[[str], bool], check: Callable[[str, int], None], begin: int = 0
) -> Iterator[Member]:
    """Yield the regular files of an archive, in order.

    Args:
        wanted: called with a member's name; whether to read its contents.
        check: called with the name and size of each wanted member, and raises an error if it is too large.
        begin: position in the archive of the stream's first byte, which must begin a header.

    Raises:
        DataError: the archive is damaged or truncated, or contains a link, a device, or a path that leads out of it.
    """
    position = began = begin
    long: dict[str, str] = {}
    while True:
        header = stream.read(_BLOCK)
        if header == _END:
            break
        if len(header) < _BLOCK:
            raise _broken(path, f"it ends at byte {position + len(header):,} without the mark of its end")
        size, kind = _checked(header, path, position)
        size = int(long.get("size", size)) if kind not in b"LKxXg" else size
        padded = -(-size // _BLOCK) * _BLOCK
        position += _BLOCK + padded
        if kind in b"LKxXg":
            if size > _LONGEST_NAME:
                raise _broken(path, f"the header at byte {position - padded - _BLOCK:,} claims {size:,} bytes")
            data = _exactly(stream, padded, path)[:size]
            if kind == b"L":
                long["path"] = _text(data.split(b"\0", 1)[0])
            elif kind in b"xX":
                long |= _pax(data, path)
            continue
        name = _normal(long.get("path") or _name(header), path)
        folder = kind == b"5" or (kind in b"0\0" and header[: header.find(b"\0", 0, 100)].endswith(b"/"))
        what = "a sparse file" if "sparse" in long else _REFUSED.get(kind)
        if what is None and kind not in b"0\x0057DV":
            what = f"of the unknown type {kind!r}"
        if what is not None:
            target = f" to {_text(header[157:257].split(bytes(1), 1)[0])}" if kind in b"12" else ""
            raise DataError(
                f"{path.name}: member {name} is {what}{target}; documents must be regular files",
                hint="unpack it where you trust it and give the folder, or pack it again without links (tar -h)",
            )
        long = {}
        if kind in b"5DV" or folder:
            _skip(stream, padded, size, path)
        elif wanted(name):
            check(f"{path.name}: {name}", size)
            yield Member(name, size, began, _exactly(stream, padded, path)[:size])
        else:
            _skip(stream, padded, size, path)
            yield Member(name, size, began, None)
        began = position
    while rest := stream.read(1 << 20):  # read to the end, so that the checksum of the compressed data is verified
        if rest.count(0) != len(rest):
            raise DataError(
                f"{path.name} goes on after the mark of its end; archives that were joined must be given one by one"
            )


def _checked(header: bytes, path: Path, position: int) -> tuple[int, bytes]:
    """Verify a header's checksum, and return the size and type of its member."""
    checksum = _number(header[148:156])
    if checksum != sum(header) - sum(header[148:156]) + 256:
        # Some old tar programs sum signed bytes.
        signed = sum(byte - 256 if byte > 127 else byte for byte in header[:148] + header[156:]) + 256
        if checksum != signed:
            raise _broken(path, f"no header of a tar member at byte {position:,}")
    size = _number(header[124:136])
    if size is None or size < 0:
        raise _broken(path, f"the header at byte {position:,} has no size")
    return size, header[156:157]


def _number(field: bytes) -> int | None:
    """Parse a number, octal or base 256."""
    if field[0] in (0x80, 0xFF):
        return int.from_bytes(field[1:], "big") - (0 if field[0] == 0x80 else 256 ** (len(field) - 1))
    try:
        return int(field.split(b"\0", 1)[0].strip() or b"0", 8)
    except ValueError:
        return None


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0", 1)[0]
    if header[257:263] == b"ustar\0" and header[345]:
        name = header[345:500].split(b"\0", 1)[0] + b"/" + name
    return _text(name)


def _pax(data: bytes, path: Path) -> dict[str, str]:
    """Parse the relevant records "LENGTH KEY=VALUE\\n" of a pax header."""
    records = {}
    while data:
        length, _, _ = data.partition(b" ")
        if not length.isdigit() or not 5 <= int(length) <= len(data) or data[int(length) - 1] != 10:
            raise _broken(path, "a pax header is no list of records")
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        data = data[int(length) :]
        if key == b"path":
            records["path"] = _text(value)
        elif key == b"size":
            if not value.isdigit():
                raise _broken(path, f"a pax header has the size {_text(value)}")
            records["size"] = _text(value)
        elif key.startswith(b"GNU.sparse"):
            records["sparse"] = "yes"
    return records


def _normal(name: str, path: Path) -> str:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        raise DataError(f"{path.name}: member {name} leads out of the archive; do not trust it, or pack it again")
    if "." in parts or "" in parts:
        return "/".join(part for part in parts if part not in ("", "."))
    return name


def _exactly(stream: Input, size: int, path: Path) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise _broken(path, "it ends in the middle of a member")
    return data


def _skip(stream: Input, padded: int, size: int, path: Path) -> None:
    """Skip a member. Its last block is read, because a seek beyond the end of a file does not fail."""
    if size:
        stream.skip(padded - _BLOCK)
        _exactly(stream, _BLOCK, path)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _broken(path: Path, reason: str) -> DataError:
    return DataError(f"{path.name} is damaged or cut short: {reason}; fetch or write it again")
