"""Errors of a worker group that would come again: noted in the run's directory, and raised once by the driver.

Ray Train starts a group anew when a worker raises, which is right for a machine that died and wrong for an error of a
model or of data. Such an error is noted instead. Where all workers meet it they end as if all were well; where only
some do, the others may wait for them in a collective for ever: then the group is ended by raising, and ends at once
when it is started again.
"""

import importlib
import pickle
import shutil
import time
import traceback
from pathlib import Path
from typing import Any

from raysq import errors
from raysq.data.readers import pickles
from raysq.errors import DamagedError, RaysqError
from raysq.storage.atomic import atomic_write

_FOLDER = "failures"
_POLL_SECONDS = 0.2
_WAIT_SECONDS = 20.0


def clear(directory: Path) -> None:
    """Forget what was noted before."""
    shutil.rmtree(directory / _FOLDER, ignore_errors=True)


def is_noted(directory: Path) -> bool:
    """Whether a worker noted an error since `clear`."""
    return bool(_paths(directory))


def note(directory: Path, rank: int, workers: int, error: RaysqError) -> bool:
    """Note a worker's error.

    Args:
        directory: of the run.
        rank: of the worker.
        workers: of the group.
        error: to be raised by the driver.

    Returns:
        Whether all workers have noted one in time.
    """
    (directory / _FOLDER).mkdir(exist_ok=True)
    # An error of a person's own class goes as the kind of ours that it is.
    kind = next(one for one in type(error).__mro__ if one.__module__.partition(".")[0] == "raysq")
    copy = kind(error.message, error.hint)
    for text in (*getattr(error, "__notes__", ()), "".join(traceback.format_exception(error))):
        copy.add_note(text)
    with atomic_write(directory / _FOLDER / f"{rank}.pickle") as partial:
        partial.write_bytes(pickle.dumps(copy))
    deadline = time.monotonic() + _WAIT_SECONDS
    while len(_paths(directory)) < workers:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def noted(directory: Path) -> RaysqError | None:
    """The error of the first worker that noted one, its traceback among its notes; None where there is none."""
    paths = _paths(directory)
    if not paths:
        return None
    try:
        with open(paths[0], "rb") as file:
            error = pickles.load(file, _kind)
    except Exception as damage:  # whatever a damaged pickle makes of its reader
        return DamagedError(f"{paths[0]} is damaged ({damage})", "the same command tries it again")
    assert isinstance(error, RaysqError)
    return error


def _kind(module: str, name: str) -> Any:
    """What the pickle of a noted error may name: the kinds of raysq's errors, and what restores one."""
    if module.partition(".")[0] != "raysq":
        return None
    found = getattr(importlib.import_module(module), name, None)
    return found if found is errors.restored or (isinstance(found, type) and issubclass(found, RaysqError)) else None


def _paths(directory: Path) -> list[Path]:
    """The notes that are there as a whole, by rank."""
    # Names that begin with a digit: the others are being written.
    return sorted((directory / _FOLDER).glob("[0-9]*.pickle"), key=lambda path: int(path.stem))
