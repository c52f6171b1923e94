"""Preprocessors of documents, for data sets and for predictions, shared by the problems that learn from texts."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa

from raysq.data.columns import contiguous_array
from raysq.data.messages import Message
from raysq.data.partition_stats import PartitionStats, Stats
from raysq.data.parts import UNKNOWN, refuse_second_validation, require_weight, validation_parts
from raysq.data.preprocessor import Chunk, Preprocessor, Transform, ValidationPartition
from raysq.data.readers.csv.format import CsvFormat
from raysq.errors import DataError, UsageError
from raysq.text import script
from raysq.text.readers import SUFFIXES, DocumentFormat, DocumentPartition, infer, read, sample
from raysq.text.readers import partition as partition_files
from raysq.text.readers.sniff import is_csv
from raysq.text.tokenizer import Tokens

_NAMED = 5
_UNPLACED = "as they belong to no class, or are hidden or written by the system"


@dataclass(frozen=True)
class Documents(CsvFormat, Preprocessor):
    """Documents in files of any format that `raysq.text.readers` supports.

    Attributes:
        text: name of the text column, in files that have columns. Inferred when None.
        headers: "drop" removes everything up to the first empty line of a document, such as the header of an email.

    The other fields are those of `CsvFormat`. Bytes that are invalid in the encoding are replaced; the documents that
    hold them are counted and reported.
    """

    text: str | None = None
    headers: Literal["keep", "drop"] = "keep"

    has_parts: ClassVar[bool] = True  # whether rows are assigned to splits
    version: ClassVar[int] = 2
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    trees: ClassVar[bool] = True
    zip_member: ClassVar[str | None] = ".csv"
    shard_rows: ClassVar[int] = 16384  # a document takes about a thousand times the bytes of a row of numbers

    @property
    def format(self) -> DocumentFormat:
        """Settings for reading the documents."""
        return DocumentFormat(self.text, None, self.headers, labels=False, parts=self.has_parts, **self.csv_settings())

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """Infer the columns and the csv format from the files.

        Raises:
            DataError: a column does not exist, or cannot be inferred. The message names the option that specifies it.
        """
        format, messages, _ = infer(files, self.format)
        label: dict[str, Any] = {"label": format.label} if format.labels else {}
        return dataclasses.replace(self, text=format.text, **label, **format.csv_settings()), messages

    def partition(self, files: list[Path]) -> list[DocumentPartition]:
        """Return the partitions of the files, or raise `DataError` for one that cannot be read as documents."""
        return partition_files(files, self.format)

    def documents(self, partition: DocumentPartition | ValidationPartition) -> Iterator[tuple[pa.Table, Stats]]:
        """Yield the documents of one partition as tables, each with its statistics.

        Those of a `ValidationPartition` are of the validation part, and their statistics have `validates`.
        """
        if not isinstance(partition, ValidationPartition):
            yield from read(partition, self.format)
            return
        inner = dataclasses.replace(partition.partition, part=UNKNOWN)  # the name of a file does not count
        for table, stats in read(inner, self.format):
            parts = validation_parts(table.column("part").to_numpy(), inner.name)
            table = table.set_column(table.column_names.index("part"), "part", pa.array(parts))
            yield table, {**stats, "validates": True}

    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise DataError if there are no documents."""
        if not total(stats, "documents"):
            raise DataError("the source has no documents", hint="give another --source")


@dataclass(frozen=True)
class DocumentPreprocessor(Documents, Tokens):
    """Preprocessor of documents whose words are numbered by one vocabulary.

    Attributes:
        test: share of the documents to draw for the test split, where the source does not specify splits; 0 for none.
            Documents are drawn by a checksum of the text, so that equal texts are never in different splits.
        excerpt: number of characters of every document to keep for reports.
        split_column: column that says train, val or test for each document. Inferred where it is None.
        weight: column of the weight of each document in the loss, or None.
        group: column whose equal values stay in one split; None to keep equal texts together.
    """

    test: float = 0.1
    excerpt: int = 400
    split_column: str | None = None
    weight: str | None = None
    group: str | None = None

    labeled: ClassVar[bool] = False
    subword_level: ClassVar[bool] = False  # whether words may be split
    one_pass: ClassVar[bool] = False
    later: ClassVar[tuple[str, ...]] = ("split_column", "weight", "group")

    @property
    def format(self) -> DocumentFormat:
        """Settings for reading the documents."""
        return dataclasses.replace(super().format, **self.row_columns)

    @property
    def row_columns(self) -> dict[str, Any]:
        """Columns of splits, weights and groups."""
        return {"split_column": self.split_column, "weight": self.weight, "group": self.group}

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """Infer settings the user left out from the files.

        Raises:
            DataError: a setting cannot be inferred. The message names the option that specifies it.
            UsageError: settings of csv files were given for files of another format.
        """
        if not is_csv(files[0]):
            self.refuse_for(files[0].name)
        preprocessor, of_format = super().infer(files)
        preprocessor, of_texts = preprocessor.infer_from_texts(sample(files, preprocessor.format))
        return preprocessor, [*of_format, *of_texts]

    def infer_from_texts(self, texts: list[str]) -> tuple[Self, list[str]]:
        """Infer settings from the first texts of the files. Return the preprocessor, and messages about the texts."""
        if self.level == "word" and script.is_unspaced(texts):
            return self, [script.UNSPACED]
        return self, []

    def with_validation(self, files: list[Path], given: Collection[str]) -> tuple[Self, list[str]]:
        """Return the settings for a source beside which another one validates, and no messages.

        No test part is drawn unless the user gave the share.

        Raises:
            DataError: the files lack a column.
        """
        infer(files, self.format)
        return self if "test" in given else dataclasses.replace(self, test=0.0), []

    def validate_stats(self, stats: list[Stats]) -> None:
        """Raise DataError if there are no documents, none to validate on in their source, or none of any weight."""
        super().validate_stats(stats)
        validating = [chunk for chunk in stats if chunk.get("validates")]
        if validating:
            if not total(validating, "documents"):
                raise DataError("the source of --validation has no documents", hint="give another --validation")
            own = sum(chunk["parts"][2] for chunk in stats if not chunk.get("validates"))
            refuse_second_validation(own, "document")
        if self.weight is not None:
            require_weight(max(chunk.get("heaviest", 0) for chunk in stats), self.weight)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.test < 1:
            raise UsageError(f"setting test must be a share from 0 to below 1, received {self.test}")
        if self.level == "subword" and not self.subword_level:
            raise UsageError("setting level must be word or char here, received subword: translation and text have it")
        if self.excerpt < 0:
            raise UsageError(f"setting excerpt must be a number of characters, 0 for none, received {self.excerpt}")

    @property
    def subword_count(self) -> int | None:
        """Maximum number of subwords; None where words are not split."""
        return None

    @property
    def tokens(self) -> Tokens:
        """Tokenization of the documents."""
        return self

    def read(self, partition: DocumentPartition) -> Iterator[Chunk]:
        """Yield the documents of one partition, with words numbered separately in each chunk."""
        from raysq.text.fit_vocabulary import tokenize_chunk

        for table, stats in self.documents(partition):
            yield tokenize_chunk(self, table, stats)  # type: ignore[arg-type]  # subclasses implement `Corpus`

    def fit_stats(self, stats: Iterable[PartitionStats], scratch: Path | None = None) -> Transform:
        """Merge the words of all chunks into one vocabulary, and validate the statistics."""
        from raysq.text.fit_vocabulary import fit_vocabulary

        assert scratch is not None
        return fit_vocabulary(self, stats, scratch)  # type: ignore[arg-type]  # as above


@dataclass(frozen=True)
class DocumentPredictionPreprocessor(Documents):
    """Preprocessor of raw documents for predictions, read like the training data, without labels or vocabulary."""

    has_parts: ClassVar[bool] = False

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """Infer the columns from the files, and the delimiter if it is not that of the run's files."""
        try:
            return super().infer(files)
        except DataError:
            if self.delimiter is None:
                raise
            return dataclasses.replace(self, delimiter=None).infer(files)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Create from the settings of the preprocessor of the training data. Settings of other classes are ignored."""
        return cls(**{field.name: settings[field.name] for field in dataclasses.fields(cls) if field.name in settings})

    def read(self, partition: DocumentPartition) -> Iterator[Chunk]:
        """Yield the documents of one partition unchanged."""
        for table, stats in self.documents(partition):
            yield Chunk(table, stats)

    def summarize(self, stats: list[Stats], summary: Stats | None = None) -> Stats:
        """Return the totals of `document_totals`."""
        return document_totals(stats)

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return the lines of a summary for the user."""
        return [
            count_noun(report["documents"], "document", "documents"),
            *describe_damage(report, "document", "documents"),
        ]


def of_source(stats: list[Stats]) -> list[Stats]:
    """Return the statistics without those of the source that validates."""
    return [chunk for chunk in stats if not chunk.get("validates")]


def texts_of(table: pa.Table, *names: str | None, what: str = "texts") -> pa.Array:
    """Return the texts of a table to predict, from the first of the named columns that exists.

    Args:
        what: expected content of the column, for the error.

    Returns:
        large_string, with nulls replaced by "".

    Raises:
        DataError: none of the columns exists, or the column does not hold text.
    """
    named = [name for name in names if name in table.column_names]
    if not named:
        wanted = " or ".join(repr(name) for name in dict.fromkeys(names) if name is not None)
        raise DataError(f"the rows lack a column {wanted} of {what}; there are {', '.join(table.column_names)}")
    column = table.column(named[0])
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_null(column.type)):
        raise DataError(f"column {named[0]!r} holds {column.type}, not {what}")
    return contiguous_array(column.cast(pa.large_string()).fill_null(""))


def document_totals(stats: list[Stats]) -> Stats:
    """Return totals of the statistics of documents."""
    return {
        "documents": total(stats, "documents"),
        "undecodable": name_some(stats, "undecodable"),
        "missing_text": total(stats, "missing_text"),
        "not_text": name_some(stats, "not_text"),
        "ignored": total(stats, "ignored"),
    }


def describe_damage(report: Mapping[str, Any], singular: str, plural: str) -> list[str]:
    """Return lines that report problems with the documents, from the report of a data set."""
    lines: list[str] = []
    broken = report["undecodable"]
    if broken["count"]:
        has = count_noun(broken["count"], f"{singular} has", f"{plural} have")
        lines.append(
            Message(
                f"{has} bytes that are not of the encoding, which were replaced: {join_named(broken)}",
                "--set encoding=latin-1, say, reads another",
            )
        )
    if report.get("missing_text"):
        lines.append(count_noun(report["missing_text"], "row has no text", "rows have no text"))
    # Few problems drop documents, or read files without text.
    if report.get("dropped", {"count": 0})["count"]:
        has = count_noun(
            report["dropped"]["count"],
            f"{singular} has no label or no text and is",
            f"{plural} have no label or no text and are",
        )
        lines.append(f"{has} left out: {join_named(report['dropped'])}")
    if report.get("not_text", {"count": 0})["count"]:
        holds = count_noun(report["not_text"]["count"], "file holds no text and is", "files hold no text and are")
        lines.append(f"{holds} left out: {join_named(report['not_text'])}")
    if report.get("ignored"):
        lines.append(
            f"{count_noun(report['ignored'], 'file of the archive is', 'files of the archive are')} left out, "
            f"{_UNPLACED}"
        )
    return lines


def describe_splits(train: int, test: int, validation: int = 0) -> str:
    """Return the sizes of the splits for messages, including the validation split only where the source has one.

    Example:
        >>> describe_splits(25000, 25000)
        'train part 25,000, test part 25,000'
    """
    middle = f"validation part {validation:,}, " if validation else ""
    return f"train part {train:,}, {middle}test part {test:,}"


def drawn_by(report: Mapping[str, Any], noun: str) -> str:
    """Return what parts are drawn by, from the report of a data set: the checksums of its groups or of its texts."""
    return f"the checksums of {report['group']}" if report.get("group") else f"the {noun}' checksums"


def describe_groups(report: Mapping[str, Any], noun: str) -> list[str]:
    """Return the message about documents without a group, from the report of a data set."""
    if not report.get("ungrouped"):
        return []
    return [f"{report['ungrouped']:,} {noun} have no {report['group']}: they stay together as one group"]


def name_some(stats: list[Stats], name: str) -> Stats:
    """Return the `count` and the first `names` of an entry over all statistics.

    Its values are lists of names, or already shortened to `count` and `names`.
    """
    entries = [chunk[name] for chunk in stats]
    counts = [len(entry) if isinstance(entry, list) else entry["count"] for entry in entries]
    names = [name for entry in entries for name in (entry if isinstance(entry, list) else entry["names"])]
    return {"count": sum(counts), "names": names[:_NAMED]}


def join_named(entry: Stats) -> str:
    """Return the names of an entry of `name_some`, joined by commas."""
    return ", ".join(entry["names"]) + (", ..." if entry["count"] > len(entry["names"]) else "")


def count_noun(count: int, singular: str, plural: str) -> str:
    """Return a count with its noun in the singular or plural.

    Example:
        >>> count_noun(1200, "document", "documents")
        '1,200 documents'
    """
    return f"{count:,} {singular if count == 1 else plural}"


def total(stats: list[Stats], name: str) -> int:
    """Return the sum of a count over statistics. Missing counts are 0."""
    return sum(chunk.get(name, 0) for chunk in stats)
