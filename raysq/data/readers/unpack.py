"""Compressed files (gzip, bz2, xz, zstd) and members of zip archives, decompressed only as far as they are read."""

import bz2
import contextlib
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal, cast

from raysq.data.filetree import is_hidden
from raysq.data.readers.files import damages, open_file
from raysq.errors import DataError, SourceError

Packing = Literal["gzip", "bz2", "xz", "zstd", "zip"]
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")

_BY_SUFFIX: dict[str, Packing] = {
    ".gz": "gzip",
    ".tgz": "gzip",
    ".bz2": "bz2",
    ".tbz2": "bz2",
    ".xz": "xz",
    ".txz": "xz",
    ".zst": "zstd",
    ".tzst": "zstd",
    ".zip": "zip",
}
_XZ_READ = 1 << 16  # bytes
_XZ_MEMORY = 1 << 28  # bytes; the largest preset, -9, needs 65 MiB

_MOST = 1100  # upper bound of the compression ratio of deflate, which is about 1032
_ZIP = (ValueError, KeyError, RuntimeError)  # raised by `zipfile` for invalid directories, besides its own errors


def packing(path: Path | str) -> Packing | None:
    """Return the compression of a file, judged by its name; None for an uncompressed file."""
    name = str(path).lower()
    return next((how for suffix, how in _BY_SUFFIX.items() if name.endswith(suffix)), None)


def with_compressions(*suffixes: str) -> tuple[str, ...]:
    """Return suffixes, then the same followed by those of compressed files."""
    return (*suffixes, *(suffix + packed for suffix in suffixes for packed in COMPRESSIONS))


def without_compression(path: Path | str) -> str:
    """Return the name of a file in lower case, without the suffix of its compression."""
    name = str(path).lower()
    return next((name.removesuffix(suffix) for suffix in COMPRESSIONS if name.endswith(suffix)), name)


def is_tsv(path: Path | str) -> bool:
    """Whether tabs delimit the cells of a file, by its name."""
    return without_compression(path).endswith(".tsv")


@contextlib.contextmanager
def unpacked(path: Path, how: Packing | None, member: str = ".csv", buffering: int = -1) -> Iterator[IO[bytes]]:
    """Open a file and decompress it while it is read.

    Args:
        member: suffix of the single file that a zip must contain.

    Raises:
        SourceError: the file is missing or cannot be read, or a zip does not contain exactly one such file.
        DataError: the file is damaged, also if this is noticed during reading.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(damages(path))
        file = stack.enter_context(open_file(path, buffering=buffering if how is None else -1))
        if how == "gzip":
            file = cast("IO[bytes]", stack.enter_context(gzip.open(file)))
        elif how == "bz2":
            file = cast("IO[bytes]", stack.enter_context(bz2.open(file)))
        elif how == "xz":
            file = cast("IO[bytes]", stack.enter_context(io.BufferedReader(_Xz(file))))
        elif how == "zstd":
            file = cast("IO[bytes]", stack.enter_context(_zstd(file)))
        elif how == "zip":
            archive = stack.enter_context(_archive(file, path))
            file = stack.enter_context(open_member(archive, zip_member(path, member), path))
        yield file


@contextlib.contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive.

    Raises:
        SourceError: the file is missing or cannot be read.
        DataError: the file is not a zip archive, or is damaged, also if this is noticed during reading.
    """
    with damages(path, _ZIP), open_file(path) as file, _archive(file, path) as archive:
        yield archive


@contextlib.contextmanager
def open_member(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[IO[bytes]]:
    """Open a member of a zip archive.

    Raises:
        DataError: the member is encrypted or missing, or claims a size that its compressed bytes cannot hold.
    """
    with damages(path, _ZIP):
        info = archive.getinfo(name)
        if info.flag_bits & 1:
            raise DataError(f"{path.name} is encrypted", hint="unpack it first")
        bounded = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        compressed = min(info.compress_size, path.stat().st_size)
        if bounded and info.file_size > _MOST * (compressed + 1):
            raise zipfile.BadZipFile(f"{name} claims {info.file_size:,} bytes")
        with archive.open(info) as file:
            yield file


def zip_member(path: Path, suffix: str = ".csv") -> str:
    """Return the name of the single member with a suffix in a zip file.

    Raises:
        SourceError: there are no or several such members, or the member is encrypted.
        DataError: the file is not a zip file, or is damaged.
    """
    members = [info for info in zip_members(path) if not is_hidden(info.filename)]
    matching = [info for info in members if info.filename.lower().endswith(suffix)]
    if len(matching) != 1:
        names = ", ".join(info.filename for info in (matching or members)[:5]) or "nothing"
        contents = f"{len(matching)} {suffix or 'such'} files" if matching else f"no {suffix} file"
        wanted = f"one {suffix} file" if suffix else "one file"
        raise SourceError(
            f"{path.name} must hold exactly {wanted}, it holds {contents}: {names}", hint="unpack it first"
        )
    if matching[0].flag_bits & 1:
        raise SourceError(f"{path.name} is encrypted", hint="unpack it first")
    return matching[0].filename


def zip_members(path: Path) -> list[zipfile.ZipInfo]:
    """Return the files in a zip file."""
    with open_zip(path) as archive:
        return [info for info in archive.infolist() if not info.is_dir()]


@contextlib.contextmanager
def _archive(file: IO[bytes], path: Path) -> Iterator[zipfile.ZipFile]:
    with damages(path, _ZIP):
        archive = zipfile.ZipFile(file)
    with archive:
        yield archive


class _Xz(io.RawIOBase):
    """Decompressed bytes of an xz file. Unlike those of `lzma.open`, they cannot take any amount of memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decompressor = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data:
            if self._decompressor.eof:
                # Files may be joined, with zeros between them.
                left = (self._decompressor.unused_data or self._file.read(_XZ_READ)).lstrip(b"\0")
                if not left:
                    if self._file.peek(1):  # type: ignore[attr-defined]
                        continue
                    return 0
                self._decompressor = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
                data = self._decompressor.decompress(left, len(buffer))
                continue
            packed = self._file.read(_XZ_READ) if self._decompressor.needs_input else b""
            if not packed and self._decompressor.needs_input:
                raise EOFError("it ends before its end marker")
            data = self._decompressor.decompress(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _zstd(file: IO[bytes]) -> Any:
    """Return the decompressed bytes of a zstd file, by the decompressor of Arrow."""
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
