"""Memory of the trials of a search: number of concurrent trials, delay of new ones, and out-of-memory errors."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from raysq.distributed import memory
from raysq.errors import ResourceError

# The text is equal for all trials, since a search ends when trials fail for the same cause.
OUT_OF_MEMORY = (
    "out of memory: its process was ended again and again; a smaller batch_size, or --max-concurrent 1, needs less"
)
LOST = "its process was killed again and again (out of memory, by its own code, or from outside)"
# Memory of a trial's process with TensorFlow, measured with small models.
_PROCESS_BYTES = 600_000_000


def estimate(largest: int, dataset_bytes: int, workers: int) -> int:
    """Estimate the memory of a trial in bytes.

    The estimate is the memory of earlier trials, else that of TensorFlow and twice the size of the data set.

    Args:
        largest: largest memory of an earlier trial's process in bytes; 0 before the first.
        dataset_bytes: size of the data set in bytes.
        workers: number of workers of a trial. Several have processes of their own, beside the trial's.
    """
    processes = 1 if workers == 1 else workers + 1
    return (largest or _PROCESS_BYTES + 2 * dataset_bytes) * processes


@contextmanager
def reserve(trial_bytes: int, concurrent: int, on_message: Callable[[str], None]) -> Iterator[int]:
    """Reserve memory until the block ends, visibly to other searches.

    Args:
        trial_bytes: memory of a trial.
        concurrent: number of concurrent trials for which there are CPUs or GPUs.
        on_message: called with a message on the memory that a trial needs and that is left.

    Yields:
        The number of concurrent trials, at least 1.
    """
    with memory.reserve(trial_bytes, concurrent) as reservation:
        if reservation.left is not None:
            on_message(describe(trial_bytes, reservation.left, reservation.count, concurrent))
        yield reservation.count


def describe(trial_bytes: int, left: int, count: int, concurrent: int) -> str:
    """Return a message on the memory that a trial needs and that is left.

    Args:
        trial_bytes: memory of a trial.
        left: bytes that are left.
        count: number of trials that fit into them, at least 1.
        concurrent: number of concurrent trials for which there are CPUs or GPUs.
    """
    message = f"memory: a trial takes about {memory.gigabytes(trial_bytes)}, {memory.gigabytes(left)} are left"
    if left < trial_bytes:
        return f"{message}: one at a time, which may be too much; end other work, or lower batch_size"
    return f"{message}: {count} beside each other{f' instead of {concurrent}' if count < concurrent else ''}"


class Throttle:
    """Delay of new trials while there is no memory for another process.

    Args:
        trial_bytes: estimated memory of a trial; 0 to ignore memory.
        concurrent: maximum number of concurrent processes.
        on_message: called with a message once trials have to wait, and whenever the limit is lowered.
    """

    def __init__(self, trial_bytes: int, concurrent: int, on_message: Callable[[str], None]):
        self.trial_bytes, self.concurrent = trial_bytes, concurrent
        self._limit, self._processes = concurrent, 0
        self._on_message, self._has_reported = on_message, False

    def on_trial_start(self, active: int) -> None:
        """Count the processes, of which there are as many as there were trials at a time (`active`)."""
        self._processes = max(self._processes, min(active, self.concurrent))

    def raise_estimate(self, size: int) -> None:
        """Raise the estimate to the bytes that a trial has taken."""
        if self.trial_bytes:
            self.trial_bytes = max(self.trial_bytes, size)

    def lower_limit(self) -> None:
        """Lower the limit of concurrent trials by one after memory ran out; at least one remains."""
        previous, self._limit = self._limit, max(1, min(self._limit, self._processes) - 1)
        if self._limit < previous:
            self._on_message(f"a trial ran out of memory: {self._limit} at a time from now on")

    def must_wait(self, active: int) -> bool:
        """Return whether the next trial has to wait, beside this number of active ones."""
        if not active:
            return False
        if self._limit < self.concurrent:
            return active >= self._limit
        if not self.trial_bytes or active < self._processes or self._processes == self.concurrent:
            return False  # an existing process, which has its memory, takes the trial
        left = memory.unreserved()
        if left is None:
            return False
        promised = max(0, self._processes * self.trial_bytes - memory.resident_total(os.getpid()))
        if left - promised >= self.trial_bytes:
            return False
        if not self._has_reported:
            self._has_reported = True
            has, needs = memory.gigabytes(left), memory.gigabytes(self.trial_bytes)
            self._on_message(f"{has} of memory are left, and a trial takes about {needs}: further ones wait")
        return True

    def explain(self, error: BaseException) -> ResourceError | None:
        """Return a one-line error in place of a Ray error caused by lack of memory; None for any other error."""
        left = memory.unreserved()
        if not memory.is_out_of_memory(error) and (not self.trial_bytes or left is None or left >= self.trial_bytes):
            return None
        takes = f"a trial takes about {memory.gigabytes(self.trial_bytes)}, " if self.trial_bytes else ""
        has = "" if left is None else f", {memory.gigabytes(left)} are left"
        return ResourceError(
            f"this machine ran out of memory: {takes}{self.concurrent} ran beside each other{has}: end other work, or "
            "give --max-concurrent 1 or a smaller batch_size; the same command continues"
        )
