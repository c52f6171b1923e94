"""Preparation pipeline: partition -> read -> fit -> transform -> write, in threads or on Ray Data.

Tasks write their statistics, and rows that wait for the transform, to files. Only rows in transit pass through Ray's
object store. Statistics are processed in the order of the partitions, and shards are cut at fixed row counts. The
result therefore does not depend on the executor or the number of CPUs.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import pyarrow as pa

from raysq import __version__
from raysq.data.dataset import Dataset, Manifest, Shard, schema_entries, write_extra, write_manifest, write_shard
from raysq.data.integrity import stamp
from raysq.data.partition_stats import (
    ChunkRecord,
    Cleanup,
    PartitionStats,
    Slice,
    Stats,
    all_stats,
    no_room,
    record_stats,
    share_out,
)
from raysq.data.preprocessor import Partition, Preprocessor, Transform, ValidationPartition, partition_bytes
from raysq.data.progress import progress
from raysq.data.sources import ResolvedSource, of_validation, same_data
from raysq.distributed.executor import Executor, Halt, choose_executor
from raysq.errors import DataError, ResourceError, SourceError, UsageError
from raysq.storage.atomic import replace_directory, sync

UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class Written:
    """Files of a data set, the schema of its rows, and its report."""

    shards: list[Shard]
    extras: list[Shard]
    schema: pa.Schema
    report: Stats


def build(
    preprocessor: Preprocessor,
    source: ResolvedSource,
    target: Path,
    identity: Mapping[str, str],
    *,
    named: bool = True,
    settings: Mapping[str, Any] | None = None,
    messages: Sequence[str] = (),
    shard_rows: int | None = None,
    cpus: int | None = None,
    quiet: bool = True,
    check: Callable[[Dataset], None] | None = None,
) -> Dataset:
    """Run a preprocessor over raw files and create the data set atomically.

    Args:
        target: directory of the data set, which is replaced if it exists. If `named` is False, `target` is the parent
            folder, and the directory is named after the beginning of the fingerprint. The fingerprint is computed at
            the end, because checksums of large files are computed during preparation.
        identity: `task` and `problem` for the manifest, and `name` if it differs from the directory's.
        shard_rows: rows per shard; None for the preprocessor's default.
        cpus: maximum number of concurrent Ray tasks; None for the number of CPUs. Does not affect the result.

    Raises:
        DataError: the raw data cannot be used.
        ResourceError: there is no cluster, or not enough disk space.
        SourceError: the raw data cannot be read, or a folder cannot be written.
    """
    folder = target.parent if named else target
    shard_rows = rows_of_shard(preprocessor, shard_rows)
    partitions = preprocessor.partition(source.files)
    if source.validation is not None:
        with of_validation():
            partitions += [ValidationPartition(part) for part in preprocessor.partition(source.validation.files)]
    executor = choose_executor([partition_bytes(partition) for partition in partitions], cpus)
    staging = folder / f"{UNFINISHED}{os.getpid()}"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        written = run(preprocessor, partitions, staging, shard_rows, executor, quiet=quiet)
        key = fingerprint(preprocessor, source)
        target = target if named else folder / key[:12]
        identity = {"name": target.name, **identity}
        manifest = manifest_of(written, preprocessor, identity, source.entry(), shard_rows, key, settings, messages)
        write_manifest(staging, manifest)
        if check is not None:
            check(Dataset(staging, manifest, checked=True))
        replace_directory(staging, target, folder / f"{UNFINISHED}old-{target.name}-{os.getpid()}")
        stamp(target, manifest.files)  # the files were hashed while they were written
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"{folder} cannot be written: {error.strerror or error}; make room or set RAYSQ_HOME"
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Dataset.open(target)


def manifest_of(
    written: Written,
    preprocessor: Preprocessor,
    identity: Mapping[str, str],
    source: dict[str, Any],
    shard_rows: int,
    fingerprint: str,
    settings: Mapping[str, Any] | None,
    messages: Sequence[str],
) -> Manifest:
    """Return the manifest of written files.

    Args:
        written: the files.
        preprocessor: the preprocessor that read them.
        identity: `task`, `problem` and `name`.
        source: entry of the raw files.
        shard_rows: rows per shard.
        fingerprint: see `fingerprint`; empty for data that nothing can be trained on.
        settings: settings of the batch source.
        messages: messages about what was inferred.
    """
    return Manifest(
        task=identity["task"],
        problem=identity["problem"],
        name=identity["name"],
        rows=sum(shard.rows for shard in written.shards),
        bytes=sum(shard.bytes for shard in written.shards),
        schema=schema_entries(written.schema),
        shard_rows=shard_rows,
        shards=written.shards,
        source=source,
        preparation={
            "version": preprocessor.version,
            "settings": preprocessor.to_config(),
            "messages": list(messages),
        },
        report=written.report,
        fingerprint=fingerprint,
        versions={"raysq": __version__, "pyarrow": pa.__version__},
        settings=dict(settings or {}),
        extras=written.extras,
    )


def fingerprint(preprocessor: Preprocessor, source: ResolvedSource) -> str:
    """Return a digest of everything that determines a data set's rows. Waits for the checksums of the raw files.

    It covers the bytes and order of the raw files, and the preprocessor's name, settings and version.

    Raises:
        DataError: a file that validates has the bytes of one that trains.
    """
    identity: dict[str, Any] = {
        "files": [file.sha256 for file in source.raw],
        "settings": preprocessor.to_config(),
        "preparation": f"{type(preprocessor).__name__} {preprocessor.version}",
    }
    if source.validation is not None:
        identity["validation"] = [file.sha256 for file in source.validation.raw]
        for file in source.validation.raw:
            if file.sha256 in identity["files"]:
                raise same_data(file.name)
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def rows_of_shard(preprocessor: Preprocessor, rows: int | None = None) -> int:
    """Return the given number of rows per shard, or the preprocessor's default. Raise `UsageError` for less than 1."""
    rows = preprocessor.shard_rows if rows is None else rows
    if rows < 1:
        raise UsageError(f"shard_rows must be at least 1, received {rows}")
    return rows


def run(
    preprocessor: Preprocessor,
    partitions: Sequence[Partition],
    directory: Path,
    shard_rows: int,
    executor: Executor,
    *,
    quiet: bool = True,
) -> Written:
    """Write shards of exactly `shard_rows` rows (the last may have fewer) and the tables beside them.

    Raises:
        DataError: the raw data cannot be used.
        ResourceError: there is no cluster, or not enough disk space.
    """
    scratch = directory / "scratch"
    scratch.mkdir()
    read, calls = ReadPartition(preprocessor, scratch), list(enumerate(partitions))
    records: list[ChunkRecord] = []
    with executor.session():
        write = _Write(scratch, raises=executor.local)
        results = executor.map(read.store, [] if preprocessor.one_pass else calls)
        with progress(partitions, scratch, quiet), contextlib.closing(results):
            entries = executor.rechunk(read, calls, shard_rows, write) if preprocessor.one_pass else []
            transform = preprocessor.fit_stats(all_stats(scratch, partitions, records, results), scratch)
        rows = sum(record.rows for record in records)
        extras, summary = transform.extras, transform.summary
        if transform.preprocessor is None:
            if not rows:
                raise DataError("the source has no rows")
            if transform.all_rows is not None:
                table = pa.concat_tables([record.read() for record in records if record.rows]).combine_chunks()
                table, extras, summary = transform.all_rows(table)
                rows = table.num_rows
                slices = [table.slice(begin, shard_rows) for begin in range(0, rows, shard_rows)]
                entries = [write(number, part) for number, part in enumerate(slices)]
            elif not preprocessor.one_pass:
                entries = _write_chunks(transform, records, scratch, shard_rows, executor)
            shards, schema = _move_shards(entries, rows, shard_rows, scratch, directory)
    shutil.rmtree(scratch)
    if transform.preprocessor is not None:
        return run(transform.preprocessor, partitions, directory, shard_rows, executor, quiet=quiet)
    beside = [write_extra(directory, name, table) for name, table in extras.items()]
    return Written(shards, beside, schema, preprocessor.summarize([record.stats for record in records], summary))


@dataclass(frozen=True)
class ReadPartition:
    """Read a partition and record its statistics, in a folder that all nodes see. Runs on workers."""

    preprocessor: Preprocessor
    scratch: Path

    def __call__(self, number: int, partition: Partition) -> Iterator[pa.Table]:
        """Yield the rows of a partition."""
        with record_stats(self.scratch, number, partition) as recorder:
            for chunk in self.preprocessor.read(partition):
                recorder.add(chunk)
                yield chunk.table
        if recorder.error is not None:
            raise Halt

    def store(self, number: int, partition: Partition) -> None:
        """Write the rows of a partition to disk."""
        with record_stats(self.scratch, number, partition) as recorder:
            for chunk in self.preprocessor.read(partition):
                recorder.store(chunk)


_Entry = tuple[Shard, pa.Schema] | ResourceError


@dataclass(frozen=True)
class _Write:
    """Write rows as a shard, and return its entry and schema. Runs on workers.

    Attributes:
        raises: raise errors; if False, return them, because Ray would wrap an error raised in a task.
    """

    directory: Path
    raises: bool
    synced: bool = True

    def __call__(self, number: int, table: pa.Table) -> _Entry:
        try:
            shard = write_shard(self.directory, number, table, synced=self.synced)
        except OSError as error:
            if self.raises:
                raise no_room(error) from None
            return no_room(error)
        return shard, table.schema


@dataclass(frozen=True)
class _WriteSlices:
    """Transform rows that wait on disk, and write them as a shard. Runs on workers."""

    transform: Callable[[list[Slice]], pa.Table] | None
    write: _Write

    def __call__(self, number: int, slices: list[Slice]) -> _Entry:
        if self.transform is None:
            return self.write(number, pa.concat_tables([part.read() for part in slices]))
        return self.write(number, self.transform(slices))


def _write_chunks(
    transform: Transform, records: list[ChunkRecord], scratch: Path, shard_rows: int, executor: Executor
) -> list[_Entry]:
    """Transform the chunks that wait on disk, and write their rows as shards."""
    shards = share_out(records, shard_rows)
    cleanup = Cleanup(scratch, shards)
    write = _WriteSlices(transform.rows, _Write(scratch, raises=executor.local, synced=not executor.local))
    entries: list[_Entry] = []
    with contextlib.closing(executor.map(write, list(enumerate(shards)))) as results:
        for number, entry in enumerate(results):
            entries.append(entry)
            if executor.local and not isinstance(entry, ResourceError):
                sync(scratch / entry[0].file)  # while threads write the next shards
                cleanup(number)  # not with Ray, which may retry a task
    return entries


def _move_shards(
    entries: list[_Entry], rows: int, shard_rows: int, scratch: Path, directory: Path
) -> tuple[list[Shard], pa.Schema]:
    """Check that the shards cover all rows, number them in order, and move them to the directory."""
    shards: list[Shard] = []
    schema = None
    for entry in entries:
        if isinstance(entry, ResourceError):
            raise entry
        file = f"shard-{len(shards):05d}.arrow"
        os.replace(scratch / entry[0].file, directory / file)
        shards.append(replace(entry[0], file=file))
        schema = entry[1]
    if [shard.rows for shard in shards] != [min(shard_rows, rows - begin) for begin in range(0, rows, shard_rows)]:
        raise RuntimeError(f"shards of {sum(shard.rows for shard in shards):,} rows were cut where {rows:,} were due")
    return shards, schema


P = TypeVar("P", bound=Preprocessor)


@dataclass
class Loaded(Generic[P]):
    """Rows in memory before their transform, with the statistics of all chunks."""

    preprocessor: P
    table: pa.Table
    stats: list[Stats]
    transform: Transform

    def finish(self) -> tuple[pa.Table, Stats]:
        """Return the transformed rows and the report."""
        table, summary = self.table, self.transform.summary
        if self.transform.all_rows is not None:
            table, _, summary = self.transform.all_rows(table)
        return table, self.preprocessor.summarize(self.stats, summary)


def load(preprocessor: P, files: "Sequence[Path | pa.Table]") -> Loaded[P]:
    """Read raw files into memory, in this process.

    Raises:
        DataError: the raw data cannot be used.
    """
    tables, stats = [], []
    for number, partition in enumerate(preprocessor.partition(list(files))):
        chunks = list(preprocessor.read(partition))
        tables += [chunk.table for chunk in chunks]
        records = [ChunkRecord(f"{number}", chunk.table.num_rows, chunk.stats, Path()) for chunk in chunks]
        stats.append(PartitionStats(partition, records))
    transform = preprocessor.fit_stats(iter(stats))
    if transform.preprocessor is not None:
        return load(cast(P, transform.preprocessor), files)
    if not tables:
        raise DataError("the source has no rows")
    flat = [record.stats for partition in stats for record in partition.chunks]
    return Loaded(preprocessor, pa.concat_tables(tables), flat, transform)


def read_table(
    preprocessor: Preprocessor, files: "Sequence[Path | pa.Table]", *, inferred: bool = False
) -> tuple[pa.Table, Stats]:
    """Return the rows and the report of raw files, read into memory in this process, as for predictions."""
    if not inferred:
        preprocessor, _ = preprocessor.infer(list(files))
    return load(preprocessor, files).finish()
