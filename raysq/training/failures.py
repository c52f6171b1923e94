"""Errors of a worker group that would come again: noted in the run's directory, and raised once by the driver.

Ray Train starts a group anew when a worker raises, which is right for a machine that died and wrong for an error of a
model or of data. Such an error is noted instead. Where all workers meet it they end as if all were well; where only
some do, the others may wait for them in a collective for ever: then the group is ended by raising, and ends at once
when it is started again.
"""

import shutil
import time
import traceback
from pathlib import Path
from typing import TypedDict

from raysq import errors
from raysq.atomic import write_json
from raysq.errors import DamagedError, RaysqError
from raysq.json_files import read_json

_FOLDER = "failures"
_POLL_SECONDS = 0.2
_WAIT_SECONDS = 20.0


class _Note(TypedDict):
    kind: str
    message: str
    trace: str


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
    kind = next(one.__name__ for one in type(error).__mro__ if getattr(errors, one.__name__, None) is one)
    trace = "".join(traceback.format_exception(error))
    write_json(directory / _FOLDER / f"{rank}.json", {"kind": kind, "message": str(error), "trace": trace})
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
        values = read_json(paths[0], _Note, "the same command tries it again")
    except DamagedError as damage:
        return damage
    kind = getattr(errors, values["kind"], RaysqError)
    error: RaysqError = kind(values["message"])
    error.add_note(values["trace"])
    return error


def _paths(directory: Path) -> list[Path]:
    """The notes that are there as a whole, by rank."""
    # Names that begin with a digit: the others are being written.
    return sorted((directory / _FOLDER).glob("[0-9]*.json"), key=lambda path: int(path.stem))
