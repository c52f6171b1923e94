"""The errors that a person meets: one line that says what, what was received, and what to do."""

import sys
from types import TracebackType

from raysq.terminal import print_message


class RaysqError(Exception):
    """Something the person can mend. The command line prints it as one line and exits with 1."""


class UsageError(RaysqError, ValueError):
    """A setting, a name or an option that is not valid. The command line exits with 2."""


class DataError(RaysqError, ValueError):
    """Raw or prepared data that cannot be used as they are."""


class DamagedError(DataError):
    """A file of raysq's own that was cut, emptied or changed; says which file, and the way out."""


class SourceError(RaysqError, OSError):
    """Raw data that cannot be read or fetched."""


class ResourceError(RaysqError, RuntimeError):
    """More workers, CPUs, GPUs, memory or disk than there are."""


class MissingPackageError(RaysqError, ImportError):
    """A package that is not installed and that a part of the work needs; the rest can be done without it."""


class TrainingError(RaysqError, RuntimeError):
    """Training that cannot go on, such as a loss that is not a number."""


class Interrupted(RaysqError, RuntimeError):
    """The person (or the cluster) asked to stop; what was reached is on disk."""


def plain_errors() -> None:
    """For scripts: an error of raysq's ends them with its line on standard error and status 1, without a traceback."""
    usual = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, RaysqError):
            print_message(f"raysq: {' '.join(str(error).split())}")
        else:
            usual(kind, error, trace)

    sys.excepthook = show
