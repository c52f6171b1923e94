"""Preprocessor of text classification: raw documents to word codes of one vocabulary."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.partition_stats import Stats
from raysq.data.preprocessor import ValidationPartition
from raysq.data.sources import file_checksum
from raysq.errors import UsageError
from raysq.text.documents import DocumentPreprocessor
from raysq.text.readers import DocumentFormat, DocumentPartition, words_of


@dataclass(frozen=True)
class TextClassificationPreprocessor(DocumentPreprocessor):
    """Preprocessor of labeled documents, which become word codes of a vocabulary.

    Attributes:
        label: column of the label; None infers it from the files.
        vocabulary_from: documents in which the vocabulary is counted: "train" excludes the test part, "all" counts all.
        missing: "error" requires a label for every document; "drop" leaves out documents without a label or a text
            and reports them.
        vectors: file of word vectors (GloVe, or word2vec as text; plain, gz or zip) to align to the vocabulary.
        vectors_sha256: checksum of the file of word vectors; None computes it.
        label_separator: separator of the labels of a document that may have several or none, such as "|". The column
            may hold lists of labels too, and `label` may name several columns of 0 and 1, separated by commas. None for
            one label each.
        words_sha256: checksum of the word list that belongs to an npz file; None computes it.

    The other fields are those of `DocumentPreprocessor`, `Documents` and `Tokens`.
    """

    label: str | None = None
    vocabulary_from: Literal["train", "all"] = "train"
    missing: Literal["error", "drop"] = "error"
    vectors: str | None = None
    vectors_sha256: str | None = None
    words_sha256: str | None = None
    label_separator: str | None = None

    version: ClassVar[int] = 3
    labeled: ClassVar[bool] = True
    later: ClassVar[tuple[str, ...]] = (*DocumentPreprocessor.later, "label_separator")

    @property
    def format(self) -> DocumentFormat:
        """Format of the documents in the raw files."""
        columns = {**self.row_columns, "label_separator": self.label_separator}
        return DocumentFormat(self.text, self.label, self.headers, **columns, **self.csv_settings())

    def to_config(self) -> dict[str, Any]:
        """Return the settings for the manifest and the fingerprint, without the folders of this machine."""
        name = None if self.vectors is None else os.path.basename(self.vectors)
        return {**super().to_config(), "vectors": name}

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """Infer settings the user left out from the files, and compute the checksums of word vectors and word lists.

        Raises:
            DataError: a setting cannot be inferred; the message says which one to give.
            SourceError: the file of word vectors is missing or cannot be read.
        """
        preprocessor, messages = super().infer(files)
        if self.label_separator is not None and preprocessor.label is None:
            raise UsageError(
                f"--label-separator is for a column of labels, and {files[0].name} has no columns: leave it out"
            )
        if self.vectors is not None and self.vectors_sha256 is None:
            path = Path(self.vectors).expanduser().absolute()
            digest = file_checksum(path, "--set vectors=FILE names it")
            preprocessor = dataclasses.replace(preprocessor, vectors=str(path), vectors_sha256=digest)
        words = words_of(files)
        if words is not None:
            digest = hashlib.sha256("\n".join(words).encode()).hexdigest()
            preprocessor = dataclasses.replace(preprocessor, words_sha256=digest)
        return preprocessor, messages

    def documents(self, partition: DocumentPartition | ValidationPartition) -> Iterator[tuple[pa.Table, Stats]]:
        """Yield the documents of one partition as tables, with the statistics of each table."""
        for table, stats in super().documents(partition):
            yield _drop_incomplete(table, stats) if self.missing == "drop" else (table, stats)

    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise DataError if documents, words, labels, parts or classes are missing."""
        from raysq.problems.text_classification.validation import validate

        super().validate_stats(stats)
        validate(self, stats)

    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return the data set's report."""
        from raysq.problems.text_classification.validation import summarize

        return summarize(self, stats, summary or {})

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return messages that describe a report."""
        from raysq.problems.text_classification.validation import describe

        return describe(report)


def _drop_incomplete(table: pa.Table, stats: Stats) -> tuple[pa.Table, Stats]:
    """Drop the documents of a table that have no label or no text.

    Returns:
        The remaining documents, and their statistics with the ids of the dropped documents in `dropped`.
    """
    complete = pc.is_valid(table.column("label"))
    if "text" in table.column_names:  # documents of word ranks have no text
        complete = pc.and_(complete, pc.not_equal(pc.utf8_trim_whitespace(table.column("text")), ""))
    kept = table.filter(complete)
    dropped = table.column("id").filter(pc.invert(complete)).to_pylist()
    undecodable = [name for name in stats["undecodable"] if name not in set(dropped)]
    of_kept = {"documents": kept.num_rows, "undecodable": undecodable, "dropped": dropped}
    return kept, {**stats, **of_kept, "missing_text": 0, "missing_label": 0, "first_missing_label": None}
