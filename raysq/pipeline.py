"""The Ray Data pipeline: raw pieces in, exact shards out, in the order of the plan on any number of CPUs.

Every row carries a key (its piece, and its place in it) through the pipeline. What is written is checked against
the keys, so that the order of rows never rests on the order in which Ray runs its tasks.
"""

import contextlib
import dataclasses
import logging
import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from ray.data import DataContext, Datasink, Datasource, ReadTask, read_datasource
from ray.data._internal.execution.interfaces.task_context import TaskContext
from ray.data.block import Block, BlockMetadata

from raysq.cluster import ensure_ray
from raysq.errors import DataError, ResourceError
from raysq.kinds.kind import Preparation
from raysq.pieces import KEY, PIECE, Note, noting, progress, read_notes, unwrapped
from raysq.shards import Shard, write_extra, write_shard


def run(
    preparation: Preparation,
    pieces: list[Any],
    directory: Path,
    shard_rows: int,
    *,
    cpus: int | None = None,
    quiet: bool = True,
) -> tuple[list[Shard], list[Shard], pa.Schema, list[Note], Note | None]:
    """Reads the pieces, and writes shards of exactly `shard_rows` rows (the last may have fewer) into a directory.

    Args:
        preparation: reads a piece.
        pieces: its plan.
        directory: empty, and seen by all nodes.
        shard_rows: rows of a shard.
        cpus: at most so many tasks at once.
        quiet: show no progress.

    Returns:
        The shards, the tables beside them, the rows' schema, the notes of all pieces in order, and that of the repair
        of the whole, if any.

    Raises:
        DataError: raw data that cannot be used as they are.
        ResourceError: no cluster, or no room.
    """
    parts, noted = directory / "parts", directory / "notes"
    parts.mkdir()
    noted.mkdir()
    whole = preparation.whole()
    sink = _Shards(parts)
    with progress(pieces, noted, quiet), unwrapped(), ordered(cpus) as context:
        ensure_ray()
        rows = read_datasource(Pieces(preparation, pieces, noted), override_num_blocks=len(pieces))
        tables: list[pa.Table] = []
        if whole is None:
            # One bundle of exact blocks in, one write out: nothing else may split or join them.
            context.target_max_block_size = None
            rows.repartition(target_num_rows_per_block=shard_rows, strict=True).write_datasink(sink)
        else:
            tables = list(rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
    notes, counts = read_notes(noted, len(pieces), preparation)
    expected = [(number * PIECE, number * PIECE + count) for number, count in enumerate(counts) if count]
    repaired, extras = None, []
    if whole is None:
        shards = _placed(sink.written, expected, parts, directory, shard_rows)
        schema = sink.schema
    else:
        table, beside, repaired = whole(_joined(tables, expected))
        extras = [write_extra(directory, name, one) for name, one in beside.items()]
        shards = [
            write_shard(directory, number, table.slice(begin, shard_rows))
            for number, begin in enumerate(range(0, table.num_rows, shard_rows))
        ]
        schema = table.schema
    if schema is None:  # no rows: the report's own error says it better
        preparation.conclude(notes, repaired)
        raise DataError("the source has no rows")
    for folder in (parts, noted):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    return shards, extras, schema, notes, repaired


def in_order(function: Callable[..., Any], calls: list[tuple[Any, ...]], cpus: int | None = None) -> Iterator[Any]:
    """The results of calls that Ray Data makes, in the order of the calls; they should be small.

    Args:
        function: picklable.
        calls: the arguments of each.
        cpus: at most so many at once.
    """
    with ordered(cpus):
        results = read_datasource(_Calls(function, calls), override_num_blocks=len(calls))
        for batch in results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for result in batch.column("result"):
                yield pickle.loads(result.as_py())


class _Calls(Datasource):
    """Calls of a function, one read task each; a row holds what a call gave."""

    def __init__(self, function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> None:
        super().__init__()
        self._function = function
        self._calls = calls

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        metadata = BlockMetadata(num_rows=1, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(lambda call=call: self._read(call), metadata) for call in self._calls]

    def _read(self, call: tuple[Any, ...]) -> Iterator[Block]:
        result = pickle.dumps(self._function(*call))
        pa.default_memory_pool().release_unused()  # the process may wait for long, or have other work
        yield pa.table({"result": [result]})


class Pieces(Datasource):
    """Reads the pieces of a plan, one task each."""

    def __init__(self, preparation: Preparation, pieces: list[Any], noted: Path) -> None:
        super().__init__()
        self._preparation = preparation
        self._pieces = pieces
        self._noted = noted

    def estimate_inmemory_data_size(self) -> int | None:
        return sum(getattr(piece, "size", 0) for piece in self._pieces) or None

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        metadata = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [
            ReadTask(lambda number=number, piece=piece: self._read(number, piece), metadata)
            for number, piece in enumerate(self._pieces)
        ]

    def _read(self, number: int, piece: Any) -> Iterator[Block]:
        with noting(self._noted, number, piece) as seen:
            for table, note in self._preparation.read(piece):
                keys = number * PIECE + seen.rows + np.arange(table.num_rows)
                seen.add(note, table.num_rows)
                yield table.append_column(KEY, pa.array(keys, pa.int64()))


class _Shards(Datasink[list[tuple[int, int, Shard]]]):
    """Writes every block as a shard."""

    def __init__(self, parts: Path) -> None:
        self._parts = parts
        self.written: list[tuple[int, int, Shard]] = []
        self.schema: pa.Schema | None = None

    def write(self, blocks: Iterable[Block], ctx: TaskContext) -> Any:
        # A list of what was written, or the reason why it was not.
        written = []
        for block in blocks:
            if not block.num_rows:
                continue
            keys = block.column(KEY).to_numpy()
            # Ordered inside, and without a hole except from one piece to the next.
            steps = np.diff(keys)
            if ((steps != 1) & ((steps < 1) | (keys[1:] % PIECE != 0))).any():
                raise RuntimeError("rows came out of order")
            table = block.drop_columns([KEY])
            try:
                # Named by its key until all are there and can be numbered.
                shard = write_shard(self._parts, int(keys[0]), table)
            except OSError as error:
                return error.strerror or str(error)
            written.append((int(keys[0]), int(keys[-1]), shard, table.schema))
        return written

    def on_write_complete(self, write_result: Any) -> None:
        for returned in write_result.write_returns:
            if isinstance(returned, str):
                raise ResourceError(f"the data set cannot be written: {returned}; make room or set RAYSQ_HOME")
        entries = [entry for returned in write_result.write_returns for entry in returned]
        self.written = [entry[:3] for entry in entries]
        self.schema = entries[0][3] if entries else None


def _placed(
    written: list[tuple[int, int, Shard]],
    expected: list[tuple[int, int]],
    parts: Path,
    directory: Path,
    shard_rows: int,
) -> list[Shard]:
    """Checks that the shards are all rows, once and in order, and gives them their numbers."""
    written = sorted(written, key=lambda entry: entry[0])
    # The first key of every shard follows from the rows of the pieces alone.
    begins, offset = [], 0
    for first, end in expected:
        while offset < end - first:
            begins.append(first + offset)
            offset += shard_rows
        offset -= end - first
    rows = sum(end - first for first, end in expected)
    sizes = [min(shard_rows, rows - begin) for begin in range(0, rows, shard_rows)]
    if [first for first, _, _ in written] != begins or [shard.rows for _, _, shard in written] != sizes:
        raise RuntimeError(
            f"Ray Data cut {len(written)} shards of {sum(shard.rows for _, _, shard in written):,} rows where "
            f"{len(sizes)} of {rows:,} rows were due; nothing was kept"
        )
    shards = []
    for number, (_, _, shard) in enumerate(written):
        file = f"shard-{number:05d}.arrow"
        os.replace(parts / shard.file, directory / file)
        shards.append(dataclasses.replace(shard, file=file))
    return shards


def _joined(tables: list[pa.Table], expected: list[tuple[int, int]]) -> pa.Table:
    """All rows in order, the keys checked and dropped."""
    tables = sorted((table for table in tables if table.num_rows), key=lambda table: table.column(KEY)[0].as_py())
    if not tables:
        raise DataError("the source has no rows")
    table = pa.concat_tables(tables).combine_chunks()
    wanted = np.concatenate([np.arange(first, end) for first, end in expected])
    if not np.array_equal(table.column(KEY).to_numpy(), wanted):
        raise RuntimeError("rows came out of order")
    return table.drop_columns([KEY])


@contextlib.contextmanager
def ordered(cpus: int | None = None) -> Iterator[DataContext]:
    """A context of Ray Data that keeps the order and says nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # copying reads deprecated settings too
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
