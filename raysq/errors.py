"""Errors shown to the user: one line that states the problem, the received value and the remedy."""

import sys
from types import TracebackType
from typing import Any

from raysq.display.terminal import print_message


class RaysqError(Exception):
    """Base class of errors that the user can fix. The command line prints it as one line and exits with 1.

    Errors can be pickled with all their fields and notes, even if a subclass has another constructor. Errors from Ray
    workers and actors therefore keep their type.

    Args:
        message: the problem and the received value.
        hint: the remedy. It is separate from the message so that commands without the options it names can replace or
            omit it.

    Example:
        >>> str(DataError("train.csv has no rows", hint="give another --source"))
        'train.csv has no rows; give another --source'
    """

    joint = "; "  # separates message and hint

    def __init__(self, message: object = "", hint: str | None = None) -> None:
        super().__init__(str(message))
        self.message = str(message)
        self.hint = hint or None

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}{self.joint}{self.hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (type(self), self.args), self.__dict__


def restored(kind: type[RaysqError], arguments: tuple[Any, ...]) -> RaysqError:
    """Create an unpickled error. Pickle restores its fields afterwards."""
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    return error


class UsageError(RaysqError, ValueError):
    """Invalid setting, name or option. The command line exits with 2."""


class DataError(RaysqError, ValueError):
    """Raw or prepared data that cannot be used as they are."""


class NotFoundError(DataError):
    """Unknown name of a run, search or data set. The hint lists the existing ones."""

    joint = ": "


class FormatError(DataError):
    """csv file that does not match its settings. The hint names settings common to all csv readers."""


class DamagedError(DataError):
    """raysq file that was truncated, emptied or changed. The message names the file and the remedy."""


class TrustError(RaysqError):
    """Code named by a folder from elsewhere. It is not run without the user's consent."""


class SourceError(RaysqError, OSError):
    """Raw data that cannot be read or fetched."""


class ResourceError(RaysqError, RuntimeError):
    """Request for more workers, CPUs, GPUs, memory or disk than are available."""


class LostError(ResourceError):
    """Process, node or object lost by the cluster. The same work can be retried."""


class MissingPackageError(RaysqError, ImportError):
    """Missing package that part of the work needs. The rest works without it."""


class TrainingError(RaysqError, RuntimeError):
    """Training that cannot continue, for example because the loss is not a number."""


class Interrupted(RaysqError, RuntimeError):
    """Stop requested by the user or the cluster. The progress so far is on disk."""


def plain_errors() -> None:
    """Print raysq errors of a script as one line on standard error and exit with status 1, without a traceback.

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
