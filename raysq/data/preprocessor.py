"""Preprocessing protocol: partition -> read -> fit -> transform, run by `raysq.data.pipeline`."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow as pa

from raysq.data import frames
from raysq.data.dataset import SHARD_ROWS
from raysq.data.partition_stats import PartitionStats, Slice, Stats
from raysq.data.readers.limits import without_defaults
from raysq.data.sources import Listing
from raysq.errors import UsageError

Partition = Any
"""Picklable description of a part of the raw files that can be read independently.

A path, or any object. Attributes `path` (for errors) and `size` (bytes, for progress and the choice of an executor) are
used if it has them.
"""


def partition_bytes(partition: Partition) -> int | None:
    """Return the size of a partition in bytes, or None if it is unknown."""
    if isinstance(partition, Path):
        return partition.stat().st_size if partition.is_file() else None
    size: int | None = getattr(partition, "size", None)
    return size


@dataclass(frozen=True)
class ValidationPartition:
    """Partition of the source that validates, where it is given beside the source to train on.

    Attributes:
        partition: partition as `Preprocessor.partition` returns it.
    """

    partition: Partition

    @property
    def path(self) -> Any:
        """Path of the partition, for errors."""
        return getattr(self.partition, "path", self.partition)

    @property
    def size(self) -> int | None:
        """Size of the partition in bytes."""
        return partition_bytes(self.partition)


@dataclass(frozen=True)
class Chunk:
    """Bounded number of rows of a partition.

    Attributes:
        table: the rows.
        stats: JSON-serializable statistics of the rows, such as counts, damage and repairs.
        tables: statistics too large for JSON, by name. They are stored on disk if the rows wait there.
    """

    table: pa.Table
    stats: Stats = field(default_factory=dict)
    tables: Mapping[str, pa.Table] = field(default_factory=dict)


@dataclass(frozen=True)
class Transform:
    """Transform from rows as read to rows of the data set, chosen by `fit_stats`. `Transform()` is the identity.

    Attributes:
        rows: `rows(slices) -> table` transforms the rows of a shard, given as slices of chunks on disk. It runs on
            workers and must be picklable.
        all_rows: `all_rows(table) -> (table, extras, summary)` transforms all rows at once, in memory.
        extras: tables to store beside the rows, by name.
        summary: JSON-serializable argument of `Preprocessor.summarize`.
        preprocessor: preprocessor that reads the partitions again, if the statistics show that this one lost data.
    """

    rows: Callable[[list[Slice]], pa.Table] | None = None
    all_rows: Callable[[pa.Table], tuple[pa.Table, Mapping[str, pa.Table], Stats]] | None = None
    extras: Mapping[str, pa.Table] = field(default_factory=dict)
    summary: Stats | None = None
    preprocessor: "Preprocessor | None" = None


class Preprocessor(ABC):
    """Base class of preprocessors, which convert raw files to the rows of a data set.

    Subclasses are frozen dataclasses whose fields are settings. `partition` and `fit_stats` run in the driver. `read`
    runs on workers, one partition at a time and in any order. It records damage in the statistics instead of raising an
    error. The error then names the first damage in the files, regardless of the order of the workers.

    Attributes:
        version: increased when the same input and settings would give other bytes. 1 at first.
        suffixes: suffixes of supported raw files.
        trees: whether a folder of folders is one source.
        zip_member: suffix of the single file in a zip; None if a zip is an archive of any files.
        listing: tables that may describe the other files of their folder.
        shard_rows: default number of rows per shard.
        later: settings of later versions. They are left out of the fingerprint where they are None, so that those of
            earlier data sets stay the same.
        one_pass: whether the transform is the identity, so that rows are written to shards as they are read. Otherwise
            they wait on disk until all partitions are read and `fit_stats` returns a transform.
    """

    version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]]
    trees: ClassVar[bool] = False
    zip_member: ClassVar[str | None] = None
    listing: ClassVar[Listing | None] = None
    shard_rows: ClassVar[int] = SHARD_ROWS
    later: ClassVar[tuple[str, ...]] = ()
    one_pass: ClassVar[bool] = True

    def to_config(self) -> dict[str, Any]:
        """Return the settings for manifest and fingerprint, without folders of this machine."""
        settings = without_defaults(dataclasses.asdict(self))  # type: ignore[call-overload]  # a dataclass
        unset = [name for name in ("sheet", *self.later) if settings.get(name, "") is None]
        return {name: value for name, value in settings.items() if name not in unset}

    @property
    def source_options(self) -> dict[str, Any]:
        """Arguments of `raysq.data.sources.resolve` that say what the preprocessor reads."""
        return {
            "suffixes": self.suffixes,
            "trees": self.trees,
            "zip_member": self.zip_member,
            "listing": self.listing,
            "write_rows": self.write_rows,
        }

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """Infer settings that the user left out from the files. Return the completed preprocessor and messages."""
        return self, []

    def with_validation(self, files: list[Path], given: Collection[str]) -> tuple[Self, list[str]]:
        """Return the settings for a source beside which another one validates, and messages.

        By default a problem takes no such source. Where it does, `read` also takes a `ValidationPartition`, whose rows
        are of the validation part.

        Args:
            files: files of the source that validates.
            given: names of the settings that the user gave.

        Raises:
            DataError: the files cannot be used beside the source.
            UsageError: the problem takes no such source.
        """
        raise UsageError("this problem takes no --validation: leave it out, and give one --source")

    def infer_overview(self, files: list[Path]) -> tuple[Self, list[str]]:
        """Infer settings that the user left out for `raysq show`, which trains nothing. By default it is `infer`.

        A subclass whose `infer` needs an answer, such as the column to predict, does without one here.
        """
        return self.infer(files)

    def infer_defaults(
        self, settings: Mapping[str, Any], defaults: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        """Infer example settings from the columns, such as a target.

        Args:
            settings: example settings that the user gave.
            defaults: values of the settings that the user left out.

        Raises:
            UsageError: a setting does not fit the columns.
        """
        return {}, []

    def partition(self, files: list[Path]) -> list[Partition]:
        """Divide the files into partitions, in the order of their rows. Raise `DataError` for an unreadable file.

        By default each file is a partition. For rows given in Python to `Predictor.predict`, `files` holds their table.
        """
        return list(files)

    def write_rows(self, rows: Any, folder: Path) -> Path:
        """Write rows given in Python to a file that `partition` takes, named after its contents, and return its path.

        By default it is a Parquet file.

        Args:
            rows: rows as for `raysq.data.frames.to_table`.
            folder: folder of the file.

        Raises:
            UsageError: the rows have other types than they may, or the preprocessor reads no tables.
        """
        if ".parquet" not in self.suffixes:
            raise UsageError(
                f"this problem is not read from rows in memory ({type(rows).__name__}): give a file or folder"
            )
        return frames.to_file(rows, folder)

    @abstractmethod
    def read(self, partition: Partition) -> Iterator[Chunk]:
        """Yield the rows of a partition in chunks, of a `ValidationPartition` too if `with_validation` takes files."""

    def validate_stats(self, stats: list[Stats]) -> None:  # noqa: B027  all data are usable by default
        """Raise DataError for the first unusable data. The statistics are those of all chunks, in order."""

    def fit_stats(self, stats: Iterable[PartitionStats], scratch: Path | None = None) -> Transform:
        """Validate the statistics and return the transform.

        Args:
            stats: statistics of each partition in order, available while later partitions are read. The iterator raises
                the error of a partition that could not be read, after its statistics.
            scratch: folder that all nodes see, for large data of the transform.

        Raises:
            DataError: the raw data cannot be used.
        """
        self.validate_stats([record.stats for partition in stats for record in partition.chunks])
        return Transform()

    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return the data set's report, from the statistics of all chunks in order and the transform's summary.

        It is a JSON-serializable dict, empty by default.
        """
        return {}

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return a report as lines of text. By default there are none."""
        return []
