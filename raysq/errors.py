"""The errors that a person meets: one line that says what, what was received, and what to do."""

import sys
from types import TracebackType
from typing import Any

from raysq.display.terminal import print_message


class RaysqError(Exception):
    """Something the person can mend. The command line prints it as one line and exits with 1.

    It can be pickled with all its fields and notes, also where a subclass has another constructor: errors of Ray's
    workers and actors arrive as what they were.

    Args:
        message: what is wrong, and what was received.
        hint: what to do, where it may be left out: a command that does not have the options which the hint names
            shows the message with another hint, or alone.

    Example:
        >>> str(DataError("train.csv has no rows", hint="give another --source"))
        'train.csv has no rows; give another --source'
    """

    joint = "; "  # between message and hint

    def __init__(self, message: object = "", hint: str | None = None) -> None:
        super().__init__(str(message))
        self.message = str(message)
        self.hint = hint or None

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}{self.joint}{self.hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (type(self), self.args), self.__dict__


def restored(kind: type[RaysqError], arguments: tuple[Any, ...]) -> RaysqError:
    """Make an error that was pickled; its fields come as its state."""
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    return error


class UsageError(RaysqError, ValueError):
    """A setting, a name or an option that is not valid. The command line exits with 2."""


class DataError(RaysqError, ValueError):
    """Raw or prepared data that cannot be used as they are."""


class NotFoundError(DataError):
    """No run, search or data set of that name; the hint says which there are."""

    joint = ": "


class FormatError(DataError):
    """A csv file that is not written as its settings say; the hint names settings that every reader of csv takes."""


class DamagedError(DataError):
    """A file of raysq's own that was cut, emptied or changed; says which file, and the way out."""


class TrustError(RaysqError):
    """Code that a folder from elsewhere names, which is not run unless the user says so."""


class SourceError(RaysqError, OSError):
    """Raw data that cannot be read or fetched."""


class ResourceError(RaysqError, RuntimeError):
    """More workers, CPUs, GPUs, memory or disk than there are."""


class LostError(ResourceError):
    """A process, a node or an object that the cluster lost; the same work can be tried again."""


class MissingPackageError(RaysqError, ImportError):
    """A package that is not installed and that a part of the work needs; the rest can be done without it."""


class TrainingError(RaysqError, RuntimeError):
    """Training that cannot go on, such as a loss that is not a number."""


class Interrupted(RaysqError, RuntimeError):
    """The person (or the cluster) asked to stop; what was reached is on disk."""


def plain_errors() -> None:
    """For scripts: an error of raysq's ends them with its line on standard error and status 1, without a traceback.

    Example:
        >>> raysq.plain_errors()
        >>> raysq.train("jenna")  # ends the script with "raysq: unknown task 'jenna': did you mean jena?"
    """
    usual = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, RaysqError):
            print_message(f"raysq: {' '.join(str(error).split())}")
        else:
            usual(kind, error, trace)

    sys.excepthook = show
