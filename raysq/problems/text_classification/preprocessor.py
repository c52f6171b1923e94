"""From documents in raw files to the words of one vocabulary."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.sources import file_checksum
from raysq.text.documents import DocumentPreprocessor, Note
from raysq.text.readers import Form, Piece, words_of


@dataclass(frozen=True)
class TextClassificationPreprocessor(DocumentPreprocessor):
    """How raw documents become words of a vocabulary. The fields are settings.

    Attributes:
        label: column of the label; found in the files when none.
        counted: "train" counts the vocabulary over the documents that are not of the test part; "all" over all.
        missing: "error" asks for a label of every document; "drop" leaves out those without a label or a text, and
            tells them.
        vectors: file of word vectors (GloVe, word2vec as text; plain, gz or zip) to align to the vocabulary.
        vectors_sha256: its checksum; found when none.
        words_sha256: checksum of the words that are known beside an npz file; found when none.

    The others are those of `DocumentPreprocessor`, `Documents` and `Tokens`.
    """

    label: str | None = None
    counted: Literal["train", "all"] = "train"
    missing: Literal["error", "drop"] = "error"
    vectors: str | None = None
    vectors_sha256: str | None = None
    words_sha256: str | None = None

    version: ClassVar[int] = 3
    labeled: ClassVar[bool] = True

    @property
    def form(self) -> Form:
        """How the documents are read."""
        return Form(self.text, self.label, self.headers, **self.csv_settings())

    def to_config(self) -> dict[str, Any]:
        """The settings without this machine's folders, for the manifest and the fingerprint."""
        name = None if self.vectors is None else os.path.basename(self.vectors)
        return {**super().to_config(), "vectors": name}

    def infer(self, files: list[Path]) -> tuple[Self, list[str]]:
        """These settings with what was not said found in the files, and what was found, in lines.

        Raises:
            DataError: something cannot be found out; the message says what to say.
            SourceError: no file of vectors, or one that cannot be read.
        """
        found, told = super().infer(files)
        if self.vectors is not None and self.vectors_sha256 is None:
            path = Path(self.vectors).expanduser().absolute()
            digest = file_checksum(path, "--set vectors=FILE names it")
            found = dataclasses.replace(found, vectors=str(path), vectors_sha256=digest)
        words = words_of(files)
        if words is not None:
            digest = hashlib.sha256("\n".join(words).encode()).hexdigest()
            found = dataclasses.replace(found, words_sha256=digest)
        return found, told

    def documents(self, partition: Piece) -> Iterator[tuple[pa.Table, Note]]:
        """Yield the documents of one partition in tables, with statistics of each."""
        for table, note in super().documents(partition):
            yield _whole(table, note) if self.missing == "drop" else (table, note)

    def validate_stats(self, stats: list[Note]) -> None:
        """Raise the first error of all chunks.

        Raises:
            DataError: no documents, documents without a label, one class only.
        """
        from raysq.problems.text_classification.validation import validate

        super().validate_stats(stats)
        validate(self, stats)

    def summarize(self, stats: list[Note], summary: Note | None = None) -> Note:
        """Return the data set's report."""
        from raysq.problems.text_classification.validation import summarize

        return summarize(self, stats, summary or {})

    def describe(self, report: Mapping[str, Any]) -> list[str]:
        """Return a report in lines for people."""
        from raysq.problems.text_classification.validation import describe

        return describe(report)


def _whole(table: pa.Table, note: Note) -> tuple[pa.Table, Note]:
    """Leave out the documents of a table that have no label or no text.

    Returns:
        The documents that are left, and their note, with the ids of the others in `dropped`.
    """
    there = pc.is_valid(table.column("label"))
    if "text" in table.column_names:  # word ranks have none
        there = pc.and_(there, pc.not_equal(pc.utf8_trim_whitespace(table.column("text")), ""))
    kept = table.filter(there)
    dropped = table.column("id").filter(pc.invert(there)).to_pylist()
    undecodable = [name for name in note["undecodable"] if name not in set(dropped)]
    left = {"documents": kept.num_rows, "undecodable": undecodable, "dropped": dropped}
    return kept, {**note, **left, "missing_text": 0, "missing_label": 0, "first_missing_label": None}
