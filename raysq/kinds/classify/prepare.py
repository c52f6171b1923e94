"""From documents in raw files to the words of one vocabulary."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pyarrow as pa

from raysq.corpus.reading import SUFFIXES, Form, Piece, infer, plan, read, words_of
from raysq.corpus.tokens import Tokens
from raysq.errors import UsageError
from raysq.sources import file_checksum

if TYPE_CHECKING:
    from raysq.kinds.kind import Survey

Note = dict[str, Any]


@dataclass(frozen=True)
class TextPreparation(Tokens):
    """How raw documents become words of a vocabulary. The fields are settings.

    Attributes:
        text: column of the text, in files that have columns; found in them when none.
        label: column of the label; found in the files when none.
        encoding: of text files, as Python names it. Bytes that are not of it are replaced; the documents are counted
            and named.
        test: share of the documents that are drawn for the test part where the source does not say which they are; by
            a checksum of the text, so that equal texts never lie on both sides. 0 for none.
        counted: "train" counts the vocabulary over the documents that are not of the test part; "all" over all.
        vectors: file of word vectors (GloVe, word2vec as text; plain, gz or zip) to align to the vocabulary.
        vectors_sha256: its checksum; found when none.
        words_sha256: checksum of the words that are known beside an npz file; found when none.
        excerpt: characters of every text to keep for reports.
        headers: "drop" leaves out what stands above a document's first empty line, as the header of a mail.
        delimiter: between the cells of csv files, "tab" for a tabulator; found when none.

    Words are parted as `Tokens` says.
    """

    text: str | None = None
    label: str | None = None
    encoding: str = "utf-8"
    test: float = 0.1
    counted: Literal["train", "all"] = "train"
    vectors: str | None = None
    vectors_sha256: str | None = None
    words_sha256: str | None = None
    excerpt: int = 400
    headers: Literal["keep", "drop"] = "keep"
    delimiter: str | None = None

    version: ClassVar[int] = 2
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    trees: ClassVar[bool] = True
    zip_member: ClassVar[str | None] = ".csv"
    shard_rows: ClassVar[int] = 16384  # a document is a thousand times a row of numbers
    labelled: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.test < 1:
            raise UsageError(f"setting test must be a share from 0 to below 1, received {self.test}")
        if self.excerpt < 0:
            raise UsageError(f"setting excerpt must be a number of characters, 0 for none, received {self.excerpt}")

    @property
    def form(self) -> Form:
        """How the documents are read."""
        return Form(self.text, self.label, self.encoding, self.headers, self.delimiter)

    @property
    def tokens(self) -> Tokens:
        """How the documents are parted into words."""
        return self

    def recorded(self) -> dict[str, Any]:
        """The settings without this machine's folders, for the manifest and the fingerprint."""
        name = None if self.vectors is None else os.path.basename(self.vectors)
        return {**dataclasses.asdict(self), "vectors": name}

    def infer(self, files: list[Path]) -> "tuple[TextPreparation, list[str]]":
        """These settings with what was not said found in the files, and what was found, in lines.

        Raises:
            DataError: something cannot be found out; the message says what to say.
            SourceError: no file of vectors, or one that cannot be read.
        """
        text, label, delimiter, told, _ = infer(files, self.text, self.label, self.delimiter, encoding=self.encoding)
        found = dataclasses.replace(self, text=text, label=label, delimiter=delimiter)
        if self.vectors is not None and self.vectors_sha256 is None:
            path = Path(self.vectors).expanduser().absolute()
            digest = file_checksum(path, "; --set vectors=FILE names it")
            found = dataclasses.replace(found, vectors=str(path), vectors_sha256=digest)
        words = words_of(files)
        if words is not None:
            digest = hashlib.sha256("\n".join(words).encode()).hexdigest()
            found = dataclasses.replace(found, words_sha256=digest)
        return found, told

    def complete(self, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """What settings of examples lack: nothing that the columns decide."""
        return {}, []

    def plan(self, files: list[Path]) -> list[Piece]:
        """The pieces of the files.

        Raises:
            DataError: a file that cannot be read as documents.
        """
        return plan(files, self.form)

    def read(self, piece: Piece) -> Iterator[tuple[pa.Table, Note]]:
        """The documents of one piece, as they are, with a note of each table."""
        yield from read(piece, self.form)

    def survey(self, pieces: list[Piece], scratch: Path) -> "Survey":
        """The pass over all pieces that counts the vocabulary."""
        from raysq.corpus.survey import TextSurvey

        return TextSurvey(self, pieces, scratch)

    def whole(self) -> Callable[[pa.Table], tuple[pa.Table, Note]] | None:
        """No repair of the whole."""
        return None

    def check(self, notes: list[Note]) -> None:
        """Raises the first error that the notes of all pieces, in order, hold.

        Raises:
            DataError: no documents, documents without a label, one class only.
        """
        from raysq.kinds.classify.findings import check

        check(self, notes)

    def conclude(self, notes: list[Note], repaired: Note | None = None) -> Note:
        """The data set's report.

        Args:
            notes: of all pieces, in order.
            repaired: what the survey found.
        """
        from raysq.kinds.classify.findings import conclude

        return conclude(self, notes, repaired or {})

    def remarks(self, report: Mapping[str, Any]) -> list[str]:
        """What a person should know of a report, in lines."""
        from raysq.kinds.classify.findings import remarks

        return remarks(report)


@dataclass(frozen=True)
class TextReading:
    """How raw documents are read for predictions: as those that a run was trained on, without labels or a vocabulary.

    Attributes:
        text: column of the text; found in the files when none.
        encoding: of text files.
        headers: as for `TextPreparation`.
        delimiter: between the cells of csv files; found when none.
    """

    text: str | None = None
    encoding: str = "utf-8"
    headers: Literal["keep", "drop"] = "keep"
    delimiter: str | None = None

    version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    trees: ClassVar[bool] = True
    zip_member: ClassVar[str | None] = ".csv"
    shard_rows: ClassVar[int] = TextPreparation.shard_rows

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "TextReading":
        """That which reads files like those of a preparation with these settings."""
        return cls(**{field.name: settings[field.name] for field in dataclasses.fields(cls) if field.name in settings})

    @property
    def form(self) -> Form:
        """How the documents are read."""
        return Form(self.text, None, self.encoding, self.headers, self.delimiter, labels=False)

    def infer(self, files: list[Path]) -> "tuple[TextReading, list[str]]":
        """The same with the column of the text and the delimiter found in the files.

        Raises:
            DataError: no such column, or none that can be a text.
        """
        text, _, delimiter, told, _ = infer(
            files, self.text, None, self.delimiter, encoding=self.encoding, labels=False
        )
        return dataclasses.replace(self, text=text, delimiter=delimiter), told

    def recorded(self) -> dict[str, Any]:
        """The settings, for a manifest."""
        return dataclasses.asdict(self)

    def complete(self, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """What settings of examples lack: nothing."""
        return {}, []

    def plan(self, files: list[Path]) -> list[Piece]:
        """The pieces of the files.

        Raises:
            DataError: a file that cannot be read as documents.
        """
        return plan(files, self.form)

    def read(self, piece: Piece) -> Iterator[tuple[pa.Table, Note]]:
        """The documents of one piece: `text` (or `ranks`), `id`, and `label` and `part` where the source has them."""
        yield from read(piece, self.form)

    def whole(self) -> Callable[[pa.Table], tuple[pa.Table, Note]] | None:
        """No repair of the whole."""
        return None

    def check(self, notes: list[Note]) -> None:
        """Raises DataError where there are no documents."""
        from raysq.kinds.classify.findings import check_documents

        check_documents(notes)

    def conclude(self, notes: list[Note], repaired: Note | None = None) -> Note:
        """`documents`, `undecodable` and `missing_text`."""
        from raysq.kinds.classify.findings import seen

        return seen(notes)

    def remarks(self, report: Mapping[str, Any]) -> list[str]:
        """What a person should know of a report, in lines."""
        from raysq.kinds.classify.findings import damages

        return [f"{report['documents']:,} documents", *damages(report)]
