"""Partition statistics: what reading a partition leaves for `fit_stats`.

This includes statistics of its chunks, tables that wait on disk, and the error that ended reading.
"""

import base64
import contextlib
import json
import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raysq.data.readers.files import unreadable
from raysq.errors import RaysqError, ResourceError
from raysq.storage.atomic import write_text

if TYPE_CHECKING:
    from raysq.data.preprocessor import Chunk

Stats = dict[str, Any]

_ROWS = "rows"


@dataclass(frozen=True)
class ChunkRecord:
    """Record of a chunk.

    Attributes:
        name: name of the chunk, unique in its folder.
        folder: folder of the chunk's tables, if they wait on disk.
    """

    name: str
    rows: int
    stats: Stats
    folder: Path

    def read(self, table: str = _ROWS) -> pa.Table:
        """Return a table of the chunk, memory-mapped. It has no batch if there are no rows."""
        return read_table(self._path(table))

    def write(self, name: str, table: pa.Table) -> None:
        """Write a table of the chunk as one batch."""
        try:
            write_table(self._path(name), table)
        except OSError as error:
            raise no_room(error) from None

    def pop(self, table: str) -> pa.Table:
        """Return a table of the chunk and remove it from disk."""
        values = self.read(table)
        self._path(table).unlink()  # mapped data stay readable
        return values

    def _path(self, table: str) -> Path:
        return self.folder / f"{self.name}.{table}"


@dataclass(frozen=True)
class PartitionStats:
    """Statistics recorded while a partition was read.

    Attributes:
        error: the error that ended reading, if any.
    """

    partition: Any
    chunks: list[ChunkRecord]
    error: RaysqError | None = None


class Recorder:
    """Collect the chunks of a partition while they are read."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self.chunks: list[tuple[int, Stats]] = []
        self.error: RaysqError | None = None

    def add(self, chunk: "Chunk") -> None:
        """Record a chunk."""
        self.chunks.append((chunk.table.num_rows, chunk.stats))

    def store(self, chunk: "Chunk") -> None:
        """Record a chunk and write its tables to disk."""
        self.add(chunk)
        if not chunk.table.num_rows:
            return
        record = ChunkRecord(_name(self._number, len(self.chunks) - 1), chunk.table.num_rows, {}, self._folder)
        for name, table in {_ROWS: chunk.table, **chunk.tables}.items():
            record.write(name, table)


@contextlib.contextmanager
def record_stats(folder: Path, number: int, partition: Any) -> Iterator[Recorder]:
    """Record the chunks of a partition, or the error that ends reading, in a file.

    Files are used because Ray Data cannot return statistics besides rows, and would wrap errors in messages of its own.
    """
    recorder = Recorder(folder, number)
    try:
        yield recorder
    except RaysqError as error:
        recorder.error = error
    except OSError as error:
        recorder.error = unreadable(getattr(partition, "path", partition), error)
    failure = base64.b64encode(pickle.dumps(recorder.error)).decode() if recorder.error else None
    # A task that Ray retries writes the same contents.
    write_text(stats_file(folder, number), json.dumps({"chunks": recorder.chunks, "error": failure}), durable=False)


def load_stats(folder: Path, number: int, partition: Any) -> PartitionStats:
    """Return the statistics that `record_stats` recorded for a partition."""
    values = json.loads(stats_file(folder, number).read_text(encoding="utf-8"))
    chunks = [
        ChunkRecord(_name(number, index), rows, stats, folder) for index, (rows, stats) in enumerate(values["chunks"])
    ]
    return PartitionStats(
        partition, chunks, pickle.loads(base64.b64decode(values["error"])) if values["error"] else None
    )


def all_stats(
    folder: Path, partitions: Sequence[Any], records: list[ChunkRecord], results: Iterator[Any] | None = None
) -> Iterator[PartitionStats]:
    """Yield the statistics of each partition in order, and raise the error of the first that could not be read.

    Args:
        records: list that receives the records of all chunks.
        results: results of reading each partition, awaited one by one; None if all partitions have been read.
    """
    for number, partition in enumerate(partitions):
        if results is not None:
            next(results, None)
        stats = load_stats(folder, number, partition)
        records += stats.chunks
        yield stats
        if stats.error is not None:
            raise stats.error


def stats_file(folder: Path, number: int) -> Path:
    """Return the path of a partition's statistics. The file exists once the partition has been read."""
    return folder / f"{number:06d}.json"


def _name(number: int, index: int) -> str:
    return f"{number:06d}-{index:05d}"


@dataclass(frozen=True)
class Slice:
    """Rows `begin` to `end` of a chunk that waits on disk."""

    chunk: ChunkRecord
    begin: int
    end: int

    def read(self) -> pa.Table:
        """Return the rows, memory-mapped."""
        return self.chunk.read().slice(self.begin, self.end - self.begin)


def share_out(chunks: Iterable[ChunkRecord], shard_rows: int) -> list[list[Slice]]:
    """Divide chunks into shards of `shard_rows` rows (the last may have fewer), and return the slices of each."""
    shards: list[list[Slice]] = []
    room = 0
    for chunk in chunks:
        begin = 0
        while begin < chunk.rows:
            if not room:
                shards.append([])
                room = shard_rows
            end = min(chunk.rows, begin + room)
            shards[-1].append(Slice(chunk, begin, end))
            room -= end - begin
            begin = end
    return shards


class Cleanup:
    """Remove the tables of chunks once all shards that read them are written. Call it after each shard, in order."""

    def __init__(self, folder: Path, shards: list[list[Slice]]) -> None:
        last = {part.chunk.name: number for number, shard in enumerate(shards) for part in shard}
        self._files: list[list[Path]] = [[] for _ in shards]
        for path in folder.iterdir():  # list the folder once, because it may have many tables
            number = last.get(path.name.partition(".")[0])
            if number is not None:
                self._files[number].append(path)

    def __call__(self, number: int) -> None:
        for path in self._files[number]:
            path.unlink()


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as one batch. It is not an .npy file, as threads cannot parse the headers of these concurrently."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def read_table(path: Path) -> pa.Table:
    """Return a table, memory-mapped. It has no batch if there are no rows."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def no_room(error: OSError) -> ResourceError:
    """Return the error for a data set that cannot be written."""
    return ResourceError(f"the data set cannot be written: {error.strerror or error}; make room or set RAYSQ_HOME")
