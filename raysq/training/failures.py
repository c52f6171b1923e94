"""Permanent errors of a worker group, recorded in the run's directory and raised once by the driver.

Ray Train restarts a group when a worker raises. This is right for a failed machine and wrong for an error of a model
or of data. Such an error is recorded instead. Where all workers record it, they return normally. Where only some do,
the others may wait for them in a collective forever. The error is then raised to end the group, and the restarted
group returns at once.
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
    """Remove the errors recorded before in a run's directory."""
    shutil.rmtree(directory / _FOLDER, ignore_errors=True)


def is_recorded(directory: Path) -> bool:
    """Return whether a worker has recorded an error since `clear`."""
    return bool(_paths(directory))


def record(directory: Path, rank: int, workers: int, error: RaysqError) -> bool:
    """Record a worker's error and wait up to 20 seconds for the errors of the other workers.

    Args:
        directory: directory of the run.
        rank: rank of the worker.
        workers: number of workers of the group.
        error: error for the driver to raise.

    Returns:
        Whether all workers have recorded an error in time.
    """
    (directory / _FOLDER).mkdir(exist_ok=True)
    # The driver may not have the user's error classes: record the nearest base class from raysq.
    kind = next(base for base in type(error).__mro__ if base.__module__.partition(".")[0] == "raysq")
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


def read(directory: Path) -> RaysqError | None:
    """Return the recorded error of the lowest rank, with its traceback among its notes; None where there is none."""
    paths = _paths(directory)
    if not paths:
        return None
    try:
        with open(paths[0], "rb") as file:
            error = pickles.load(file, _kind)
    except Exception as damage:  # a damaged pickle may raise anything
        return DamagedError(f"{paths[0]} is damaged ({damage})", "the same command tries it again")
    assert isinstance(error, RaysqError)
    return error


def _kind(module: str, name: str) -> Any:
    """Return the object that a recorded error's pickle names: a raysq error class or its restorer, else None."""
    if module.partition(".")[0] != "raysq":
        return None
    value = getattr(importlib.import_module(module), name, None)
    is_error = isinstance(value, type) and issubclass(value, RaysqError)
    return value if is_error or value is errors.restored else None


def _paths(directory: Path) -> list[Path]:
    """Return the completely written files, ordered by rank."""
    # Only complete files have names that begin with a digit.
    return sorted((directory / _FOLDER).glob("[0-9]*.pickle"), key=lambda path: int(path.stem))
