"""The errors that a person meets: one line that says what, what was received, and what to do."""


class RaysqError(Exception):
    """Something the person can mend. The command line prints it as one line and exits with 1."""


class UsageError(RaysqError, ValueError):
    """A setting, a name or an option that is not valid. The command line exits with 2."""


class DataError(RaysqError, ValueError):
    """Raw or prepared data that cannot be used as they are."""


class SourceError(RaysqError, OSError):
    """Raw data that cannot be read or fetched."""


class ResourceError(RaysqError, RuntimeError):
    """More workers, CPUs, GPUs, memory or disk than there are."""


class TrainingError(RaysqError, RuntimeError):
    """Training that cannot go on, such as a loss that is not a number."""


class Interrupted(RaysqError, RuntimeError):
    """The person (or the cluster) asked to stop; what was reached is on disk."""
