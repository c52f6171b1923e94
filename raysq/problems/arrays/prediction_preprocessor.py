"""Preprocessor of raw tables for predictions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysq.data.partition_stats import Stats
from raysq.data.preprocessor import Chunk
from raysq.data.readers import tables
from raysq.data.readers.tables import TablePartition
from raysq.problems.arrays.lines import check_lines, line_stats
from raysq.problems.arrays.preprocessor import TableFormat
from raysq.problems.arrays.raw_rows import input_rows
from raysq.problems.arrays.roles import Column


@dataclass(frozen=True)
class TablePredictionPreprocessor(TableFormat):
    """Read raw tables for predictions: the input columns of a run, as they were read for training.

    Attributes:
        columns: input columns of the run.
    """

    columns: Any = ()

    def infer(self, files: list[Path]) -> "tuple[TablePredictionPreprocessor, list[str]]":
        """Infer the format of csv files."""
        settings, messages = self.with_format(files)
        return settings, messages

    def read(self, partition: TablePartition) -> Iterator[Chunk]:
        """Yield the input columns of a partition.

        Raises:
            DataError: a column is missing.
        """
        columns: list[Column] = list(self.columns)
        names = [column["name"] for column in columns if column["name"] in partition.columns]
        texts = [column["name"] for column in columns if column["kind"] == "category" and column["name"] in names]
        numbers = [name for name in names if name not in texts]
        for chunk in tables.read(partition, texts, numbers, self.csv):
            yield Chunk(input_rows(chunk.table, columns), line_stats(partition, chunk))

    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise DataError for a damaged row."""
        check_lines(stats, self.csv)
