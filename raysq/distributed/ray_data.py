"""Executor on Ray Data: calls are read tasks, and rows keep their order on any number of CPUs.

Every row carries a key: the number of its call and its position in the call's rows. The order of rows does not rely on
the order in which Ray runs its tasks; it is checked against the keys.
"""

import contextlib
import logging
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
import pyarrow as pa
from ray import cloudpickle
from ray.data import DataContext, Datasink, Datasource, ReadTask, read_datasource
from ray.data import Dataset as RayDataset
from ray.data._internal.execution.interfaces.task_context import TaskContext
from ray.data.block import Block, BlockMetadata
from ray.exceptions import RayError

from raysq.distributed.cluster import ensure_ray
from raysq.distributed.executor import Calls, Executor, Halt, Tables
from raysq.distributed.idle import release_idle
from raysq.distributed.row_keys import KEY, STRIDE, check_order
from raysq.errors import ResourceError

T = TypeVar("T")


class RayExecutor(Executor):
    """Executor that runs calls as Ray Data tasks, at most `cpus` at once (default: the number of CPUs)."""

    local = False

    def __init__(self, cpus: int | None = None) -> None:
        self._cpus = cpus

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Join or start Ray, and convert errors of Ray to one line."""
        with ray_errors("preparing"):
            ensure_ray()
            release_idle()
            yield

    def map(self, function: Callable[..., T], calls: Calls) -> Generator[T, None, None]:
        """Yield the result of each call."""
        with ordered(self._cpus):
            results = _read(_Pickled(function), calls)
            for batch in results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for result in batch.column("result"):
                    yield pickle.loads(result.as_py())

    def rechunk(self, function: Tables, calls: Calls, rows: int, write: Callable[[int, pa.Table], T]) -> list[T]:
        """Write the rows of all calls as tables of exactly `rows` rows."""
        sink = _Sink(write)
        with ordered(self._cpus) as context:
            # Each block of exact size must become one write, so nothing else may split or merge blocks.
            context.target_max_block_size = None
            blocks = keyed_rows(function, calls).repartition(target_num_rows_per_block=rows, strict=True)
            blocks.write_datasink(sink)
        last, results = -1, []
        for written in sorted(sink.written, key=lambda written: written.first):
            check_order(np.array([written.first]), last)
            last = written.last
            results.append(written.result)
        return results


def keyed_rows(function: Tables, calls: Calls, **options: Any) -> RayDataset:
    """Return the rows of all calls as a Ray data set, with a column `KEY` for `check_order`.

    Options are those of `read_datasource`.
    """
    return _read(_Keyed(function), [(number, *call) for number, call in enumerate(calls)], **options)


@contextlib.contextmanager
def ordered(cpus: int | None = None) -> Iterator[DataContext]:
    """Enter a Ray Data context that preserves order, prints nothing, and uses at most `cpus` CPUs, if given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # copying also reads deprecated settings
        context = DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    if cpus is not None:
        context.execution_options.resource_limits = context.execution_options.resource_limits.copy(cpu=cpus)
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    loggers = [logging.getLogger(name) for name in ("ray.data", "ray.data._internal")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with DataContext.current(context):
            yield context
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def ray_errors(doing: str) -> Iterator[None]:
    """Convert errors of Ray, such as a lost node or exhausted memory, to one line that names the operation."""
    try:
        yield
    except RayError as error:
        cause = getattr(error, "cause", None)
        message = f"{type(cause).__name__}: {cause}" if cause is not None else str(error)
        lines = message.strip().splitlines() or [repr(error)]
        raise ResourceError(f"{doing} failed in Ray: {lines[0]}; run it again, or see `raysq doctor`") from error


def _read(function: Tables, calls: Calls, **options: Any) -> RayDataset:
    return read_datasource(_Calls(function, calls), override_num_blocks=len(calls), **options)


@dataclass(frozen=True)
class _Shipped:
    """Function for a Ray process, which finds the modules of the driver before it unpickles the function.

    Preprocessors of a person's own are of modules that only the driver's `sys.path` has.
    """

    paths: tuple[str, ...]
    payload: bytes

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Self:
        return cls(tuple(sys.path), cloudpickle.dumps(function))

    def __call__(self, *call: Any) -> Any:
        sys.path += [path for path in self.paths if path not in sys.path and os.path.isdir(path)]
        return cloudpickle.loads(self.payload)(*call)


class _Calls(Datasource):
    """Data source with one read task for each call of a function that yields blocks."""

    def __init__(self, function: Tables, calls: Calls) -> None:
        super().__init__()
        self._tasks = [_Shipped.of(partial(function, *call)) for call in calls]

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        metadata = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(task, metadata) for task in self._tasks]


@dataclass(frozen=True)
class _Pickled:
    """Function that yields one row holding the pickled result of another function."""

    function: Callable[..., Any]

    def __call__(self, *call: Any) -> Iterator[Block]:
        result = pickle.dumps(self.function(*call))
        pa.default_memory_pool().release_unused()  # the process may stay idle for long, or do other work
        yield pa.table({"result": [result]})


@dataclass(frozen=True)
class _Keyed:
    """Function that yields the tables of another function with a key for each row."""

    function: Tables

    def __call__(self, number: int, *call: Any) -> Iterator[Block]:
        key = number * STRIDE
        with contextlib.suppress(Halt):
            for table in self.function(*call):
                keys = np.arange(key, key + table.num_rows)
                key += table.num_rows
                yield table.append_column(KEY, pa.array(keys, pa.int64()))


@dataclass(frozen=True)
class _Written:
    """A written block: its first and last key, and the result of the write function."""

    first: int
    last: int
    result: Any


class _Sink(Datasink[list[_Written]]):
    """Sink that writes every block with a function."""

    def __init__(self, write: Callable[[int, pa.Table], Any]) -> None:
        self._write = _Shipped.of(write)
        self.written: list[_Written] = []

    def write(self, blocks: Iterable[Block], ctx: TaskContext) -> list[_Written]:
        written = []
        for block in blocks:
            if block.num_rows:
                keys = block.column(KEY).to_numpy()
                first = int(keys[0])
                last = check_order(keys, first - 1)
                written.append(_Written(first, last, self._write(first, block.drop_columns([KEY]))))
        return written

    def on_write_complete(self, write_result: Any) -> None:
        self.written = [written for returned in write_result.write_returns for written in returned]
