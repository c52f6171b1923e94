"""Preprocessors of documents, for data sets and for predictions, shared by the problems that learn from texts."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa

from raysq.data.columns import contiguous_array
from raysq.data.messages import Message
from raysq.data.partition_stats import PartitionStats
from raysq.data.preprocessor import Chunk, Preprocessor, Transform
from raysq.data.readers.csv.format import CsvFormat
from raysq.errors import DataError, UsageError
from raysq.text import script
from raysq.text.readers import SUFFIXES, Form, Piece, infer, plan, read, sample
from raysq.text.readers.sniff import is_csv
from raysq.text.tokenizer import Tokens

Note = dict[str, Any]

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

    version: ClassVar[int] = 2
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    trees: ClassVar[bool] = True
    zip_member: ClassVar[str | None] = ".csv"
    shard_rows: ClassVar[int] = 16384  # a document takes about a thousand times the bytes of a row of numbers

    @property
    def form(self) -> Form:
        """Settings for reading the documents."""
        return Form(self.text, None, self.headers, labels=False, **self.csv_settings())

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """Infer the columns and the csv format from the files.

        Args:
            files: the raw files.

        Returns:
            The preprocessor with the inferred settings, and messages that report them.

        Raises:
            DataError: a column does not exist, or cannot be inferred. The message names the option that specifies it.
        """
        form, told, _ = infer(files, self.form)
        label: dict[str, Any] = {"label": form.label} if form.labels else {}
        return dataclasses.replace(self, text=form.text, **label, **form.csv_settings()), told

    def partition(self, files: list[Path]) -> list[Piece]:
        """Return the partitions of the files.

        Args:
            files: the raw files.

        Raises:
            DataError: a file cannot be read as documents.
        """
        return plan(files, self.form)

    def documents(self, partition: Piece) -> Iterator[tuple[pa.Table, Note]]:
        """Yield the documents of one partition as tables, each with its statistics."""
        yield from read(partition, self.form)

    def validate_stats(self, stats: list[Note]) -> None:
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
    """

    test: float = 0.1
    excerpt: int = 400

    labeled: ClassVar[bool] = False
    one_pass: ClassVar[bool] = False

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """Infer settings the user left out from the files.

        Args:
            files: the raw files.

        Returns:
            The preprocessor with the inferred settings, and messages that report them.

        Raises:
            DataError: a setting cannot be inferred. The message names the option that specifies it.
            UsageError: settings of csv files were given for files of another format.
        """
        if not is_csv(files[0]):
            self.refuse_for(files[0].name)
        found, told = super().infer(files)
        found, messages = found.infer_from_texts(sample(files, found.form))
        return found, [*told, *messages]

    def infer_from_texts(self, texts: list[str]) -> tuple[Self, list[str]]:
        """Infer settings from the first texts.

        Args:
            texts: the first texts of the files.

        Returns:
            The preprocessor with the inferred settings, and messages about the texts.
        """
        if self.level == "word" and script.is_unspaced(texts):
            return self, [script.UNSPACED]
        return self, []

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.test < 1:
            raise UsageError(f"setting test must be a share from 0 to below 1, received {self.test}")
        if self.excerpt < 0:
            raise UsageError(f"setting excerpt must be a number of characters, 0 for none, received {self.excerpt}")

    @property
    def tokens(self) -> Tokens:
        """Tokenization of the documents."""
        return self

    def read(self, partition: Piece) -> Iterator[Chunk]:
        """Yield the documents of one partition, with words numbered separately in each chunk."""
        from raysq.text.fit_vocabulary import tokenize_chunk

        for table, note in self.documents(partition):
            yield tokenize_chunk(self, table, note)  # type: ignore[arg-type]  # subclasses implement `Corpus`

    def fit_stats(self, stats: Iterable[PartitionStats], scratch: Path | None = None) -> Transform:
        """Merge the words of all chunks into one vocabulary, and validate the statistics.

        Args:
            stats: statistics of each partition.
            scratch: folder that all nodes can access.

        Raises:
            DataError: the documents cannot be used.
        """
        from raysq.text.fit_vocabulary import fit_vocabulary

        assert scratch is not None
        return fit_vocabulary(self, stats, scratch)  # type: ignore[arg-type]  # as above


@dataclass(frozen=True)
class DocumentPredictionPreprocessor(Documents):
    """Preprocessor of raw documents for predictions, read like the training data, without labels or vocabulary."""

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """Infer the columns from the files, and the delimiter if it is not that of the run's files.

        Args:
            files: the raw files.

        Returns:
            The preprocessor with the inferred settings, and messages that report them.

        Raises:
            DataError: a column does not exist, or cannot be inferred.
        """
        try:
            return super().infer(files)
        except DataError:
            if self.delimiter is None:
                raise
            return dataclasses.replace(self, delimiter=None).infer(files)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Create the preprocessor from the settings of the one that prepared the training data.

        Args:
            settings: settings by name. Those that this class does not have are ignored.
        """
        return cls(**{field.name: settings[field.name] for field in dataclasses.fields(cls) if field.name in settings})

    def read(self, partition: Piece) -> Iterator[Chunk]:
        """Yield the documents of one partition unchanged."""
        for table, note in self.documents(partition):
            yield Chunk(table, note)

    def summarize(self, stats: list[Note], summary: Note | None = None) -> Note:
        """Return the totals of `seen`."""
        return seen(stats)

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return the lines of a summary for the user."""
        return [many(report["documents"], "document", "documents"), *damages(report, "document", "documents")]


def texts_of(table: pa.Table, *names: str | None, what: str = "texts") -> pa.Array:
    """Return the texts of a table to predict, from the first of the named columns that exists.

    Args:
        table: rows from the user.
        names: column names in order of preference. None is skipped.
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


def seen(notes: list[Note]) -> Note:
    """Return totals of the statistics of documents.

    Args:
        notes: statistics of all chunks.

    Returns:
        The counts `documents`, `missing_text` and `ignored`; and `undecodable` and `not_text`, each with its `count`
        and its first `names`.
    """
    return {
        "documents": total(notes, "documents"),
        "undecodable": named(notes, "undecodable"),
        "missing_text": total(notes, "missing_text"),
        "not_text": named(notes, "not_text"),
        "ignored": total(notes, "ignored"),
    }


def damages(report: Mapping[str, Any], one: str, more: str) -> list[str]:
    """Return lines that report problems with the documents.

    Args:
        report: a summary.
        one: singular noun for a document.
        more: plural noun.
    """
    lines: list[str] = []
    broken = report["undecodable"]
    if broken["count"]:
        has = many(broken["count"], f"{one} has", f"{more} have")
        lines.append(
            Message(
                f"{has} bytes that are not of the encoding, which were replaced: {listed(broken)}",
                "--set encoding=latin-1, say, reads another",
            )
        )
    if report.get("missing_text"):
        lines.append(many(report["missing_text"], "row has no text", "rows have no text"))
    # Data sets that were prepared earlier lack these entries, and few problems drop documents.
    if report.get("dropped", {"count": 0})["count"]:
        has = many(
            report["dropped"]["count"],
            f"{one} has no label or no text and is",
            f"{more} have no label or no text and are",
        )
        lines.append(f"{has} left out: {listed(report['dropped'])}")
    if report.get("not_text", {"count": 0})["count"]:
        holds = many(report["not_text"]["count"], "file holds no text and is", "files hold no text and are")
        lines.append(f"{holds} left out: {listed(report['not_text'])}")
    if report.get("ignored"):
        lines.append(
            f"{many(report['ignored'], 'file of the archive is', 'files of the archive are')} left out, {_UNPLACED}"
        )
    return lines


def parts_said(train: int, test: int, validation: int = 0) -> str:
    """Return the sizes of the splits for messages, including the validation split only where the source has one.

    Example:
        >>> parts_said(25000, 25000)
        'train part 25,000, test part 25,000'
    """
    middle = f"validation part {validation:,}, " if validation else ""
    return f"train part {train:,}, {middle}test part {test:,}"


def named(notes: list[Note], name: str) -> Note:
    """Return the `count` and the first `names` of an entry over all statistics.

    Args:
        notes: statistics.
        name: key of the entry. Its value is a list of names, or already shortened to `count` and `names`.
    """
    entries = [note[name] for note in notes]
    counts = [len(entry) if isinstance(entry, list) else entry["count"] for entry in entries]
    names = [one for entry in entries for one in (entry if isinstance(entry, list) else entry["names"])]
    return {"count": sum(counts), "names": names[:_NAMED]}


def listed(entry: Note) -> str:
    """Return the names of an entry of `named`, joined by commas."""
    return ", ".join(entry["names"]) + (", ..." if entry["count"] > len(entry["names"]) else "")


def many(count: int, one: str, more: str) -> str:
    """Return a count with its noun in the singular or plural.

    Example:
        >>> many(1200, "document", "documents")
        '1,200 documents'
    """
    return f"{count:,} {one if count == 1 else more}"


def total(notes: list[Note], name: str) -> int:
    """Return the sum of a count over statistics. Missing counts are 0."""
    return sum(note.get(name, 0) for note in notes)
