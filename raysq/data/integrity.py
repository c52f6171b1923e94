"""Whether the files of a data set are as they were written: their sizes, checksums, and what they tell Arrow."""

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

_SMALL = 4 << 20  # bytes of a file whose checksum is found whenever it is opened
_LARGE = 2 << 30  # bytes whose checksums take some seconds
_THREADS = 4
_FRESH = "prepare the data set again with --fresh"

# Checksum as in the manifest, size, time of change in nanoseconds, inode.
_Entry = tuple[str, int, int, int]


class _File(Protocol):
    """An entry of the manifest."""

    @property
    def file(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...


def check_sizes(directory: Path, files: Iterable[_File]) -> None:
    """Check that files are there and have their sizes.

    Raises:
        DamagedError: one is missing or has another size.
    """
    for file in files:
        try:
            size = (directory / file.file).stat().st_size
        except OSError:
            raise DamagedError(f"{directory} lacks {file.file}; {_FRESH}") from None
        if size != file.bytes:
            raise DamagedError(
                f"{directory / file.file} has {size:,} bytes, its manifest says {file.bytes:,}; {_FRESH}"
            )


def check_files(directory: Path, shards: Sequence[_File], extras: Sequence[_File], *, again: bool = False) -> None:
    """Check files against their checksums: small extras always, others once after they were made, moved or changed.

    Args:
        directory: of the data set. What was checked is remembered in the home, if that can be written.
        shards: of its rows.
        extras: tables beside them.
        again: check all of them, whatever is remembered.

    Raises:
        DamagedError: one was changed.
    """
    known = {} if again else _read_stamp(directory)
    unknown = [file for file in [*shards, *extras] if known.get(file.file) != _entry(directory, file)]
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
    """Remember that files are as their checksums say; they are told apart by size, time of change, and inode.

    Args:
        directory: of the data set. Where its folder cannot be written nothing is remembered.
        files: all of the data set.
        checked: those that were checked, as they were then; all as they are now if left out.
    """
    if checked is None:
        checked = {file.file: _entry(directory, file) for file in files}
    names = {file.file for file in files}
    known = {name: entry for name, entry in _read_stamp(directory).items() if name in names}
    with contextlib.suppress(SourceError):
        write_json(_stamp_path(directory), {**known, **checked}, durable=False)


def open_batch(path: Path, buffer: pa.Buffer, file: _File, *, full: bool) -> pa.RecordBatch:
    """The one record batch of a file, whose buffers are as long as its rows ask for.

    Args:
        path: of the file, for messages.
        buffer: its bytes.
        file: its entry.
        full: check every offset, code and text too, and not only lengths.

    Raises:
        DamagedError: it is none, or has another number of rows.
    """
    try:
        reader = pa.ipc.open_file(pa.BufferReader(buffer))
        if reader.num_record_batches != 1:
            raise ValueError(f"it has {reader.num_record_batches} batches of rows instead of one")
        batch = reader.get_batch(0)
        batch.validate(full=full)
        _ = [(column.name, str(column.type)) for column in batch.schema]  # which are texts
    except (pa.ArrowException, OSError, ValueError, TypeError, MemoryError) as error:
        raise DamagedError(f"{path} is not a shard ({error}); {_FRESH}") from None
    if batch.num_rows != file.rows:
        raise DamagedError(f"{path} has {batch.num_rows} rows, its manifest says {file.rows}; {_FRESH}")
    return batch


def check_offsets(array: pa.Array, path: Path) -> None:
    """Check that the values of a column's rows lie in their order inside of its buffers.

    Raises:
        DamagedError: an offset is wrong.
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
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise DamagedError(f"{path} cannot be read ({error.strerror}); {_FRESH}") from None
    if found != file.sha256:
        raise changed(path, file, found)
    # It may be from elsewhere: its checksum says nothing about who made it.
    open_batch(path, pa.memory_map(str(path)).read_buffer(), file, full=True)


def changed(path: Path, file: _File, found: str) -> DamagedError:
    """The error for a file with another checksum."""
    return DamagedError(
        f"{path} was changed: sha256 is {found[:12]}..., its manifest says {file.sha256[:12]}...; {_FRESH}"
    )


def _entry(directory: Path, file: _File) -> _Entry:
    try:
        found = (directory / file.file).stat()
    except OSError:
        raise DamagedError(f"{directory} lacks {file.file}; {_FRESH}") from None
    return file.sha256, found.st_size, found.st_mtime_ns, found.st_ino


def _stamp_path(directory: Path) -> Path:
    # Not inside: the same rows give the same folder. Nor beside one from elsewhere, where nothing of ours is to be
    # written, and another's stamp may lie.
    directory = directory.resolve()
    if not directory.is_relative_to(home().resolve()):
        return home() / "verified" / f"{hashlib.sha256(str(directory).encode()).hexdigest()[:32]}.json"
    return directory.parent / f".{directory.name}.verified.json"


def _read_stamp(directory: Path) -> dict[str, _Entry]:
    try:
        found = read_json(_stamp_path(directory), dict[str, tuple[str, int, int, int]], "", missing={})
    except DamagedError:
        return {}  # it is only made again
    return {name: (sha256, size, time, inode) for name, (sha256, size, time, inode) in found.items()}
