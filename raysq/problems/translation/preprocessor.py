"""Preprocessors of translation: from raw sentence pairs to word codes of two vocabularies."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.messages import Message
from raysq.data.partition_stats import PartitionStats, Stats
from raysq.data.parts import UNKNOWN, validation_parts
from raysq.data.preprocessor import Chunk, Preprocessor, Transform, ValidationPartition
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.limits import Limits
from raysq.errors import DataError, UsageError
from raysq.problems.translation.layout import (
    LANGUAGES,
    TABLES,
    PairLayout,
    describe_other_languages,
    infer_layout,
    pair_files,
    source_column,
)
from raysq.problems.translation.lines import first_lines, read_pairs
from raysq.problems.translation.partitions import LinePartition, part_of, partition_aligned, partition_tabbed
from raysq.problems.translation.sentences import Language, parted
from raysq.text.documents import count_noun, describe_damage
from raysq.text.readers import DocumentFormat
from raysq.text.readers import partition as partition_documents
from raysq.text.readers import read as read_documents
from raysq.text.readers.infer import refuse_columns
from raysq.text.readers.sniff import head, is_csv
from raysq.text.subwords import VOCAB_SIZE, check_vocab_size, import_tokenizers
from raysq.text.tokenizer import Level

_KINDS = {
    "aligned": "two files, line by line",
    "tabbed": "lines with tabs",
    "table": "the columns of a table",
}


@dataclass(frozen=True)
class TranslationPreprocessor(CsvFormat, Preprocessor):
    """Turn raw sentence pairs into word codes of two vocabularies. The fields are its settings.

    Attributes:
        source: file ending of the source sentences (`ja` for train.ja), or name or number of their column.
        target: the same for the target sentences.
        source_level: "word", "char" to use each character of a source sentence as a word, or "subword" to split words
            into parts that are learned from the training sentences.
        target_level: the same for target sentences.
        lower: convert to lower case.
        punctuation: "apart" makes punctuation marks words of their own. "keep" splits at spaces only, for text that is
            tokenized already. "find" infers one of the two from the sentences.
        normalize: normalize to Unicode's composed form (NFC) first, or "none".
        test: share of pairs drawn for the test part where the source specifies no parts; 0 for none. The draw uses a
            checksum of the source sentence, so equal source sentences stay in the same part.
        layout: how the files hold the pairs; inferred when "find".
        split_column: column of a table that says train, val or test for each pair. Inferred where it is None.
        weight: column of a table with the weight of each pair in the loss, or None.
        group: column of a table whose equal values stay in one split, such as a document; None to keep equal source
            sentences together.
        level: level of both languages; None where `source_level` and `target_level` say it.
        vocab_size: number of subwords of each language at level "subword"; 8,000 where it is None.

    The other settings are those of `CsvFormat`. Bytes outside the encoding are replaced, and the pairs that have them
    are counted and named.
    """

    source: str | None = None
    target: str | None = None
    source_level: Level = "word"
    target_level: Level = "word"
    lower: bool = True
    punctuation: Literal["find", "apart", "keep"] = "find"
    normalize: Literal["NFC", "none"] = "NFC"
    test: float = 0.1
    layout: Literal["find", "aligned", "tabbed", "named", "table"] = "find"
    split_column: str | None = None
    weight: str | None = None
    group: str | None = None
    level: Level | None = None
    vocab_size: int | None = None

    later: ClassVar[tuple[str, ...]] = ("split_column", "weight", "group", "level", "vocab_size")
    version: ClassVar[int] = 3
    zip_member: ClassVar[str | None] = ".csv"
    shard_rows: ClassVar[int] = 65536
    one_pass: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.test < 1:
            raise UsageError(f"setting test must be a share from 0 to below 1, received {self.test}")
        _ = self.document_format  # raises for a wrong encoding or delimiter
        check_vocab_size(self.vocab_size, *filter(None, (self.level, self.source_level, self.target_level)))

    def _with_levels(self) -> "TranslationPreprocessor":
        """Return the settings with the level and the vocabulary size of each side.

        Raises:
            MissingPackageError: subwords need a package that is not installed.
            UsageError: levels contradict each other.
        """
        settings = self
        if self.level is not None:
            for name in ("source_level", "target_level"):
                if getattr(self, name) not in ("word", self.level):
                    raise UsageError(
                        f"setting level={self.level} is that of both languages, received {name}="
                        f"{getattr(self, name)} too: leave one of them out"
                    )
            settings = dataclasses.replace(self, source_level=self.level, target_level=self.level, level=None)
        if "subword" in (settings.source_level, settings.target_level):
            import_tokenizers()
            return dataclasses.replace(settings, vocab_size=settings.vocab_size or VOCAB_SIZE)
        return settings

    @property
    def suffixes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Supported endings of raw files: those of tables and of the two languages."""
        endings = [side.lower() for side in (self.source, self.target) if side is not None and " " not in side]
        return (*TABLES, ".txt", *(f".{ending}" for ending in (endings if len(endings) == 2 else LANGUAGES)))

    @property
    def document_format(self) -> DocumentFormat:
        """Settings for reading tables."""
        row_columns: dict[str, Any] = {"split_column": self.split_column, "weight": self.weight, "group": self.group}
        return DocumentFormat(self.source, self.target, **row_columns, **self.csv_settings())

    @property
    def languages(self) -> tuple[Language, Language]:
        """Tokenizers of the source and the target sentences."""
        apart = self.punctuation == "apart"
        return (
            Language(self.source_level, self.lower, apart, self.normalize),
            Language(self.target_level, self.lower, apart, self.normalize),
        )

    def infer(self, files: list[Path]) -> "tuple[TranslationPreprocessor, list[str]]":
        """Infer settings the user left out from the files.

        Args:
            files: the raw files.

        Returns:
            The completed settings, and messages about what was inferred.

        Raises:
            DataError: if a setting cannot be inferred; the message names the option to give.
        """
        leveled = self._with_levels()
        layout = infer_layout(files, self.source, self.target, self.document_format)
        if layout.kind != "table":
            refuse_columns(files[0].name, self.document_format)
        if layout.kind != "table" or not is_csv(files[0]):
            # Tabbed lines are never parsed for quotes, so quoting=none agrees with them.
            as_set = ("quoting",) if layout.kind == "tabbed" and self.quoting == "none" else ()
            self.refuse_for(files[0].name, "delimiter", *as_set)
        messages = [*layout.messages, *describe_other_languages(files, layout)]
        settings = dataclasses.replace(
            leveled,
            source=layout.source,
            target=layout.target,
            layout="named" if layout.header else layout.kind,
            **(layout.csv.csv_settings() if layout.kind == "table" else {}),
        )
        if self.punctuation == "find":
            tokenized = parted([text for side in settings._first_sentences(files) for text in side])
            settings = dataclasses.replace(settings, punctuation="keep" if tokenized else "apart")
            message = Message(
                "words: punctuation marks are words of their own", "--set punctuation=keep leaves them in words"
            )
            if tokenized:
                option = "--set punctuation=apart parts marks from words"
                message = Message("words: parted in the files already, at spaces", option)
            if {"word", "subword"} & {settings.source_level, settings.target_level}:
                messages.append(message)
        return settings, messages

    def with_validation(self, files: list[Path], given: Collection[str]) -> "tuple[TranslationPreprocessor, list[str]]":
        """Return the settings for pairs beside which others validate, without a test part unless its share was given.

        Raises:
            DataError: the files hold pairs in another way, or in other columns.
        """
        layout = infer_layout(files, self.source, self.target, self.document_format)
        if layout.kind != self._layout().kind:
            raise DataError(
                f"{files[0].name} of --validation holds pairs as {_KINDS[layout.kind]}, and the source as "
                f"{_KINDS[self._layout().kind]}: bring both to one form"
            )
        return self if "test" in given else dataclasses.replace(self, test=0.0), []

    def partition(self, files: list[Path]) -> list[Any]:
        """Return the partitions of the files.

        Raises:
            DataError: if the files cannot be read as sentence pairs.
        """
        layout = self._layout()
        if layout.kind == "aligned":
            return list(partition_aligned(pair_files(files, layout), self.csv))
        if layout.kind == "tabbed":
            return [
                partition
                for path, part in zip(files, _parts(files), strict=True)
                for partition in partition_tabbed(path, layout.columns, self.csv, part, layout.header)
            ]
        return list(partition_documents(files, self.document_format))

    def pairs(self, partition: Any) -> Iterator[tuple[pa.Table, Stats]]:
        """Yield tables with the pairs of one partition, with their statistics.

        The columns are `source`, `target`, `part` and `id`, and `weight` and `group` where they are named.
        """
        if isinstance(partition, ValidationPartition):
            inner = dataclasses.replace(partition.partition, part=UNKNOWN)  # the name of a file does not count
            for table, stats in self.pairs(inner):
                parts = pa.array(validation_parts(table.column("part").to_numpy(), inner.name))
                yield table.set_column(table.column_names.index("part"), "part", parts), {**stats, "validates": True}
            return
        if isinstance(partition, LinePartition):
            yield from read_pairs(partition, self.csv)
            return
        for table, stats in read_documents(partition, self.document_format):
            columns = {"source": table["text"], "target": pc.fill_null(table["label"], "")}
            others = [name for name in ("part", "id", "weight", "group") if name in table.column_names]
            pairs = pa.table({**columns, **{name: table[name] for name in others}})
            yield pairs, {"pairs": stats["documents"], "undecodable": stats["undecodable"], "uneven": []}

    def read(self, partition: Any) -> Iterator[Chunk]:
        """Yield the pairs of one partition in chunks, each with its own numbering of words."""
        from raysq.problems.translation.fit_vocabulary import tokenize_chunk

        for table, stats in self.pairs(partition):
            if table.num_rows:
                yield tokenize_chunk(self, table.combine_chunks(), stats)

    def fit_stats(self, stats: Iterable[PartitionStats], scratch: Path | None = None) -> Transform:
        """Merge the words of all chunks into a vocabulary for each side, and validate the statistics."""
        from raysq.problems.translation.fit_vocabulary import fit_vocabularies

        assert scratch is not None
        return fit_vocabularies(self, stats, scratch)

    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise DataError for data that cannot be used."""
        from raysq.problems.translation.validation import validate

        validate(self, stats)

    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return the report of the data set."""
        from raysq.problems.translation.validation import summarize

        return summarize(self, stats, summary or {})

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Describe a report in lines for the user."""
        from raysq.problems.translation.validation import describe

        return describe(report)

    def _layout(self) -> PairLayout:
        if self.layout == "find" or self.source is None or self.target is None:
            raise RuntimeError("infer comes before partition")
        kind = "tabbed" if self.layout == "named" else self.layout
        return PairLayout(kind, self.source, self.target, self.csv, header=self.layout == "named")

    def _first_sentences(self, files: list[Path]) -> tuple[list[str], ...]:
        """Return the first sentences of both sides."""
        layout = self._layout()
        if layout.kind == "aligned":
            (first, *_) = pair_files(files, layout).values()
            return tuple(first_lines(path, self.encoding) for path in first)
        if layout.kind == "tabbed":
            rows = [line.split("\t") for line in first_lines(files[0], self.encoding)]
            return tuple([row[column] for row in rows if len(row) > column] for column in layout.columns)
        columns = head(files[0], self.document_format)
        return tuple([str(value) for value in columns[name] if value] for name in (layout.source, layout.target))


@dataclass(frozen=True)
class TranslationPredictionPreprocessor(CsvFormat, Preprocessor):
    """Read raw source sentences for translation in the same way as the sentence pairs of the run.

    A text file holds one sentence per line. A table holds the sentences in the run's source column, or in `source`.

    Attributes:
        source: name of the column in files with columns.
        language: name of the run's source side. A column of that name is used where `source` is None.
        tabs: whether a sentence in a text file ends at a tab, as in the files of the run's pairs.

    The other settings are those of `CsvFormat`.
    """

    source: str | None = None
    tabs: bool = False
    language: str | None = None

    version: ClassVar[int] = 3
    zip_member: ClassVar[str | None] = ".csv"
    shard_rows: ClassVar[int] = TranslationPreprocessor.shard_rows
    suffixes: ClassVar[tuple[str, ...]] = (*TABLES, ".txt", *(f".{language}" for language in LANGUAGES))

    @classmethod
    def of(cls, preprocessor: TranslationPreprocessor) -> "TranslationPredictionPreprocessor":
        """Return the preprocessor for predictions that matches the one of the run's pairs."""
        in_tables = preprocessor.layout == "table"
        # The delimiter is inferred for each file. So is the header, unless the pairs came from a table.
        limits = [field.name for field in dataclasses.fields(Limits)]
        names = ("encoding", "quoting", "escape", *limits, *(("header", "skip") if in_tables else ()))
        return cls(
            preprocessor.source if in_tables else None,
            tabs=preprocessor.layout in ("tabbed", "named"),
            language=preprocessor.source,
            **{name: getattr(preprocessor, name) for name in names},
        )

    @property
    def document_format(self) -> DocumentFormat:
        """Settings for reading tables."""
        return DocumentFormat(self.source, None, labels=False, parts=False, **self.csv_settings())

    def infer(self, files: list[Path]) -> "tuple[TranslationPredictionPreprocessor, list[str]]":
        """Infer the column and the delimiter from the files.

        Returns:
            The completed settings, and messages about what was inferred.

        Raises:
            DataError: if no column, or more than one, can hold the sentences.
        """
        from raysq.text.readers import infer

        if not files[0].name.lower().endswith(TABLES):
            return self, []
        if self.source is None:
            source = source_column(files[0], self.document_format, self.language)
            return dataclasses.replace(self, source=source).infer(files)
        format, messages, _ = infer(files, self.document_format)
        return dataclasses.replace(self, source=format.text, **format.csv_settings()), messages

    def partition(self, files: list[Path]) -> list[Any]:
        """Return the partitions of the files.

        Raises:
            DataError: if a file cannot be read.
        """
        partitions: list[Any] = []
        for path in files:
            if path.name.lower().endswith(TABLES):
                partitions += partition_documents([path], self.document_format)
            else:
                partitions += partition_tabbed(path, (0, 0) if self.tabs else None, self.csv, -1, False)
        return partitions

    def read(self, partition: Any) -> Iterator[Chunk]:
        """Yield the sentences of one partition in tables with `source` and `id`."""
        if isinstance(partition, LinePartition):
            tables, column, count = read_pairs(partition, self.csv), "source", "pairs"
        else:
            tables, column, count = read_documents(partition, self.document_format), "text", "documents"
        for table, stats in tables:
            sentences = pa.table({"source": table[column], "id": table["id"]})
            yield Chunk(sentences, {"pairs": stats[count], "undecodable": stats["undecodable"]})

    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise DataError if there are no sentences."""
        if not sum(chunk["pairs"] for chunk in stats):
            raise DataError("the input has no sentences")

    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return the report: `pairs`, and `undecodable` with `count` and the first `names`."""
        from raysq.problems.translation.validation import pair_totals

        return pair_totals(stats)

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Describe a report in lines for the user."""
        return [count_noun(report["pairs"], "sentence", "sentences"), *describe_damage(report, "sentence", "sentences")]


def _parts(files: list[Path]) -> list[int]:
    """Return the part that each file's name specifies; -1 for all unless there are several files and each has one."""
    parts = [part_of(path.name.rpartition(".")[0]) for path in files]
    return parts if len(files) > 1 and -1 not in parts else [-1] * len(files)
