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


def estimate(known: int, dataset_bytes: int, workers: int) -> int:
    """Estimate the memory of a trial in bytes.

    The estimate is the memory of earlier trials, else that of TensorFlow and twice the size of the data set.

    Args:
        known: largest memory of an earlier trial's process in bytes; 0 where none is known.
        dataset_bytes: size of the data set in bytes.
        workers: number of processes of a trial.
    """
    return (known or _PROCESS_BYTES + 2 * dataset_bytes) * workers


@contextmanager
def reserve(need: int, fit: int, say: Callable[[str], None]) -> Iterator[int]:
    """Reserve memory until the block ends, visibly to other searches.

    Args:
        need: memory of a trial in bytes.
        fit: number of concurrent trials for which there are CPUs or GPUs.
        say: called with a message on the memory that a trial needs and that is left.

    Yields:
        The number of concurrent trials, at least 1.
    """
    with memory.reserve(need, fit) as room:
        if room.left is not None:
            say(describe(need, room, fit))
        yield room.count


def describe(need: int, room: memory.MemoryReservation, fit: int) -> str:
    """Return a message on the memory that a trial needs and that is left.

    Args:
        need: memory of a trial in bytes.
        room: reservation of the search.
        fit: number of concurrent trials for which there are CPUs or GPUs.
    """
    said = f"memory: a trial takes about {memory.gigabytes(need)}, {memory.gigabytes(room.left or 0)} are left"
    if (room.left or 0) < need:
        return f"{said}: one at a time, which may be too much; end other work, or lower batch_size"
    return f"{said}: {room.count} beside each other{f' instead of {fit}' if room.count < fit else ''}"


class Throttle:
    """Delay of new trials while there is no memory for another process.

    Args:
        need: estimated memory of a trial in bytes; 0 to ignore memory.
        concurrent: maximum number of concurrent processes.
        say: called with a message once trials have to wait, and whenever the limit is lowered.
    """

    def __init__(self, need: int, concurrent: int, say: Callable[[str], None]):
        self.need, self.concurrent = need, concurrent
        self._limit, self._processes = concurrent, 0
        self._say, self._said = say, False

    def began(self, handed: int) -> None:
        """Register that a trial was handed out.

        Args:
            handed: number of trials that are handed out now.
        """
        self._processes = max(self._processes, min(handed, self.concurrent))

    def learn(self, taken: int) -> None:
        """Raise the estimate to the memory that a trial has taken.

        Args:
            taken: memory of the trial in bytes.
        """
        if self.need:
            self.need = max(self.need, taken)

    def lower(self) -> None:
        """Lower the limit of concurrent trials by one after memory ran out; at least one remains."""
        before, self._limit = self._limit, max(1, min(self._limit, self._processes) - 1)
        if self._limit < before:
            self._say(f"a trial ran out of memory: {self._limit} at a time from now on")

    def must_wait(self, handed: int) -> bool:
        """Return whether the next trial has to wait.

        Args:
            handed: number of trials that are handed out now.
        """
        if not handed:
            return False
        if self._limit < self.concurrent:
            return handed >= self._limit
        if not self.need or handed < self._processes or self._processes == self.concurrent:
            return False  # an existing process, which has its memory, takes the trial
        left = memory.unreserved()
        if left is None:
            return False
        promised = max(0, self._processes * self.need - memory.resident_total(os.getpid()))
        if left - promised >= self.need:
            return False
        if not self._said:
            self._said = True
            has, needs = memory.gigabytes(left), memory.gigabytes(self.need)
            self._say(f"{has} of memory are left, and a trial takes about {needs}: further ones wait")
        return True

    def explain(self, error: BaseException) -> ResourceError | None:
        """Return a one-line error in place of a Ray error caused by lack of memory; None for any other error.

        Args:
            error: error that Ray raised.
        """
        left = memory.unreserved()
        if not memory.is_out_of_memory(error) and (not self.need or left is None or left >= self.need):
            return None
        takes = f"a trial takes about {memory.gigabytes(self.need)}, " if self.need else ""
        has = "" if left is None else f", {memory.gigabytes(left)} are left"
        return ResourceError(
            f"this machine ran out of memory: {takes}{self.concurrent} ran beside each other{has}: end other work, or "
            "give --max-concurrent 1 or a smaller batch_size; the same command continues"
        )
