"""Preprocessor of language modeling: running text to sentences of word codes of one vocabulary."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.columns import contiguous_array
from raysq.data.partition_stats import Stats
from raysq.data.preprocessor import ValidationPartition
from raysq.errors import UsageError
from raysq.text import readers, segment
from raysq.text.documents import (
    DocumentPredictionPreprocessor,
    DocumentPreprocessor,
    Documents,
    count_noun,
    describe_damage,
)
from raysq.text.fit_vocabulary import group_keys
from raysq.text.readers import DocumentFormat, DocumentPartition
from raysq.text.readers import text as plain
from raysq.text.subwords import VOCAB_SIZE, check_vocab_size, import_tokenizers
from raysq.text.tokenizer import FILTERS

SUFFIXES = (*plain.SUFFIXES, *(suffix for suffix in readers.SUFFIXES if suffix != ".npz"))
# Keras's filters and the typographic punctuation of books: quotes, dashes, ellipsis. The plain apostrophe is not a
# filter, so it stays inside of words.
BOOK_FILTERS = FILTERS + "\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a\u2013\u2014\u2026"


@dataclass(frozen=True)
class _Units(Documents):
    """Settings that split documents into units.

    Attributes:
        unit: segment that forms one training sequence: "sentence", "line", "paragraph", or "document" (a file of plain
            text, a row of a table). No context crosses the beginning of a unit.
        starts: first letter of a sentence: "capital", or "any" to accept small letters too; "find" infers it from the
            letters after the first full stops.
    """

    unit: segment.Unit = "sentence"
    starts: segment.Starts = "find"

    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    shard_rows: ClassVar[int] = 1 << 17

    @property
    def format(self) -> DocumentFormat:
        """Format of the documents in the raw files."""
        whole = self.unit == "document"
        return DocumentFormat(
            self.text,
            None,
            self.headers,
            labels=False,
            one_document=whole,
            parts=self.has_parts,
            **self.csv_settings(),
        )


@dataclass(frozen=True)
class LanguageModelingPreprocessor(_Units, DocumentPreprocessor):
    """Settings that turn running text into sentences of word codes.

    Attributes:
        filters: characters that separate words; by default those of Keras and typographic quotes and dashes.
        cut: longest unit, in characters. Longer units are cut at a space, so that text without sentences, lines or
            paragraphs can be used too.
        vocabulary_from: units in which the vocabulary is counted: "train" excludes the test part, "all" counts all.
        excerpt: characters of every unit to keep for reports.
        vocab_size: number of subwords at level "subword"; 8,000 where it is None.

    The other fields are those of `_Units`, `DocumentPreprocessor` and `Tokens`. The test part is drawn from units, by a
    checksum of their letters and digits. At the levels "word" and "subword", a typographic apostrophe between two
    letters is replaced by a plain one.
    """

    filters: str = BOOK_FILTERS
    cut: int = 10_000
    vocabulary_from: Literal["train", "all"] = "train"
    excerpt: int = 300
    vocab_size: int | None = None

    later: ClassVar[tuple[str, ...]] = (*DocumentPreprocessor.later, "vocab_size")
    subword_level: ClassVar[bool] = True
    version: ClassVar[int] = 2
    vectors: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cut < 1:
            raise UsageError(f"setting cut must be at least 1 character, received {self.cut}")
        check_vocab_size(self.vocab_size, self.level)

    @property
    def subword_count(self) -> int | None:
        """Maximum number of subwords; None where words are not split."""
        return (self.vocab_size or VOCAB_SIZE) if self.level == "subword" else None

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """Infer settings the user left out, the number of subwords among them.

        Raises:
            MissingPackageError: subwords need a package that is not installed.
        """
        if self.level == "subword":
            import_tokenizers()
        preprocessor, messages = super().infer(files)
        return dataclasses.replace(preprocessor, vocab_size=preprocessor.subword_count), messages

    def infer_from_texts(self, texts: list[str]) -> tuple[Self, list[str]]:
        """Infer how sentences begin from the first texts. Return the preprocessor, and messages about the texts."""
        preprocessor, messages = super().infer_from_texts(texts)
        starts, of_starts = segment.infer_starts(self.unit, self.starts, texts)
        return dataclasses.replace(preprocessor, starts=starts), [*messages, *of_starts]

    @property
    def format(self) -> DocumentFormat:
        """Format of the documents in the raw files."""
        return dataclasses.replace(super().format, **self.row_columns)

    def documents(self, partition: DocumentPartition | ValidationPartition) -> Iterator[tuple[pa.Table, Stats]]:
        """Yield the units of one partition as tables, with the statistics of each table.

        The tables have the columns `text`, `part`, `id` and `key`, and `weight` and `group` where they are named. Units
        have the weight and the group of their row.
        """
        for table, stats in super().documents(partition):
            units, unit_stats = segment.split(table, stats, self.unit, self.cut, self.starts)
            text = contiguous_array(units.column("text"))
            keys = drawn_by = segment.keys(text)
            if "group" in units.column_names:
                drawn_by = group_keys(contiguous_array(units.column("group")))
            given = units.column("part").to_numpy()
            part = np.where(given >= 0, given, drawn_by < self.test * 2.0**32).astype(np.int8)
            unit_stats["given"] = int((given >= 0).sum())
            units = units.set_column(units.column_names.index("text"), "text", spelled(text, self.level))
            units = units.set_column(units.column_names.index("part"), "part", pa.array(part))
            yield units.append_column("key", pa.array(keys)), unit_stats

    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise DataError if words, units to train on or parts are missing."""
        from raysq.problems.language_modeling.validation import validate

        super().validate_stats(stats)
        validate(self, stats)

    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return the data set's report."""
        from raysq.problems.language_modeling.validation import summarize

        return summarize(self, stats, summary or {})

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return messages that describe a report."""
        from raysq.problems.language_modeling.validation import describe

        return describe(report)


@dataclass(frozen=True)
class LanguageModelingPredictionPreprocessor(_Units, DocumentPredictionPreprocessor):
    """Preprocessor of raw texts for prediction: splits plain text into units and keeps table rows whole."""

    def documents(self, partition: DocumentPartition | ValidationPartition) -> Iterator[tuple[pa.Table, Stats]]:
        """Yield the texts of one partition as tables with `text` and `id`, with the statistics of each table."""
        plain = isinstance(partition, DocumentPartition) and partition.kind == "plain"
        for table, stats in super().documents(partition):
            yield segment.split(table, stats, self.unit, starts=self.starts) if plain else (table, stats)

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return messages that describe a report."""
        return [count_noun(report["documents"], "text", "texts"), *describe_damage(report, "place", "places")]


def spelled(texts: pa.Array, level: str) -> pa.Array:
    """Replace typographic apostrophes between two letters by plain ones.

    Args:
        texts: large_string array.
        level: "word", "subword", or "char", which leaves the texts unchanged.
    """
    if level == "char":
        return texts
    return pc.replace_substring_regex(texts, r"(\p{L})\x{2019}(\p{L})", r"\1'\2")
