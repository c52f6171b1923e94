"""The folder that holds cached sources, data sets and runs; locks on files in it, and outputs that a person names."""

import contextlib
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TypeVar

from raysq.errors import DataError, RaysqError, SourceError, UsageError

T = TypeVar("T")

_LONGEST_NAME = 100  # bytes: file systems take 255, and temporary names are longer


def home() -> Path:
    """The folder of cached sources, data sets and runs: RAYSQ_HOME, or `~/.raysq`."""
    return Path(os.environ.get("RAYSQ_HOME") or "~/.raysq").expanduser().absolute()


def check_name(name: str, noun: str) -> None:
    """Check the name of a folder of the home, which people type, and which stands in commands and on pages.

    Args:
        name: of the folder.
        noun: of what is in it, for the error.

    Raises:
        UsageError: it has other characters than those of a name, or too many.
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
    """Open the folders of the home that hold a file, newest first.

    Args:
        pattern: of the file, below the home.
        open_folder: opens a folder.
        noun: for the warning.
        on_damaged: called with each folder that cannot be read, which is left out, and the error; a warning if None.
    """
    found = []
    for path in sorted(home().glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            found.append(open_folder(path.parent))
        except DataError as error:
            if on_damaged is None:
                warnings.warn(f"a {noun} is left out: {error}", stacklevel=3)
            else:
                on_damaged(path.parent, error)
    return found


def validate_folder(path: Path) -> None:
    """Raises UsageError where the folder of an output that a person names is not there."""
    if not path.parent.is_dir():
        raise UsageError(f"--output: there is no folder {str(path.parent)!r}; make it first")


def validate_output(path: str | Path, inputs: Iterable[Path] = ()) -> Path:
    """An output file that a person names.

    Args:
        path: the name.
        inputs: files that are read, which it must not replace.

    Raises:
        UsageError: its folder is not there, it is a folder, or it is one of the inputs.
    """
    path = Path(path)
    validate_folder(path)
    if path.is_dir():
        raise UsageError(f"--output: {str(path)!r} is a folder; name a file")
    if path.exists() and any(one.exists() and path.samefile(one) for one in inputs):
        raise UsageError(f"--output: {str(path)!r} is the input, which would be lost; name another file")
    return path


@contextlib.contextmanager
def file_lock(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds a lock file against other processes; `waiting` is called once when somebody else holds it."""
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
        except ImportError:  # no such locks on Windows: two commands at once are then the person's own affair
            yield
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def is_locked(path: Path, said: str) -> Iterator[None]:
    """Holds a lock file for this process.

    Args:
        path: of the lock file, in a folder that is there.
        said: the error's message where another process holds it.

    Raises:
        RaysqError: another process holds it.
    """
    import fcntl

    with _open_lock(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RaysqError(said) from None
        yield


def _open_lock(path: Path) -> IO[bytes]:
    """Open a lock file, which is made where it is not there. It may lie in a folder from elsewhere: nothing is written
    to it, no link is followed, and a pipe is not waited for."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return open(os.open(path, flags, 0o666), "r+b", buffering=0)
