"""Preprocessors of word vectors: from raw texts to word codes of one vocabulary."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa

from raysq.data.messages import Message
from raysq.data.partition_stats import Stats
from raysq.data.preprocessor import ValidationPartition
from raysq.errors import DataError
from raysq.text.documents import (
    DocumentPredictionPreprocessor,
    DocumentPreprocessor,
    count_noun,
    describe_damage,
    describe_splits,
    document_totals,
    of_source,
    total,
)
from raysq.text.readers import SUFFIXES, DocumentPartition, text
from raysq.text.segment import Starts, Unit, infer_starts, split
from raysq.text.tokenizer import FILTERS

# Quotation marks, dashes, the ellipsis and the no-break space; then some of these in Windows' code page.
_PRINTED = "\u201c\u201d\u201e\u201f\u2018\u201a\u00ab\u00bb\u2039\u203a\u2013\u2014\u2015\u2026\u00a0"
_PRINTED += "\x85\x91\x93\x94\x96\x97"


@dataclass(frozen=True)
class WordVectorsPreprocessor(DocumentPreprocessor):
    """Turn raw texts into word codes of a vocabulary. The fields are its settings.

    Attributes:
        unit: unit that no window crosses: "document" (in .txt files a paragraph), "paragraph", "line" or "sentence".
        starts: first letter of a sentence, for sentences as unit: "capital", or "any" to accept small letters too.
            "find" infers it from the letters after the first full stops.
        parts: "keep" leaves the source's test part out of training; "join" trains on all parts.

    The other settings are those of `DocumentPreprocessor`, `Documents` and `Tokens`. Typographic quotation marks and
    dashes also separate words, even where text in Windows' code page was decoded as Unicode.
    """

    filters: str = FILTERS + _PRINTED
    unit: Unit = "document"
    starts: Starts = "find"
    parts: Literal["keep", "join"] = "keep"
    test: float = 0.0
    excerpt: int = 0

    version: ClassVar[int] = 2
    suffixes: ClassVar[tuple[str, ...]] = (*text.SUFFIXES, *(suffix for suffix in SUFFIXES if suffix != ".npz"))
    vocabulary_from: ClassVar[Literal["train", "all"]] = "train"
    vectors: ClassVar[str | None] = None

    def infer_from_texts(self, texts: list[str]) -> tuple[Self, list[str]]:
        """Infer `starts` and the settings of `DocumentPreprocessor` from the first texts.

        Returns:
            The completed settings, and messages about what was inferred.
        """
        settings, messages = super().infer_from_texts(texts)
        starts, start_messages = infer_starts(self.unit, self.starts, texts)
        return dataclasses.replace(settings, starts=starts), [*messages, *start_messages]

    def documents(self, partition: DocumentPartition | ValidationPartition) -> Iterator[tuple[pa.Table, Stats]]:
        """Yield tables with the texts of one partition, and the statistics of each."""
        for table, stats in super().documents(partition):
            if self.parts == "join" and not stats.get("validates"):
                unassigned = pa.array([-1] * table.num_rows, pa.int8())
                table = table.set_column(table.column_names.index("part"), "part", unassigned)
            if self.unit != "document" and "text" in table.column_names:
                table, stats = split(table, stats, self.unit, starts=self.starts)
            yield table, stats

    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise the first error of the statistics.

        Raises:
            DataError: if there are no texts or words, there are none to train on, or only some texts specify a part.
        """
        super().validate_stats(stats)
        own = of_source(stats)
        texts, assigned = total(own, "documents"), total(own, "assigned")
        if 0 < assigned < texts:
            first = next(chunk["first_unassigned"] for chunk in own if chunk["first_unassigned"] is not None)
            raise DataError(
                f"{assigned:,} texts say whether they are of the train or the test part and {texts - assigned:,} do "
                f"not, the first is {first}",
                hint="say it of all or of none, or take all with --set parts=join",
            )
        if not total(stats, "tokens"):
            raise DataError(f"none of the {texts:,} texts has a word: look at the file, or at the setting filters")
        if not sum(chunk["parts"][0] for chunk in stats):
            raise DataError(
                f"all {texts:,} texts are of the test part, and there are none to train on",
                hint="--set parts=join takes them, or set a smaller test",
            )

    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return the report of the data set."""
        summary = summary or {}
        return {
            **document_totals(stats),
            "parts": summary["parts"],
            "assigned": bool(total(stats, "assigned")),
            "empty": total(stats, "empty"),
            "tokens": total(stats, "tokens"),
            "words": summary["words"],
            "longest": max(chunk["longest"] for chunk in stats),
            "level": summary["level"],
            "unit": self.unit,
        }

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Describe a report in lines for the user."""
        units = {"document": "texts", "sentence": "sentences", "line": "lines", "paragraph": "paragraphs"}
        train, test, validation = report["parts"]
        lines = [f"{report['documents']:,} {units[report['unit']]}"]
        if test or validation:
            origin, option = "drawn by their checksums", ""
            if report["assigned"]:
                origin, option = "as the source says", "--set parts=join takes all"
            lines.append(Message(f"{describe_splits(train, test, validation)}, {origin}", option))
        if report["empty"]:
            lines.append(f"{report['empty']:,} without words")
        lines += describe_damage(report, "text", "texts")
        unit = "characters" if report["level"] == "char" else "words"
        lines.append(
            f"{report['tokens']:,} {unit}, {report['words']:,} different ones in the vocabulary; the longest text has "
            f"{report['longest']:,}"
        )
        if unit == "words" and 2 * report["words"] > report["tokens"] > 1000:
            lines.append("most words occur once: too little text for word vectors, or one without spaces between words")
        return lines


@dataclass(frozen=True)
class WordVectorsPredictionPreprocessor(DocumentPredictionPreprocessor):
    """Read raw texts for predictions."""

    suffixes: ClassVar[tuple[str, ...]] = WordVectorsPreprocessor.suffixes

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Describe a report in lines for the user."""
        return [count_noun(report["documents"], "text", "texts"), *describe_damage(report, "text", "texts")]
