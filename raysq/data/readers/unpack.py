"""Packed files: gzip as a stream, and the members of zip archives, never more of them than was asked for."""

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

_MOST = 1100  # bytes that deflate makes of one, at most: some 1032
_ZIP = (ValueError, KeyError, RuntimeError)  # what `zipfile` raises of wrong directories, beside its own


def packing(path: Path | str) -> Packing | None:
    """Return how a file is packed, by its name; None where it is not."""
    name = str(path).lower()
    return "gzip" if name.endswith((".gz", ".tgz")) else "zip" if name.endswith(".zip") else None


@contextlib.contextmanager
def unpacked(path: Path, how: Packing | None, member: str = ".csv", buffering: int = -1) -> Iterator[IO[bytes]]:
    """Open a file, and unpack it as it is read.

    Args:
        path: of the file.
        how: it is packed.
        member: how the name of the one file ends that a zip must hold.
        buffering: of a file that is not packed, as for `open`.

    Raises:
        SourceError: no file, one that cannot be read, or a zip of other files.
        DataError: a damaged file, also where that shows as it is read.
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
        SourceError: no file, or one that cannot be read.
        DataError: no archive, or a damaged one, also where that shows as it is read.
    """
    with damages(path, _ZIP), open_file(path) as file, _archive(file, path) as archive:
        yield archive


@contextlib.contextmanager
def open_member(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[IO[bytes]]:
    """Open a member of a zip archive.

    Raises:
        DataError: it is encrypted, is not there, or claims more than can be packed in its bytes.
    """
    with damages(path, _ZIP):
        info = archive.getinfo(name)
        if info.flag_bits & 1:
            raise DataError(f"{path.name} is encrypted", hint="unpack it first")
        bounded = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        packed = min(info.compress_size, path.stat().st_size)
        if bounded and info.file_size > _MOST * (packed + 1):
            raise zipfile.BadZipFile(f"{name} claims {info.file_size:,} bytes")
        with archive.open(info) as file:
            yield file


def zip_member(path: Path, suffix: str = ".csv") -> str:
    """The name of the one member with that suffix in a zip file.

    Raises:
        SourceError: none or several such members, or an encrypted one.
        DataError: not a zip file, or a damaged one.
    """
    members = [info for info in zip_members(path) if not is_hidden(info.filename)]
    found = [info for info in members if info.filename.lower().endswith(suffix)]
    if len(found) != 1:
        names = ", ".join(info.filename for info in (found or members)[:5]) or "nothing"
        said = f"{len(found)} {suffix or 'such'} files" if found else f"no {suffix} file"
        wanted = f"one {suffix} file" if suffix else "one file"
        raise SourceError(f"{path.name} must hold exactly {wanted}, it holds {said}: {names}", hint="unpack it first")
    if found[0].flag_bits & 1:
        raise SourceError(f"{path.name} is encrypted", hint="unpack it first")
    return found[0].filename


def zip_members(path: Path) -> list[zipfile.ZipInfo]:
    """The files in a zip file.

    Raises:
        DataError: not a zip file, or a damaged one.
    """
    with open_zip(path) as archive:
        return [info for info in archive.infolist() if not info.is_dir()]


@contextlib.contextmanager
def _archive(file: IO[bytes], path: Path) -> Iterator[zipfile.ZipFile]:
    with damages(path, _ZIP):
        archive = zipfile.ZipFile(file)
    with archive:
        yield archive
