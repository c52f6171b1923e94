"""Files and folders that are there as a whole, or as they were: written aside, put on the disk, and renamed."""

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
    """Yield a path to write to; what was written there takes the place of `path` when the block ends.

    Nothing of it is left where the block raises, and `path` is then as it was. The path that is yielded lies in the
    same folder and ends as `path` does, for writers that choose a format by it. The block may make a folder of it.

    Args:
        path: the file or folder.
        hint: what to do where it cannot be written, for the error.
        durable: wait until the disk has the file and its name, so that a power cut leaves the old file or the new one.
            False for scratch files and caches.
        parents: make the folder that `path` lies in.

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
    except RaysqError:  # of what was to be written, such as an input that cannot be read
        raise
    except OSError as error:
        raise SourceError(f"{path} cannot be written: {error.strerror or error}", hint) from None
    finally:
        discard(partial)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file as a whole, in UTF-8.

    Raises:
        SourceError: `path` cannot be written.
    """
    with atomic_write(path, durable=durable) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any, *, durable: bool = True) -> None:
    """Write a JSON file as a whole, with a checksum that `raysq.storage.json_files.read_json` checks.

    Raises:
        SourceError: `path` cannot be written.
    """
    write_text(path, json.dumps(seal(values), indent=1) + "\n", durable=durable)


def write_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write a file with a JSON object a line as a whole, each with a checksum; for `read_json_lines`.

    Raises:
        SourceError: `path` cannot be written.
    """
    write_text(path, "".join(json.dumps(seal(record)) + "\n" for record in records))


def replace_directory(new: Path, directory: Path, old: Path) -> None:
    """Put a folder in the place of another that may be there.

    At every moment `directory` or `old` is a whole folder; `old` is removed at the end.

    Args:
        new: the folder, in the same file system; its files are synced first.
        directory: its place.
        old: where the present folder is kept meanwhile.
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


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def discard(path: Path) -> None:
    """Remove a file or folder that was begun, where it can be: on a disk that cannot be written this fails as well."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
