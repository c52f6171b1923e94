"""The home folder of sources, data sets and runs; file locks; checks of names and output paths given by the user."""

import contextlib
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TypeVar

from raysq.errors import DataError, RaysqError, SourceError, UsageError

T = TypeVar("T")

_LONGEST_NAME = 100  # bytes: file systems allow 255, and temporary names are longer


def home() -> Path:
    """Return the folder of cached sources, data sets and runs: RAYSQ_HOME, or `~/.raysq`."""
    return Path(os.environ.get("RAYSQ_HOME") or "~/.raysq").expanduser().absolute()


def check_name(name: str, noun: str) -> None:
    """Raise `UsageError` for the invalid name of a folder in the home, which holds a `noun` such as "run".

    Users type such names, and commands and pages show them.
    """
    if not re.fullmatch(r"[^\W_][\w.-]*", name):
        raise UsageError(
            f"--name: a {noun}'s name is letters, digits, '.', '-' and '_', and begins with a letter or digit, "
            f"received {name[:_LONGEST_NAME]!r}"
        )
    if len(name.encode()) > _LONGEST_NAME:
        raise UsageError(
            f"--name: a {noun}'s name has at most {_LONGEST_NAME} bytes, received {len(name.encode())}: choose a "
            "shorter one"
        )


def newest_first(
    pattern: str, open_folder: Callable[[Path], T], noun: str, on_damaged: Callable[[Path, DataError], None] | None
) -> list[T]:
    """Open all folders of the home that hold a given file, newest first.

    Args:
        pattern: glob pattern of the file, relative to the home.
        on_damaged: called with each folder that cannot be read and the error. Such folders are left out. None warns
            instead.
    """
    folders = []
    for path in sorted(home().glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            folders.append(open_folder(path.parent))
        except DataError as error:
            if on_damaged is None:
                warnings.warn(f"a {noun} is left out: {error}", stacklevel=3)
            else:
                on_damaged(path.parent, error)
    return folders


def validate_folder(path: Path) -> None:
    """Raise `UsageError` unless the parent folder of an output path given by the user exists."""
    if not path.parent.is_dir():
        raise UsageError(f"--output: there is no folder {str(path.parent)!r}; make it first")


def validate_output(path: str | Path, inputs: Iterable[Path] = ()) -> Path:
    """Return an output path given by the user.

    Raise `UsageError` if its parent folder does not exist, it is a folder, or it is one of the inputs.
    """
    path = Path(path)
    validate_folder(path)
    if path.is_dir():
        raise UsageError(f"--output: {str(path)!r} is a folder; name a file")
    if path.exists() and any(source.exists() and path.samefile(source) for source in inputs):
        raise UsageError(f"--output: {str(path)!r} is the input, which would be lost; name another file")
    return path


@contextlib.contextmanager
def file_lock(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold an exclusive lock on a file, created if missing, within the block.

    `waiting` is called once if another process holds the lock.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _open_lock(path)
    except OSError as error:
        raise SourceError(
            f"{path.parent} cannot be written ({error.strerror}); set RAYSQ_HOME to a folder that can"
        ) from None
    with lock as handle:
        try:
            import fcntl
        except ImportError:  # Windows has no such locks: there the user must not run two commands at once
            yield
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def is_locked(path: Path, message: str) -> Iterator[None]:
    """Hold an exclusive lock on a file within the block, or raise `RaysqError` with the message instead of waiting for
    it.
    """
    import fcntl

    with _open_lock(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RaysqError(message) from None
        yield


def _open_lock(path: Path) -> IO[bytes]:
    """Open a lock file, creating it if missing.

    It may lie in a folder from elsewhere. Nothing is written to it, links are not followed, and pipes do not block.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return open(os.open(path, flags, 0o666), "r+b", buffering=0)
