"""Compressed files: gzip streams and members of zip archives, decompressed only as far as they are read."""

import contextlib
import gzip
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, cast

from raysq.data.filetree import is_hidden
from raysq.data.readers.files import damages, open_file
from raysq.errors import DataError, SourceError

Packing = Literal["gzip", "zip"]

_MOST = 1100  # upper bound of the compression ratio of deflate, which is about 1032
_ZIP = (ValueError, KeyError, RuntimeError)  # raised by `zipfile` for invalid directories, besides its own errors


def packing(path: Path | str) -> Packing | None:
    """Return the compression of a file, judged by its name; None for an uncompressed file."""
    name = str(path).lower()
    return "gzip" if name.endswith((".gz", ".tgz")) else "zip" if name.endswith(".zip") else None


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
