"""Integrity of the files of a data set: sizes, checksums, and validity of their Arrow data."""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from raysq.display.terminal import print_message
from raysq.errors import DamagedError, SourceError
from raysq.storage.atomic import write_json
from raysq.storage.json_files import read_json
from raysq.storage.paths import home

_SMALL = 4 << 20  # bytes up to which a file's checksum is verified at every opening
_LARGE = 2 << 30  # bytes for which checksums take some seconds
_THREADS = 4
_FRESH = "prepare the data set again with --fresh"

# Checksum as in the manifest, size, modification time in nanoseconds, inode.
_Entry = tuple[str, int, int, int]


class _File(Protocol):
    """Manifest entry of a file."""

    @property
    def file(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...


def check_sizes(directory: Path, files: Iterable[_File]) -> None:
    """Raise `DamagedError` unless all files exist and have their expected sizes."""
    for file in files:
        try:
            size = (directory / file.file).stat().st_size
        except OSError:
            raise DamagedError(f"{directory} lacks {file.file}; {_FRESH}") from None
        if size != file.bytes:
            raise DamagedError(
                f"{directory / file.file} has {size:,} bytes, its manifest says {file.bytes:,}; {_FRESH}"
            )


def check_files(directory: Path, shards: Sequence[_File], extras: Sequence[_File], *, every: bool = False) -> None:
    """Verify checksums: of small extras always, of other files once after they were created, moved or changed.

    Args:
        directory: directory of the data set. Verified files are recorded in the home, if that can be written.
        every: verify all files, even if recorded as verified.

    Raises:
        DamagedError: a file was changed.
    """
    verified = {} if every else _read_stamp(directory)
    unknown = [file for file in [*shards, *extras] if verified.get(file.file) != _entry(directory, file)]
    small = [file for file in extras if file.bytes <= _SMALL and file not in unknown]
    size = sum(file.bytes for file in unknown)
    if size >= _LARGE:
        print_message(f"checking {size / 1e9:.1f} GB in {directory} against their checksums, once")
    entries = [_entry(directory, file) for file in unknown]
    paths = [(directory / file.file, file) for file in [*small, *unknown]]
    if len(paths) == 1 or size < _SMALL:
        for path, file in paths:
            _check_file(path, file)
    else:
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            for _ in pool.map(_check_file, *zip(*paths, strict=True)):
                pass
    if unknown:
        stamp(directory, [*shards, *extras], {file.file: entry for file, entry in zip(unknown, entries, strict=True)})


def stamp(directory: Path, files: Sequence[_File], checked: dict[str, _Entry] | None = None) -> None:
    """Record that files match their checksums. Files are identified by size, modification time and inode.

    Args:
        checked: entries of the verified files as of their verification. By default all files, as they are now.
    """
    if checked is None:
        checked = {file.file: _entry(directory, file) for file in files}
    names = {file.file for file in files}
    verified = {name: entry for name, entry in _read_stamp(directory).items() if name in names}
    with contextlib.suppress(SourceError):
        write_json(_stamp_path(directory), {**verified, **checked}, durable=False)


def open_batch(path: Path, buffer: pa.Buffer, file: _File, *, full: bool) -> pa.RecordBatch:
    """Return the single record batch of a file, after checking that its buffers match its number of rows.

    Args:
        full: also validate all offsets, codes and texts, and not only lengths.

    Raises:
        DamagedError: the file is not a valid shard, or has another number of rows.
    """
    try:
        reader = pa.ipc.open_file(pa.BufferReader(buffer))
        if reader.num_record_batches != 1:
            raise ValueError(f"it has {reader.num_record_batches} batches of rows instead of one")
        batch = reader.get_batch(0)
        batch.validate(full=full)
        _ = [(column.name, str(column.type)) for column in batch.schema]  # decode all texts
    except (pa.ArrowException, OSError, ValueError, TypeError, MemoryError) as error:
        raise DamagedError(f"{path} is not a shard ({error}); {_FRESH}") from None
    if batch.num_rows != file.rows:
        raise DamagedError(f"{path} has {batch.num_rows} rows, its manifest says {file.rows}; {_FRESH}")
    return batch


def check_offsets(array: pa.Array, path: Path) -> None:
    """Raise `DamagedError` unless the offsets of a column, if its type has any, are non-decreasing and lie within its
    buffers.
    """
    kind = array.type
    wide = pa.types.is_large_list(kind) or pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    if not wide and not (pa.types.is_list(kind) or pa.types.is_string(kind) or pa.types.is_binary(kind)):
        return
    buffer, values = array.buffers()[1:3]
    if buffer is None or not len(array):
        return
    dtype = np.dtype(np.int64 if wide else np.int32)
    every: np.ndarray = np.frombuffer(buffer, dtype, buffer.size // dtype.itemsize)
    offsets = every[array.offset : array.offset + len(array) + 1]
    most = len(array.values) if "list" in str(kind) else 0 if values is None else values.size
    if len(offsets) <= len(array) or offsets[0] < 0 or offsets[-1] > most or np.any(np.diff(offsets) < 0):
        raise DamagedError(f"{path} has a row that lies outside of its column; {_FRESH}")


def _check_file(path: Path, file: _File) -> None:
    try:
        with open(path, "rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise DamagedError(f"{path} cannot be read ({error.strerror}); {_FRESH}") from None
    if sha256 != file.sha256:
        raise changed(path, file, sha256)
    # The file may come from elsewhere, and a matching checksum says nothing about its author.
    open_batch(path, pa.memory_map(str(path)).read_buffer(), file, full=True)


def changed(path: Path, file: _File, sha256: str) -> DamagedError:
    """Return the error for a file with another checksum."""
    return DamagedError(
        f"{path} was changed: sha256 is {sha256[:12]}..., its manifest says {file.sha256[:12]}...; {_FRESH}"
    )


def _entry(directory: Path, file: _File) -> _Entry:
    try:
        stat = (directory / file.file).stat()
    except OSError:
        raise DamagedError(f"{directory} lacks {file.file}; {_FRESH}") from None
    return file.sha256, stat.st_size, stat.st_mtime_ns, stat.st_ino


def _stamp_path(directory: Path) -> Path:
    # The record must not lie inside the directory, whose contents depend on the rows only. Beside a directory from
    # elsewhere nothing must be written, and somebody else's record may lie there.
    directory = directory.resolve()
    if not directory.is_relative_to(home().resolve()):
        return home() / "verified" / f"{hashlib.sha256(str(directory).encode()).hexdigest()[:32]}.json"
    return directory.parent / f".{directory.name}.verified.json"


def _read_stamp(directory: Path) -> dict[str, _Entry]:
    try:
        entries = read_json(_stamp_path(directory), dict[str, tuple[str, int, int, int]], "", missing={})
    except DamagedError:
        return {}  # the files are then verified again
    return {name: (sha256, size, time, inode) for name, (sha256, size, time, inode) in entries.items()}
