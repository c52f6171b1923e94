"""What reading a partition leaves for `fit_stats`: statistics, tables that wait on disk, or the error it ended with."""

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
    """What was recorded of a chunk.

    Attributes:
        name: of the chunk, unique in its folder.
        rows: number of rows.
        stats: JSON-ready statistics.
        folder: where its tables lie, if they wait on disk.
    """

    name: str
    rows: int
    stats: Stats
    folder: Path

    def read(self, table: str = _ROWS) -> pa.Table:
        """Return a table of the chunk, mapped into memory; without a batch where it has no rows."""
        return read_table(self._path(table))

    def write(self, name: str, table: pa.Table) -> None:
        """Write a table of the chunk as one batch."""
        try:
            write_table(self._path(name), table)
        except OSError as error:
            raise no_room(error) from None

    def pop(self, table: str) -> pa.Table:
        """Return a table and remove it from disk."""
        values = self.read(table)
        self._path(table).unlink()  # what is mapped stays readable
        return values

    def _path(self, table: str) -> Path:
        return self.folder / f"{self.name}.{table}"


@dataclass(frozen=True)
class PartitionStats:
    """What was recorded while a partition was read.

    Attributes:
        partition: the partition.
        chunks: the record of each chunk, in order.
        error: the error with which reading ended.
    """

    partition: Any
    chunks: list[ChunkRecord]
    error: RaysqError | None = None


class Recorder:
    """Takes the chunks of a partition while they are read."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self.chunks: list[tuple[int, Stats]] = []
        self.error: RaysqError | None = None

    def add(self, chunk: "Chunk") -> None:
        """Record a chunk."""
        self.chunks.append((chunk.table.num_rows, chunk.stats))

    def store(self, chunk: "Chunk") -> None:
        """Record a chunk and leave its tables on disk."""
        self.add(chunk)
        if not chunk.table.num_rows:
            return
        record = ChunkRecord(_name(self._number, len(self.chunks) - 1), chunk.table.num_rows, {}, self._folder)
        for name, table in {_ROWS: chunk.table, **chunk.tables}.items():
            record.write(name, table)


@contextlib.contextmanager
def record_stats(folder: Path, number: int, partition: Any) -> Iterator[Recorder]:
    """Record the chunks of a partition, or the error that ends reading it, in a file.

    Statistics go past Ray, which has no place for them, and so do errors, which it would wrap in its own words.

    Args:
        folder: a folder that all nodes see.
        number: of the partition.
        partition: that is read.
    """
    recorder = Recorder(folder, number)
    try:
        yield recorder
    except RaysqError as error:
        recorder.error = error
    except OSError as error:
        recorder.error = unreadable(getattr(partition, "path", partition), error)
    failure = base64.b64encode(pickle.dumps(recorder.error)).decode() if recorder.error else None
    # A task that Ray runs again writes the same.
    write_text(stats_file(folder, number), json.dumps({"chunks": recorder.chunks, "error": failure}), durable=False)


def load_stats(folder: Path, number: int, partition: Any) -> PartitionStats:
    """Return what `record_stats` recorded of a partition."""
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
    """Yield what was recorded of each partition in order, and raise the error of the first that could not be read.

    Args:
        folder: that of `record_stats`.
        partitions: in order.
        records: a list to which the records of all chunks are added.
        results: of reading each, waited for one by one; None where all are read already.
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
    """The file of a partition's statistics, there when the partition is read."""
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
        """Return the rows, mapped into memory."""
        return self.chunk.read().slice(self.begin, self.end - self.begin)


def share_out(chunks: Iterable[ChunkRecord], shard_rows: int) -> list[list[Slice]]:
    """Return the slices of shards of exactly so many rows; the last may have fewer."""
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
    """Removes the tables of chunks when all shards that read them are written; called after each, in order."""

    def __init__(self, folder: Path, shards: list[list[Slice]]) -> None:
        last = {part.chunk.name: number for number, shard in enumerate(shards) for part in shard}
        self._files: list[list[Path]] = [[] for _ in shards]
        for path in folder.iterdir():  # once: a folder of many tables is long
            number = last.get(path.name.partition(".")[0])
            if number is not None:
                self._files[number].append(path)

    def __call__(self, number: int) -> None:
        for path in self._files[number]:
            path.unlink()


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as one batch.

    Not as NumPy's own file, whose head threads cannot parse at once; see `raysq.data.readers.npy`.
    """
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def read_table(path: Path) -> pa.Table:
    """Return a table, mapped into memory; without a batch where it has no rows."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def no_room(error: OSError) -> ResourceError:
    """Return the error of a data set that cannot be written."""
    return ResourceError(f"the data set cannot be written: {error.strerror or error}; make room or set RAYSQ_HOME")
