"""How raw files are read as documents, and the partitions they are read in."""

import os
from dataclasses import dataclass
from typing import Literal

from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.table_files import TYPED
from raysq.data.readers.unpack import COMPRESSIONS, with_compressions
from raysq.text.readers.layout import Layout

RANGE = 8 << 20  # bytes of text in one partition, and in one table
TARS = (*(f".tar{packed}" for packed in COMPRESSIONS), ".tgz", ".tbz2", ".txz", ".tzst", ".tar")
SUFFIXES = (
    *with_compressions(".csv", ".tsv", ".jsonl", ".ndjson", ".json"),
    *TYPED,
    *TARS,
    ".npz",
    ".zip",
)

FileKind = Literal["tree", "tar", "csv", "jsonl", "json", "typed", "npz", "plain"]


@dataclass(frozen=True)
class DocumentFormat(CsvFormat):
    """Settings for reading documents.

    Attributes:
        text: name of the text column, in files that have columns. Inferred when None.
        label: name of the label column. Inferred when None and `labels` is true.
        headers: "drop" removes everything up to the first empty line of each document. A document without an empty line
            is kept whole.
        labels: whether documents must have labels. If false, as for predictions, a file or folder may lack them.
        one_document: whether a plain text file is one document. By default each paragraph is one.
        parts: whether a column that assigns rows to splits is looked for. Predictions do without.
        split_column: name of the column that assigns rows to splits. Inferred when None.
        weight: name of the column of weights, or None.
        group: name of the column of groups, or None.
        label_separator: separator of the labels of a document, which then may have any number; None for one label.

    The other fields are those of `CsvFormat`. The encoding applies to all files; in Parquet only to text that is stored
    as bytes. Invalid bytes are replaced and reported.
    """

    text: str | None = None
    label: str | None = None
    headers: Literal["keep", "drop"] = "keep"
    labels: bool = True
    one_document: bool = False
    parts: bool = True
    split_column: str | None = None
    weight: str | None = None
    group: str | None = None
    label_separator: str | None = None

    def __post_init__(self) -> None:
        self.validate()


@dataclass(frozen=True)
class TextColumns:
    """The columns of a file that are read.

    Attributes:
        part: name of the column that assigns rows to the train, test or validation split, or None.
        names: all columns of the file. A nested column is named after its object, a dot and its own name.
        weight: name of the column of weights, or None.
        group: name of the column of groups, or None.
        flags: names of columns of 0 and 1, one for each label, in place of a column of labels.
    """

    text: str
    label: str | None
    part: str | None
    names: tuple[str, ...]
    weight: str | None = None
    group: str | None = None
    flags: tuple[str, ...] = ()

    @property
    def wanted(self) -> list[str]:
        """Names of the columns to read."""
        return [n for n in (self.text, self.label, self.part, self.weight, self.group, *self.flags) if n is not None]


@dataclass(frozen=True)
class DocumentPartition:
    """A partition: a part of the raw files that can be read independently.

    Attributes:
        size: bytes covered by the partition, for progress.
        names: files of a folder tree, relative to its root.
        begin: first byte in a csv, JSONL, plain text or tar file; index of the npz split, or of a group of rows.
        end: byte after the last. None reads to the end in one stream.
        line: lines or rows of the file before the partition.
        part: split of all rows according to the file name: 0 train, 1 test, 2 validation, -1 unspecified.
    """

    path: str
    kind: FileKind
    size: int
    columns: TextColumns | None = None
    layout: Layout | None = None
    names: tuple[str, ...] = ()
    begin: int = 0
    end: int | None = None
    line: int = 0
    part: int = -1

    @property
    def name(self) -> str:
        """Name of the file, for messages and ids."""
        return os.path.basename(self.path)
