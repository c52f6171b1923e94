"""Open untrusted files: regular files only, with one clear line for any error of a library."""

import contextlib
import errno
import lzma
import os
import pickle
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from raysq.errors import DataError, RaysqError, SourceError

_SORTS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    pickle.UnpicklingError,
    NotImplementedError,  # a version or compression method that the library does not support
    UnicodeError,
    OverflowError,
    MemoryError,
)
_LONGEST = 160  # characters shown of a library's message


def open_file(path: Path | str, *, buffering: int = -1, hint: str | None = None) -> IO[bytes]:
    """Open a regular file for reading bytes.

    Other kinds of files are rejected, because a pipe may block forever and a device may do anything.

    Raises:
        SourceError: the path is not a regular file, or cannot be read.
    """
    try:
        file: IO[bytes] = open(path, "rb", buffering, opener=_open_at_once)  # noqa: SIM115 - the caller closes it
    except (OSError, ValueError) as error:
        check_file(path, hint)  # sockets and folders cannot be opened, and the system's error does not say why
        raise unreadable(path, error, hint) from None
    try:
        _refuse_others(path, os.fstat(file.fileno()).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def read_file(path: Path | str, name: str, check: Callable[[str, int], None]) -> bytes:
    """Read a regular file completely.

    Args:
        check: called with name and size before memory is allocated, and raises DataError if the file is too large.

    Raises:
        SourceError: the path is not a regular file, or cannot be read.
        DataError: the file is too large.
    """
    with open_file(path, buffering=0) as file:
        check(name, os.fstat(file.fileno()).st_size)
        return file.read()


def check_file(path: Path | str, hint: str | None = None) -> None:
    """Raise `SourceError` unless a path is a regular file, for libraries that open files themselves."""
    try:
        _refuse_others(path, os.stat(path).st_mode)
    except (OSError, ValueError) as error:
        raise unreadable(path, error, hint) from None


def unreadable(path: Path | str, error: Exception, hint: str | None = None) -> SourceError:
    """Return the error for a file that cannot be opened or read."""
    if isinstance(error, SourceError):
        return error
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return SourceError(f"{shortened(path)} cannot be read: {reason}", hint)


def shortened(path: Path | str) -> str:
    """Return a path for a message. A path longer than any valid one is truncated."""
    text = str(path)
    return text if len(text) <= 1000 and max(map(len, text.split(os.sep))) <= 255 else f"{text[:60]}..."


@contextlib.contextmanager
def damages(
    path: Path | str, also: tuple[type[Exception], ...] = (), hint: str = "fetch or write it again"
) -> Iterator[None]:
    """Convert errors that libraries raise for a damaged file to a `DataError` that names the file.

    Args:
        also: further exceptions that the library raises for damaged files, besides those that correct code never
            raises.

    Raises:
        DataError: the file is damaged.
        SourceError: the file cannot be read.
    """
    try:
        yield
    except RaysqError:
        raise
    except OSError as error:
        # Libraries raise OSError without an errno for damage. EINVAL means a seek before the beginning of the file,
        # caused by a wrong directory in an archive.
        if error.errno is not None and error.errno != errno.EINVAL:
            raise unreadable(path, error) from None
        raise damaged(path, error, hint) from None
    except Exception as error:
        if not isinstance(error, (*_DAMAGE, *also)) and not _is_arrow(error):
            raise
        raise damaged(path, error, hint) from None


def damaged(path: Path | str, error: object, hint: str = "fetch or write it again") -> DataError:
    """Return the error for a file whose contents cannot be read."""
    reason = "it claims more than there is memory for" if isinstance(error, MemoryError) else str(error)
    lines = reason.strip().splitlines() or [type(error).__name__]
    return DataError(f"{os.path.basename(path)} is damaged or cut short ({lines[0][:_LONGEST]})", hint)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _refuse_others(path: Path | str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        sort = _SORTS.get(stat.S_IFMT(mode), "no file")
        raise SourceError(f"{path} is {sort}, and only files are read", hint="give a file, or write it to one first")


def _is_arrow(error: Any) -> bool:
    import pyarrow as pa  # imported only after an error, because few commands need it at start-up

    return isinstance(error, pa.ArrowException)
