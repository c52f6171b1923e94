"""Open files of any origin: regular ones only, and what a library finds wrong with them becomes one clear line."""

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
    NotImplementedError,  # a version, or a way of packing, that the library does not know
    UnicodeError,
    OverflowError,
    MemoryError,
)
_LONGEST = 160  # characters of what a library says


def open_file(path: Path | str, *, buffering: int = -1, hint: str | None = None) -> IO[bytes]:
    """Open a regular file to read its bytes.

    A pipe would be waited for without end, and a device may do anything, so that they are refused at once.

    Args:
        path: of the file.
        buffering: as for `open`.
        hint: what to do where the file cannot be read, for the message.

    Raises:
        SourceError: it is no regular file, or cannot be read.
    """
    try:
        file: IO[bytes] = open(path, "rb", buffering, opener=_open_at_once)  # noqa: SIM115 - the caller closes it
    except (OSError, ValueError) as error:
        check_file(path, hint)  # sockets and folders cannot be opened, and the system does not say why
        raise unreadable(path, error, hint) from None
    try:
        _refuse_others(path, os.fstat(file.fileno()).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def read_file(path: Path | str, name: str, check: Callable[[str, int], None]) -> bytes:
    """Read a regular file as a whole.

    Args:
        path: of the file.
        name: for messages.
        check: refuses the file by its name and its bytes where it is too large, before any memory is taken.

    Raises:
        SourceError: it is no regular file, or cannot be read.
        DataError: it is too large.
    """
    with open_file(path, buffering=0) as file:
        check(name, os.fstat(file.fileno()).st_size)
        return file.read()


def check_file(path: Path | str, hint: str | None = None) -> None:
    """Check that a path leads to a regular file, for libraries that open files themselves.

    Raises:
        SourceError: it does not.
    """
    try:
        _refuse_others(path, os.stat(path).st_mode)
    except (OSError, ValueError) as error:
        raise unreadable(path, error, hint) from None


def unreadable(path: Path | str, error: Exception, hint: str | None = None) -> SourceError:
    """Return the error for a file that cannot be opened or read."""
    if isinstance(error, SourceError):
        return error
    said = error.strerror if isinstance(error, OSError) and error.strerror else error
    return SourceError(f"{shortened(path)} cannot be read: {said}", hint)


def shortened(path: Path | str) -> str:
    """Return a path for a message; of one that is longer than any file's name the beginning."""
    text = str(path)
    return text if len(text) <= 1000 and max(map(len, text.split(os.sep))) <= 255 else f"{text[:60]}..."


@contextlib.contextmanager
def damages(
    path: Path | str, also: tuple[type[Exception], ...] = (), hint: str = "fetch or write it again"
) -> Iterator[None]:
    """Turn what libraries raise while they read a damaged file into a `DataError` that names it.

    Args:
        path: of the file.
        also: what else its library raises of damaged files, beside what no sound code raises.
        hint: what to do.
    """
    try:
        yield
    except RaysqError:
        raise
    except OSError as error:
        # Libraries raise it with words of their own; a seek to before the beginning of a file is a wrong directory.
        if error.errno is not None and error.errno != errno.EINVAL:
            raise unreadable(path, error) from None
        raise damaged(path, error, hint) from None
    except Exception as error:
        if not isinstance(error, (*_DAMAGE, *also)) and not _is_arrow(error):
            raise
        raise damaged(path, error, hint) from None


def damaged(path: Path | str, error: object, hint: str = "fetch or write it again") -> DataError:
    """Return the error for a file whose content cannot be read."""
    said = "it claims more than there is memory for" if isinstance(error, MemoryError) else str(error)
    lines = said.strip().splitlines() or [type(error).__name__]
    return DataError(f"{os.path.basename(path)} is damaged or cut short ({lines[0][:_LONGEST]})", hint)


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for somebody at the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _refuse_others(path: Path | str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        sort = _SORTS.get(stat.S_IFMT(mode), "no file")
        raise SourceError(f"{path} is {sort}, and only files are read", hint="give a file, or write it to one first")


def _is_arrow(error: Any) -> bool:
    import pyarrow as pa  # not before there is an error: few commands need it at once

    return isinstance(error, pa.ArrowException)
