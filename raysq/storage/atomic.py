"""Atomic writes of files and folders: write to a temporary path, sync to disk, and rename."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from raysq.errors import RaysqError, SourceError
from raysq.storage.json_files import seal

_HINT = "set RAYSQ_HOME to another folder"


@contextlib.contextmanager
def atomic_write(path: Path, hint: str = _HINT, *, durable: bool = True, parents: bool = True) -> Iterator[Path]:
    """Yield a temporary path whose contents replace `path` when the block ends.

    If the block raises, nothing of it is left and `path` is unchanged. The temporary path lies in the same folder and
    has the same suffix as `path`, for writers that choose a format by the suffix. The block may create a folder there.

    Args:
        hint: remedy for the error message if `path` cannot be written.
        durable: wait until the file and its name are on disk, so that a power cut leaves the old or the new file. Use
            False for scratch files and caches.
        parents: create the parent folder of `path`.

    Raises:
        SourceError: `path` cannot be written.

    Example:
        >>> with atomic_write(Path("result.json")) as partial:
        ...     partial.write_text("{}")
    """
    partial = path.with_name(f".{os.getpid()}.part-{path.name}")
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        if partial.is_dir():
            replace_directory(partial, path, path.with_name(f".{os.getpid()}.old-{path.name}"))
            return
        if durable:
            sync(partial)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(partial, path)
        if durable:
            sync(path.parent)
    except RaysqError:  # raised by the block itself, for example because an input cannot be read
        raise
    except OSError as error:
        raise SourceError(f"{path} cannot be written: {error.strerror or error}", hint) from None
    finally:
        discard(partial)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a UTF-8 text file atomically; see `atomic_write`."""
    with atomic_write(path, durable=durable) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any, *, durable: bool = True) -> None:
    """Write a JSON file atomically, with a checksum that `raysq.storage.json_files.read_json` verifies."""
    write_text(path, json.dumps(seal(values), indent=1) + "\n", durable=durable)


def write_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write a file with one JSON object per line atomically, each with a checksum, for `read_json_lines`."""
    write_text(path, "".join(json.dumps(seal(record)) + "\n" for record in records))


def replace_directory(new: Path, directory: Path, old: Path) -> None:
    """Replace a folder, which may not exist yet, by another on the same file system, whose files are synced first.

    At every moment `directory` or `old` is a complete folder. `old` is removed at the end.
    """
    for path in new.rglob("*"):
        sync(path)
    sync(new)
    if directory.exists():
        discard(old)
        os.rename(directory, old)
    os.rename(new, directory)
    sync(directory.parent)
    discard(old)


def sweep(folder: Path) -> None:
    """Remove the temporary paths of `atomic_write` in a folder whose processes were killed before they could."""
    for path in folder.glob(".*.part-*"):
        pid = path.name[1:].partition(".")[0]
        if pid.isdigit() and not _is_running(int(pid)):
            discard(path)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # of another user; no process of this machine
    return True


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def discard(path: Path) -> None:
    """Remove a partly written file or folder, ignoring errors: on a disk that cannot be written, removal fails too."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
