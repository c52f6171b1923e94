"""Preparations of documents, and readings of documents for predictions: what the problems that learn of texts share."""

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
    """Documents in files of any format that `raysq.text.readers` knows.

    Attributes:
        text: column of the text, in files that have columns; found in them when none.
        headers: "drop" leaves out what stands above a document's first empty line, as the header of a mail.

    The others are those of `CsvFormat`; bytes that are not of the encoding are replaced, and the documents counted and
    named.
    """

    text: str | None = None
    headers: Literal["keep", "drop"] = "keep"

    version: ClassVar[int] = 2
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    trees: ClassVar[bool] = True
    zip_member: ClassVar[str | None] = ".csv"
    shard_rows: ClassVar[int] = 16384  # a document is a thousand times a row of numbers

    @property
    def form(self) -> Form:
        """How the documents are read."""
        return Form(self.text, None, self.headers, labels=False, **self.csv_settings())

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """The same with the columns and how csv files are written found in the files, and what was found, in lines.

        Raises:
            DataError: no such column, or none that can be the one; the message says what to say.
        """
        form, told, _ = infer(files, self.form)
        label: dict[str, Any] = {"label": form.label} if form.labels else {}
        return dataclasses.replace(self, text=form.text, **label, **form.csv_settings()), told

    def partition(self, files: list[Path]) -> list[Piece]:
        """Return the partitions of the files.

        Raises:
            DataError: a file that cannot be read as documents.
        """
        return plan(files, self.form)

    def documents(self, partition: Piece) -> Iterator[tuple[pa.Table, Note]]:
        """Yield the documents of one partition in tables, with statistics of each."""
        yield from read(partition, self.form)

    def validate_stats(self, stats: list[Note]) -> None:
        """Raise DataError if there are no documents."""
        if not total(stats, "documents"):
            raise DataError("the source has no documents", hint="give another --source")


@dataclass(frozen=True)
class DocumentPreprocessor(Documents, Tokens):
    """Documents that become words of one vocabulary.

    Attributes:
        test: share of the documents that are drawn for the test part where the source does not say which they are; by
            a checksum of the text, so that equal texts never lie on both sides. 0 for none.
        excerpt: characters of every document to keep for reports.
    """

    test: float = 0.1
    excerpt: int = 400

    labeled: ClassVar[bool] = False
    one_pass: ClassVar[bool] = False

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """The same with what was not said found in the files, and what was found, in lines.

        Raises:
            DataError: something cannot be found; the message says what to say.
            UsageError: settings of csv files, for others.
        """
        if not is_csv(files[0]):
            self.refuse_for(files[0].name)
        found, told = super().infer(files)
        found, messages = found.infer_from_texts(sample(files, found.form))
        return found, [*told, *messages]

    def infer_from_texts(self, texts: list[str]) -> tuple[Self, list[str]]:
        """Return the same with what the first texts tell, and messages about them."""
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
        """How the documents are parted into words."""
        return self

    def read(self, partition: Piece) -> Iterator[Chunk]:
        """Yield the documents of one partition as numbers of the words of each chunk."""
        from raysq.text.fit_vocabulary import tokenize_chunk

        for table, note in self.documents(partition):
            yield tokenize_chunk(self, table, note)  # type: ignore[arg-type]  # a problem's own class is a whole `Corpus`

    def fit_stats(self, stats: Iterable[PartitionStats], scratch: Path | None = None) -> Transform:
        """Merge the words of all chunks into one vocabulary, and validate."""
        from raysq.text.fit_vocabulary import fit_vocabulary

        assert scratch is not None
        return fit_vocabulary(self, stats, scratch)  # type: ignore[arg-type]  # likewise


@dataclass(frozen=True)
class DocumentPredictionPreprocessor(Documents):
    """How raw documents are read for predictions: as those that a run was trained on, without labels or vocabulary."""

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """The same with the columns found in the files, and the delimiter too where it is not that of the run's files.

        Raises:
            DataError: no such column, or none that can be the one.
        """
        try:
            return super().infer(files)
        except DataError:
            if self.delimiter is None:
                raise
            return dataclasses.replace(self, delimiter=None).infer(files)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """That which reads files like those of a preparation with these settings."""
        return cls(**{field.name: settings[field.name] for field in dataclasses.fields(cls) if field.name in settings})

    def read(self, partition: Piece) -> Iterator[Chunk]:
        """Yield the documents of one partition as they are."""
        for table, note in self.documents(partition):
            yield Chunk(table, note)

    def summarize(self, stats: list[Note], summary: Note | None = None) -> Note:
        """Return what `seen` counts."""
        return seen(stats)

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return a report in lines for people."""
        return [many(report["documents"], "document", "documents"), *damages(report, "document", "documents")]


def texts_of(table: pa.Table, *names: str | None, what: str = "texts") -> pa.Array:
    """The texts of a table to predict, nulls as empty ones: the first of the named columns that is there.

    Args:
        table: rows of a person's own.
        names: of columns; None names none.
        what: it should hold, for the error.

    Raises:
        DataError: no such column, or one of something else.
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
    """`documents`, `undecodable` and `not_text` (`count`, and the first `names`), `missing_text` and `ignored`, of all
    notes."""
    return {
        "documents": total(notes, "documents"),
        "undecodable": named(notes, "undecodable"),
        "missing_text": total(notes, "missing_text"),
        "not_text": named(notes, "not_text"),
        "ignored": total(notes, "ignored"),
    }


def damages(report: Mapping[str, Any], one: str, more: str) -> list[str]:
    """What is wrong with the documents of a report, in lines; `one` and `more` are what they are called."""
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
    # Data that were prepared earlier do not have these, and few problems drop documents.
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
    """The sizes of the parts, for people; a validation part only where the source has one."""
    middle = f"validation part {validation:,}, " if validation else ""
    return f"train part {train:,}, {middle}test part {test:,}"


def named(notes: list[Note], name: str) -> Note:
    """`count`, and the first `names`, of what notes name: as the reader has them, or shortened by the survey."""
    entries = [note[name] for note in notes]
    counts = [len(entry) if isinstance(entry, list) else entry["count"] for entry in entries]
    names = [one for entry in entries for one in (entry if isinstance(entry, list) else entry["names"])]
    return {"count": sum(counts), "names": names[:_NAMED]}


def listed(entry: Note) -> str:
    """The names of what `named` gives, in a line."""
    return ", ".join(entry["names"]) + (", ..." if entry["count"] > len(entry["names"]) else "")


def many(count: int, one: str, more: str) -> str:
    """A number and what it counts, as a sentence has it."""
    return f"{count:,} {one if count == 1 else more}"


def total(notes: list[Note], name: str) -> int:
    """The sum of a number over notes; 0 of those that lack it."""
    return sum(note.get(name, 0) for note in notes)
