"""Executors: run calls in parallel and return the results in the order of the calls.

`ThreadExecutor` runs calls in threads of this process, for work that takes less time than starting Ray.
`raysq.distributed.ray_data.RayExecutor` runs calls as Ray Data tasks. Both give the same results.
"""

import contextlib
import os
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar

import pyarrow as pa

from raysq.distributed.cluster import cores, has_cluster

T = TypeVar("T")
Calls = Sequence[tuple[Any, ...]]
Tables = Callable[..., Iterator[pa.Table]]

SMALL = 128 << 20  # bytes of input below which starting Ray and its processes takes longer than the work
MAX_THREADS = 4  # more threads would wait for Python's global lock, although Arrow and NumPy release it
_SWITCH = 5e-4  # seconds that a thread keeps Python's global lock while another waits for it


class Halt(Exception):
    """Raised by a call that has recorded its own failure. The results of later calls are not needed."""


class Executor(ABC):
    """Base class of executors, which run calls of a picklable function and keep their order.

    Attributes:
        local: whether all calls run in this process, each exactly once.
    """

    local: ClassVar[bool]

    @abstractmethod
    def session(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which the other methods must be called."""

    @abstractmethod
    def map(self, function: Callable[..., T], calls: Calls) -> Generator[T, None, None]:
        """Yield the result of each call. Results should be small. Closing the generator cancels pending calls."""

    @abstractmethod
    def rechunk(self, function: Tables, calls: Calls, rows: int, write: Callable[[int, pa.Table], T]) -> list[T]:
        """Write the rows of all calls as tables of exactly `rows` rows. The last table may have fewer.

        Returns:
            The results of `write`, in table order.
        """


class ThreadExecutor(Executor):
    """Executor that runs at most `threads` calls at once in threads of this process."""

    local = True

    def __init__(self, threads: int) -> None:
        self._threads = threads

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Tune Python and Arrow for preparation in threads, and restore them afterwards."""
        interval, pool = sys.getswitchinterval(), pa.default_memory_pool()
        # A thread that loops over rows in Python would delay every call of another thread by Python's default of 5 ms.
        sys.setswitchinterval(min(interval, _SWITCH))
        # Arrow's default, mimalloc, is slow to release to other threads what one thread frees; this grows over time.
        if "jemalloc" in pa.supported_memory_backends() and not os.environ.get("ARROW_DEFAULT_MEMORY_POOL"):
            pa.set_memory_pool(pa.jemalloc_memory_pool())
        try:
            yield
        finally:
            # Not after each call: the next call would request the same memory again, page by page.
            pa.default_memory_pool().release_unused()
            pa.set_memory_pool(pool)
            sys.setswitchinterval(interval)

    def map(self, function: Callable[..., T], calls: Calls) -> Generator[T, None, None]:
        """Yield the result of each call."""
        return self._ordered(function, calls, ahead=self._threads)

    def rechunk(self, function: Tables, calls: Calls, rows: int, write: Callable[[int, pa.Table], T]) -> list[T]:
        """Write the rows of all calls as tables of exactly `rows` rows."""
        of_calls = self._ordered(lambda *call: list(function(*call)), calls, ahead=1)
        tables = cut((table for tables in of_calls for table in tables), rows)
        return [write(number, table) for number, table in enumerate(tables)]

    def _ordered(self, function: Callable[..., T], calls: Calls, ahead: int) -> Generator[T, None, None]:
        """Yield results in order. Up to `ahead` results wait in memory for an earlier one or for the consumer."""
        with ThreadPoolExecutor(self._threads) as pool:
            waiting: deque[Future[T]] = deque()
            try:
                for call in calls:
                    waiting.append(pool.submit(function, *call))
                    if len(waiting) >= self._threads + ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            except Halt:
                return
            finally:
                for late in waiting:
                    late.cancel()


def choose_executor(sizes: Sequence[int | None], cpus: int | None = None) -> Executor:
    """Return an executor for partitions of these sizes: Ray on a cluster, if `cpus` is given, or for large data on many
    cores.
    """
    most = cores()
    small = most <= MAX_THREADS or sum(SMALL if size is None else size for size in sizes) < SMALL
    if small and cpus is None and not has_cluster():
        return ThreadExecutor(min(most, MAX_THREADS))
    from raysq.distributed.ray_data import RayExecutor

    return RayExecutor(cpus)


def cut(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of exactly `rows` rows. The last table holds the remainder."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(part.num_rows for part in waiting) >= rows:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, rows)
            waiting = [joined.slice(rows)]
    rest = pa.concat_tables(waiting) if waiting else None
    if rest is not None and rest.num_rows:
        yield rest
