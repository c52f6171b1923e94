"""Preparation by threads of this process, where Ray would have to be started for little; the same bytes as with Ray."""

import contextlib
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

from raysq.cluster import cores, has_cluster
from raysq.errors import DataError, ResourceError
from raysq.kinds.kind import Preparation
from raysq.pieces import Note, noting, progress, read_note, read_notes
from raysq.shards import Shard, write_extra, write_shard

SMALL = 128 << 20  # bytes of source up to which starting Ray, and its processes, would take longer than the work
_SWITCH = 5e-4  # seconds that a thread keeps Python's lock while another waits for it
MOST = 4  # threads to which Python's own lock leaves enough to do; Arrow and NumPy work without it


def threads(pieces: list[Any], cpus: int | None) -> int:
    """How many threads shall prepare the pieces, 0 where it is for Ray: on a cluster, or for much data on many cores.

    Args:
        pieces: a plan.
        cpus: given, Ray is asked for so many.
    """
    most = cores()
    little = most <= MOST or sum(getattr(piece, "size", SMALL) for piece in pieces) < SMALL
    return min(most, MOST) if little and cpus is None and not has_cluster() else 0


@contextlib.contextmanager
def tuned() -> Iterator[None]:
    """Python and Arrow as they suit threads that prepare; as they were afterwards."""
    interval, pool = sys.getswitchinterval(), pa.default_memory_pool()
    # A thread that goes through rows in Python would hold up each call of another thread's by Python's 5 ms.
    sys.setswitchinterval(min(interval, _SWITCH))
    # Of what one thread frees mimalloc, Arrow's own choice, keeps more from the others the longer they run.
    if "jemalloc" in pa.supported_memory_backends() and not os.environ.get("ARROW_DEFAULT_MEMORY_POOL"):
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    try:
        yield
    finally:
        # Not after each call: the next would ask for the same memory again, page by page.
        pa.default_memory_pool().release_unused()
        pa.set_memory_pool(pool)
        sys.setswitchinterval(interval)


def in_order(
    function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], threads: int, *, ahead: int = 1
) -> Iterator[Any]:
    """The results of calls that threads make, in the order of the calls.

    Args:
        function: what is called.
        calls: its arguments.
        threads: so many calls run at a time.
        ahead: results that may wait in memory for one before them, and for what is done with it.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Any]] = deque()
        try:
            for call in calls:
                waiting.append(pool.submit(function, *call))
                if len(waiting) >= threads + ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for late in waiting:
                late.cancel()


def run(
    preparation: Preparation, pieces: list[Any], directory: Path, shard_rows: int, threads: int, *, quiet: bool = True
) -> tuple[list[Shard], list[Shard], pa.Schema, list[Note], Note | None]:
    """Does what `raysq.pipeline.run` does, without Ray.

    Args:
        preparation: reads a piece.
        pieces: its plan.
        directory: empty.
        shard_rows: rows of a shard.
        threads: that read.
        quiet: show no progress.
    """
    noted = directory / "notes"
    noted.mkdir()

    def read(number: int, piece: Any) -> list[pa.Table]:
        tables = []
        with noting(noted, number, piece) as seen:
            for table, note in preparation.read(piece):
                seen.add(note, table.num_rows)
                tables.append(table)
        return tables

    def tables() -> Iterator[pa.Table]:
        for number, found in enumerate(in_order(read, enumerate(pieces), threads)):
            if read_note(noted, number)[2] is not None:
                return  # `read_notes` says it better
            yield from found

    whole, repaired = preparation.whole(), None
    extras: list[Shard] = []
    with tuned(), progress(pieces, noted, quiet):
        if whole is None:
            shards, schema = _write(tables(), directory, shard_rows)
            notes, _ = read_notes(noted, len(pieces), preparation)
        else:
            every = list(tables())
            notes, counts = read_notes(noted, len(pieces), preparation)
            if not sum(counts):
                raise DataError("the source has no rows")
            table, beside, repaired = whole(pa.concat_tables(every).combine_chunks())
            extras = [write_extra(directory, name, one) for name, one in beside.items()]
            shards, schema = _write([table], directory, shard_rows)
    if schema is None:  # no rows: the report's own error says it better
        preparation.conclude(notes, repaired)
        raise DataError("the source has no rows")
    shutil.rmtree(noted)
    return shards, extras, schema, notes, repaired


def _write(tables: Iterable[pa.Table], directory: Path, rows: int) -> tuple[list[Shard], pa.Schema | None]:
    shards, schema = [], None
    for number, table in enumerate(_cut(tables, rows)):
        schema = table.schema
        try:
            shards.append(write_shard(directory, number, table))
        except OSError as error:
            said = error.strerror or error
            raise ResourceError(f"the data set cannot be written: {said}; make room or set RAYSQ_HOME") from None
    return shards, schema


def _cut(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of exactly so many, the last with what is left."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(one.num_rows for one in waiting) >= rows:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, rows)
            waiting = [joined.slice(rows)]
    left = pa.concat_tables(waiting) if waiting else None
    if left is not None and left.num_rows:
        yield left
