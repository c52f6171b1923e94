"""From running text in raw files to sentences of the words of one vocabulary."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.columns import contiguous_array
from raysq.errors import UsageError
from raysq.text import readers, segment
from raysq.text.documents import DocumentPredictionPreprocessor, DocumentPreprocessor, Documents, Note, damages, many
from raysq.text.readers import Form, Piece
from raysq.text.readers import text as plain
from raysq.text.tokenizer import FILTERS

SUFFIXES = (*plain.SUFFIXES, *(suffix for suffix in readers.SUFFIXES if suffix != ".npz"))
# Keras's filters, and the marks of printed books: quotes, dashes, dots. An apostrophe inside of a word stays.
BOOK_FILTERS = FILTERS + "\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a\u2013\u2014\u2026"


@dataclass(frozen=True)
class _Units(Documents):
    """Documents that are parted into units.

    Attributes:
        unit: what is learned one by one, "sentence", "line", "paragraph", or "document" (a file of plain text, a row of
            a table). A model sees nothing before its beginning.
        starts: what a sentence begins with: a "capital" letter, or "any", so that small letters begin one too; found
            by what follows the first full stops when "find".
    """

    unit: segment.Unit = "sentence"
    starts: segment.Starts = "find"

    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    shard_rows: ClassVar[int] = 1 << 17

    @property
    def form(self) -> Form:
        """How the documents are read."""
        whole = self.unit == "document"
        return Form(self.text, None, self.headers, labels=False, whole=whole, **self.csv_settings())


@dataclass(frozen=True)
class LanguageModelingPreprocessor(_Units, DocumentPreprocessor):
    """How running text becomes sentences of words. The fields are settings.

    Attributes:
        filters: characters that part words; Keras's, and typographic quotes and dashes.
        cut: characters after which a longer unit is cut at a space, so that a text without sentences, lines or
            paragraphs can be learned too.
        counted: "train" counts the vocabulary over the units that are not of the test part; "all" over all.

    The others are those of `_Units`, `DocumentPreprocessor` and `Tokens`; the test part and the excerpts are of
    units, and the checksum is of a unit's letters and digits. Of words, a typographic apostrophe between two letters
    counts as a plain one.
    """

    filters: str = BOOK_FILTERS
    cut: int = 10_000
    counted: Literal["train", "all"] = "train"
    excerpt: int = 300

    version: ClassVar[int] = 2
    vectors: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cut < 1:
            raise UsageError(f"setting cut must be at least 1 character, received {self.cut}")

    def infer_from_texts(self, texts: list[str]) -> tuple[Self, list[str]]:
        """Return the same with what sentences begin with, and messages about the first texts."""
        found, messages = super().infer_from_texts(texts)
        starts, more = segment.infer_starts(self.unit, self.starts, texts)
        return dataclasses.replace(found, starts=starts), [*messages, *more]

    def documents(self, partition: Piece) -> Iterator[tuple[pa.Table, Note]]:
        """Yield the units of one partition: `text`, `part`, `id` and `key`, with statistics of each table."""
        for table, note in super().documents(partition):
            found, told = segment.split(table, note, self.unit, self.cut, self.starts)
            text = contiguous_array(found.column("text"))
            keys = segment.keys(text)
            said = found.column("part").to_numpy()
            part = np.where(said >= 0, said, keys < self.test * 2.0**32).astype(np.int8)
            told["given"] = int((said >= 0).sum())
            found = found.set_column(found.column_names.index("text"), "text", spelled(text, self.level))
            found = found.set_column(found.column_names.index("part"), "part", pa.array(part))
            yield found.append_column("key", pa.array(keys)), told

    def validate_stats(self, stats: list[Note]) -> None:
        """Raise the first error of all chunks.

        Raises:
            DataError: no texts, none to train on, or some that say what is test while others do not.
        """
        from raysq.problems.language_modeling.validation import validate

        super().validate_stats(stats)
        validate(self, stats)

    def summarize(self, stats: list[Note], summary: Note | None = None) -> Note:
        """Return the data set's report."""
        from raysq.problems.language_modeling.validation import summarize

        return summarize(self, stats, summary or {})

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return a report in lines for people."""
        from raysq.problems.language_modeling.validation import describe

        return describe(report)


@dataclass(frozen=True)
class LanguageModelingPredictionPreprocessor(_Units, DocumentPredictionPreprocessor):
    """How raw texts are read for predictions: plain text in units, while a row of a table stays one text."""

    def documents(self, partition: Piece) -> Iterator[tuple[pa.Table, Note]]:
        """Yield the texts of one partition: `text` and `id`."""
        plain = partition.kind == "plain"
        for table, note in super().documents(partition):
            yield segment.split(table, note, self.unit, starts=self.starts) if plain else (table, note)

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return a report in lines for people."""
        return [many(report["documents"], "text", "texts"), *damages(report, "place", "places")]


def spelled(texts: pa.Array, level: str) -> pa.Array:
    """Texts with plain apostrophes inside of words; of characters all stay as they are.

    Args:
        texts: large_string.
        level: "word" or "char".
    """
    if level == "char":
        return texts
    return pc.replace_substring_regex(texts, r"(\p{L})\x{2019}(\p{L})", r"\1'\2")
