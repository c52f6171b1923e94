"""Preparation in two passes, for rows that depend on all pieces: a survey of the pieces, then exact shards.

Both are Ray Data pipelines whose tasks leave their results in files, so that nothing large goes through Ray's object
store, and memory is that of a few tables whatever the size of the source. The first pass is taken in by the driver in
the order of the plan, so that the result does not depend on the order in which Ray runs its tasks. Where Ray would have
to be started for little, threads of this process pass over the pieces in the same way.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from raysq import local
from raysq.atomic import sync
from raysq.cluster import ensure_ray
from raysq.errors import DataError, ResourceError
from raysq.kinds.kind import Preparation, Surveying
from raysq.pieces import Note, noting, progress, read_note, read_notes, unwrapped
from raysq.shards import Shard, write_extra, write_shard


def run(
    preparation: Preparation,
    pieces: list[Any],
    directory: Path,
    shard_rows: int,
    *,
    cpus: int | None = None,
    quiet: bool = True,
) -> tuple[list[Shard], list[Shard], pa.Schema, Note]:
    """Surveys the pieces, and writes shards of exactly `shard_rows` rows (the last may have fewer) into a directory.

    Args:
        preparation: one that surveys.
        pieces: its plan.
        directory: empty, and seen by all nodes.
        shard_rows: rows of a shard.
        cpus: at most so many Ray tasks at once; given, Ray is used for a small source too.
        quiet: show no progress.

    Returns:
        The shards, the tables beside them, the rows' schema, and the report.

    Raises:
        DataError: raw data that cannot be used as they are.
        ResourceError: no cluster, or no room.
    """
    assert isinstance(preparation, Surveying)
    scratch, noted = directory / "scratch", directory / "notes"
    scratch.mkdir()
    noted.mkdir()
    survey = preparation.survey(pieces, scratch)
    threads = local.threads(pieces, cpus)
    with local.tuned() if threads else unwrapped():
        if not threads:
            ensure_ray()
        with progress(pieces, noted, quiet):
            looks = [(survey.look, noted, number, piece) for number, piece in enumerate(pieces)]
            for number, _ in enumerate(_in_order(_look, looks, cpus, threads)):
                notes, _, error = read_note(noted, number)
                if error is not None:
                    raise error  # `check` is for a whole corpus: of a part it would find a class missing
                survey.add(number, notes)
        notes, counts = read_notes(noted, len(pieces), preparation)
        if not sum(counts):
            raise DataError("the source has no rows")
        settled = survey.settle(shard_rows)
        writes = [(settled.read, directory, number, shard, not threads) for number, shard in enumerate(settled.shards)]
        shards: list[Shard] = []
        for number, written in enumerate(_in_order(_write, writes, cpus, threads)):
            shard, schema = written
            if isinstance(shard, str):
                raise ResourceError(f"the data set cannot be written: {shard}; make room or set RAYSQ_HOME")
            shards.append(shard)
            if threads:
                sync(directory / shard.file)  # while the threads write the next
                settled.spent(number)  # not with Ray, which may run a task again
    extras = [write_extra(directory, name, table) for name, table in settled.extras.items()]
    shutil.rmtree(scratch)
    shutil.rmtree(noted)
    return shards, extras, schema, preparation.conclude(notes, settled.found)


def _look(look: Callable[[int, Any], Iterator[Note]], noted: Path, number: int, piece: Any) -> None:
    """The first pass over one piece."""
    with noting(noted, number, piece) as seen:
        for note in look(number, piece):
            seen.add(note, 1)


def _write(
    read: Callable[[Any], pa.Table], directory: Path, number: int, shard: Any, synced: bool
) -> tuple[Shard | str, pa.Schema]:
    """The second pass for one shard: its entry, or why it was not written."""
    table = read(shard)
    try:
        return write_shard(directory, number, table, synced=synced), table.schema
    except OSError as error:
        return error.strerror or str(error), table.schema


def _in_order(
    function: Callable[..., Any], calls: list[tuple[Any, ...]], cpus: int | None, threads: int
) -> Iterator[Any]:
    """The results of calls, in the order of the calls: made by threads, or by Ray Data where there are none."""
    if threads:
        return local.in_order(function, calls, threads, ahead=threads)  # the results are small
    from raysq.pipeline import in_order

    return in_order(function, calls, cpus)
