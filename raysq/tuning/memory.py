"""Memory for the trials of a search: how many fit beside each other, whether another may begin, and running out."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from raysq.distributed import memory
from raysq.errors import ResourceError

# The same of all trials: those that fail for one cause end a search.
OUT_OF_MEMORY = (
    "out of memory: its process was ended again and again; a smaller batch_size, or --max-concurrent 1, needs less"
)
LOST = "its process was killed again and again (out of memory, by its own code, or from outside)"
# Of a trial's process with TensorFlow in it, measured with small models.
_PROCESS_BYTES = 600_000_000


def estimate(known: int, dataset_bytes: int, workers: int) -> int:
    """Bytes that a trial takes: what earlier ones took, else TensorFlow and the examples on their way to it.

    Args:
        known: the most that a trial has taken; 0 where none has told.
        dataset_bytes: of the data set.
        workers: processes of a trial.
    """
    return (known or _PROCESS_BYTES + 2 * dataset_bytes) * workers


@contextmanager
def reserve(need: int, fit: int, say: Callable[[str], None]) -> Iterator[int]:
    """Reserves memory, so that another search sees it, until the block ends.

    Args:
        need: bytes of a trial.
        fit: trials beside each other that there are processors for.
        say: is told what a trial needs and has.

    Yields:
        How many trials are to run beside each other, at least one.
    """
    with memory.reserve(need, fit) as room:
        if room.left is not None:
            say(describe(need, room, fit))
        yield room.count


def describe(need: int, room: memory.MemoryReservation, fit: int) -> str:
    """What a trial needs and has."""
    said = f"memory: a trial takes about {memory.gigabytes(need)}, {memory.gigabytes(room.left or 0)} are left"
    if (room.left or 0) < need:
        return f"{said}: one at a time, which may be too much; end other work, or lower batch_size"
    return f"{said}: {room.count} beside each other{f' instead of {fit}' if room.count < fit else ''}"


class Throttle:
    """Holds trials back where there is no memory for another process; one that runs may leave some.

    Args:
        need: bytes that a trial is thought to take; 0 where memory is not looked at.
        concurrent: processes beside each other.
        say: is told once that trials wait.
    """

    def __init__(self, need: int, concurrent: int, say: Callable[[str], None]):
        self.need, self.concurrent = need, concurrent
        self._limit, self._processes = concurrent, 0
        self._say, self._said = say, False

    def began(self, handed: int) -> None:
        """A trial was handed out; so many are on their way."""
        self._processes = max(self._processes, min(handed, self.concurrent))

    def learn(self, taken: int) -> None:
        """A trial has taken so many bytes."""
        if self.need:
            self.need = max(self.need, taken)

    def lower(self) -> None:
        """Memory ran out: from now on a trial less runs beside the others."""
        before, self._limit = self._limit, max(1, min(self._limit, self._processes) - 1)
        if self._limit < before:
            self._say(f"a trial ran out of memory: {self._limit} at a time from now on")

    def must_wait(self, handed: int) -> bool:
        """Whether the next trial waits while so many are on their way."""
        if not handed:
            return False
        if self._limit < self.concurrent:
            return handed >= self._limit
        if not self.need or handed < self._processes or self._processes == self.concurrent:
            return False  # a process is there, and has its memory
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
        """One line in place of an error of Ray's that memory is the cause of; None for any other."""
        left = memory.unreserved()
        if not memory.is_out_of_memory(error) and (not self.need or left is None or left >= self.need):
            return None
        takes = f"a trial takes about {memory.gigabytes(self.need)}, " if self.need else ""
        has = "" if left is None else f", {memory.gigabytes(left)} are left"
        return ResourceError(
            f"this machine ran out of memory: {takes}{self.concurrent} ran beside each other{has}: end other work, or "
            "give --max-concurrent 1 or a smaller batch_size; the same command continues"
        )
