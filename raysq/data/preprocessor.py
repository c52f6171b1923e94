"""The protocol of preprocessing: partition -> read -> fit -> transform, run by `raysq.data.pipeline`."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow as pa

from raysq.data.dataset import SHARD_ROWS
from raysq.data.partition_stats import PartitionStats, Slice, Stats
from raysq.data.readers.limits import without_defaults
from raysq.data.sources import Listing

Partition = Any
"""Picklable description of a part of the raw files that can be read independently.

Attributes `path` (for errors) and `size` (bytes, for progress and the choice of an executor) are used if it has them.
"""


@dataclass(frozen=True)
class Chunk:
    """Rows of a partition, a bounded number at a time.

    Attributes:
        table: rows.
        stats: JSON-ready statistics of them: what was counted, found damaged or repaired.
        tables: statistics too large for JSON, by name. They are kept on disk where rows wait.
    """

    table: pa.Table
    stats: Stats
    tables: Mapping[str, pa.Table] = field(default_factory=dict)


@dataclass(frozen=True)
class Transform:
    """Rows as they are read to rows of the data set, as `fit_stats` decided. `Transform()` is the identity.

    Attributes:
        rows: `rows(slices) -> table` transforms the rows of a shard, which wait on disk as slices of chunks. Picklable,
            for it runs on workers.
        all_rows: `all_rows(table) -> (table, extras, summary)` transforms all rows at once, in memory.
        extras: tables to store beside the rows, by name.
        summary: JSON-ready, for `Preprocessor.summarize`.
        preprocessor: reads the partitions again instead, where the statistics show that this one lost something.
    """

    rows: Callable[[list[Slice]], pa.Table] | None = None
    all_rows: Callable[[pa.Table], tuple[pa.Table, Mapping[str, pa.Table], Stats]] | None = None
    extras: Mapping[str, pa.Table] = field(default_factory=dict)
    summary: Stats | None = None
    preprocessor: "Preprocessor | None" = None


class Preprocessor(ABC):
    """Raw files to the rows of a data set. Subclasses are frozen dataclasses whose fields are settings.

    `partition` and `fit_stats` run in the driver, `read` on workers, one partition at a time and in any order. Damage
    in the data is recorded in the statistics and not raised, so that the first damage in the files is reported,
    whichever worker meets its own first.

    Attributes:
        version: raised when the same input and settings would give other bytes.
        suffixes: of the raw files that it can read.
        trees: whether a folder of folders is one source.
        zip_member: suffix of the one file in a zip; None where a zip is an archive of any files.
        listing: tables that may describe the other files of their folder.
        shard_rows: rows of a shard by default.
        one_pass: whether the transform is the identity, so that rows go into shards as they are read. Else they wait on
            disk until all partitions are read and `fit_stats` decides about them.
    """

    version: ClassVar[int]
    suffixes: ClassVar[tuple[str, ...]]
    trees: ClassVar[bool] = False
    zip_member: ClassVar[str | None] = None
    listing: ClassVar[Listing | None] = None
    shard_rows: ClassVar[int] = SHARD_ROWS
    one_pass: ClassVar[bool] = True

    def to_config(self) -> dict[str, Any]:
        """Return the settings for manifest and fingerprint, without folders of this machine."""
        return without_defaults(dataclasses.asdict(self))  # type: ignore[call-overload]  # subclasses are dataclasses

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """Return the preprocessor with settings that the user left out inferred from the files, and messages."""
        return self, []

    def infer_defaults(
        self, settings: Mapping[str, Any], defaults: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        """Return settings of examples that follow from the columns (a target, say), and messages.

        Raises:
            UsageError: a setting that does not fit the columns.
        """
        return {}, []

    @abstractmethod
    def partition(self, files: list[Path]) -> list[Partition]:
        """Return the partitions of the files, in the order of their rows.

        Raises:
            DataError: files that cannot be read.
        """

    @abstractmethod
    def read(self, partition: Partition) -> Iterator[Chunk]:
        """Yield the rows of one partition in chunks."""

    @abstractmethod
    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise DataError for the first thing that cannot be used.

        Args:
            stats: of all chunks, in order.
        """

    def fit_stats(self, stats: Iterable[PartitionStats], scratch: Path | None = None) -> Transform:
        """Validate the statistics and decide about the transform.

        Args:
            stats: of each partition in order, while later ones are being read; raises the error of a partition that
                could not be read after its statistics.
            scratch: a folder that all nodes see, for what the transform needs and is large.

        Raises:
            DataError: raw data that cannot be used.
        """
        self.validate_stats([record.stats for partition in stats for record in partition.chunks])
        return Transform()

    @abstractmethod
    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return the data set's report.

        Args:
            stats: of all chunks, in order.
            summary: of the transform.

        Raises:
            DataError: raw data that cannot be used.
        """

    @abstractmethod
    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return a report in lines for people."""
