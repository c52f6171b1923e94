"""How raw files are read, and the pieces in which they are."""

import os
from dataclasses import dataclass
from typing import Literal

from raysq.data.readers.csv.format import CsvFormat
from raysq.text.readers.layout import Layout

RANGE = 8 << 20  # bytes of text in one task, and in one table
SUFFIXES = (
    ".csv",
    ".csv.gz",
    ".tsv",
    ".tsv.gz",
    ".jsonl",
    ".jsonl.gz",
    ".ndjson",
    ".json",
    ".parquet",
    ".tar.gz",
    ".tgz",
    ".tar",
    ".npz",
    ".zip",
)

Kind = Literal["tree", "tar", "csv", "jsonl", "json", "parquet", "npz", "plain"]


@dataclass(frozen=True)
class Form(CsvFormat):
    """How documents are read.

    Attributes:
        text: column of the text, in files that have columns; found when None.
        label: column of the label; found when None and `labels`.
        headers: "drop" leaves out all up to the first empty line of each document; one without is kept whole.
        labels: whether documents must have labels. Without, as for predictions, a file or folder may lack them.
        whole: whether a file of plain text is one document; else each of its paragraphs is.

    The others are those of `CsvFormat`; the encoding is of all files but Parquet, and what is not of it is replaced and
    told.
    """

    text: str | None = None
    label: str | None = None
    headers: Literal["keep", "drop"] = "keep"
    labels: bool = True
    whole: bool = False

    def __post_init__(self) -> None:
        self.validate()


@dataclass(frozen=True)
class Columns:
    """The columns of a file that are read.

    Attributes:
        text: name of the text's.
        label: name of the label's, if there is one.
        part: name of the column that says what is train and what is test, if there is one.
        names: all of the file's; one inside an object has the object's name and a dot before it.
    """

    text: str
    label: str | None
    part: str | None
    names: tuple[str, ...]

    @property
    def wanted(self) -> list[str]:
        """The names of those that are read."""
        return [name for name in (self.text, self.label, self.part) if name is not None]


@dataclass(frozen=True)
class Piece:
    """What can be read independently of the rest.

    Attributes:
        path: the file or the folder.
        kind: what it is.
        size: bytes that it covers, for progress.
        columns: what is read of a table.
        layout: where the classes are in a folder tree or an archive.
        names: files of a folder tree, relative to it.
        begin: first byte of a csv, a JSONL or a tar file, or number of a Parquet row group, or of the npz's part.
        end: byte after the last; None reads to the end in one stream.
        line: lines or rows of the file above the piece.
        part: what the file's name says of all its rows: 0 train, 1 test, 2 validation, -1 nothing.
    """

    path: str
    kind: Kind
    size: int
    columns: Columns | None = None
    layout: Layout | None = None
    names: tuple[str, ...] = ()
    begin: int = 0
    end: int | None = None
    line: int = 0
    part: int = -1

    @property
    def name(self) -> str:
        """The file's name, for messages and ids."""
        return os.path.basename(self.path)
