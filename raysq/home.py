"""The folder that holds cached sources, data sets and runs, and locks on files in it."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from raysq.errors import SourceError


def home() -> Path:
    """The folder of cached sources, data sets and runs: RAYSQ_HOME, or `~/.raysq`."""
    return Path(os.environ.get("RAYSQ_HOME") or "~/.raysq").expanduser().absolute()


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds a lock file against other processes; `waiting` is called once when somebody else holds it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open(path, "a")  # noqa: SIM115 - closed below
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
