"""From running text in raw files to sentences of the words of one vocabulary."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.corpus import reading, units
from raysq.corpus.reading import Form, Piece, plain
from raysq.corpus.tokens import FILTERS, Tokens
from raysq.errors import UsageError

if TYPE_CHECKING:
    from raysq.kinds.kind import Survey

Note = dict[str, Any]

SUFFIXES = (*plain.SUFFIXES, *(suffix for suffix in reading.SUFFIXES if suffix != ".npz"))
# Keras's filters, and the marks of printed books: quotes, dashes, dots. An apostrophe inside of a word stays.
BOOK_FILTERS = FILTERS + "\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a\u2013\u2014\u2026"


@dataclass(frozen=True)
class LanguagePreparation(Tokens):
    """How running text becomes sentences of words. The fields are settings.

    Attributes:
        filters: characters that part words; Keras's, and typographic quotes and dashes.
        unit: what is learnt one by one, "sentence", "line", "paragraph", or "document" (a file of plain text, a row of
            a table). A model sees nothing before its beginning.
        cut: characters after which a longer unit is cut at a space, so that a text without sentences, lines or
            paragraphs can be learnt too.
        text: column of the text, in files that have columns; found in them when none.
        encoding: of text files, as Python names it. Bytes that are not of it are replaced; the places are counted and
            named.
        test: share of the units that are drawn for the test part where the source does not say which they are; by a
            checksum of the letters and digits, so that equal sentences never lie on both sides. 0 for none.
        counted: "train" counts the vocabulary over the units that are not of the test part; "all" over all.
        excerpt: characters of every unit to keep for reports.
        headers: "drop" leaves out what stands above a document's first empty line, as the header of a mail.
        delimiter: between the cells of csv files, "tab" for a tabulator; found when none.

    Words are parted as `Tokens` says. Of words, a typographic apostrophe between two letters counts as a plain one.
    """

    filters: str = BOOK_FILTERS
    unit: units.Unit = "sentence"
    cut: int = 10_000
    text: str | None = None
    encoding: str = "utf-8"
    test: float = 0.1
    counted: Literal["train", "all"] = "train"
    excerpt: int = 300
    headers: Literal["keep", "drop"] = "keep"
    delimiter: str | None = None

    version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    trees: ClassVar[bool] = True
    zip_member: ClassVar[str | None] = ".csv"
    shard_rows: ClassVar[int] = 1 << 17
    labelled: ClassVar[bool] = False
    vectors: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.test < 1:
            raise UsageError(f"setting test must be a share from 0 to below 1, received {self.test}")
        if self.cut < 1:
            raise UsageError(f"setting cut must be at least 1 character, received {self.cut}")
        if self.excerpt < 0:
            raise UsageError(f"setting excerpt must be a number of characters, 0 for none, received {self.excerpt}")

    @property
    def form(self) -> Form:
        """How the documents are read."""
        whole = self.unit == "document"
        return Form(self.text, None, self.encoding, self.headers, self.delimiter, labels=False, whole=whole)

    @property
    def tokens(self) -> Tokens:
        """How the units are parted into words."""
        return self

    def recorded(self) -> dict[str, Any]:
        """The settings, for the manifest and the fingerprint."""
        return dataclasses.asdict(self)

    def infer(self, files: list[Path]) -> "tuple[LanguagePreparation, list[str]]":
        """These settings with the column of the text and the delimiter found in the files; what was found, in lines.

        Raises:
            DataError: no such column, or none that can be a text.
        """
        text, _, delimiter, told, _ = reading.infer(
            files, self.text, None, self.delimiter, encoding=self.encoding, labels=False
        )
        return dataclasses.replace(self, text=text, delimiter=delimiter), told

    def complete(self, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """What settings of examples lack: nothing that the columns decide."""
        return {}, []

    def plan(self, files: list[Path]) -> list[Piece]:
        """The pieces of the files.

        Raises:
            DataError: a file that cannot be read as texts.
        """
        return reading.plan(files, self.form)

    def read(self, piece: Piece) -> Iterator[tuple[pa.Table, Note]]:
        """The units of one piece: `text`, `part`, `id` and `key`, with a note of each table."""
        for table, note in reading.read(piece, self.form):
            found, told = units.split(table, note, self.unit, self.cut)
            text = found.column("text").combine_chunks()
            keys = units.keys(text)
            said = found.column("part").to_numpy()
            part = np.where(said >= 0, said, keys < self.test * 2.0**32).astype(np.int8)
            told["given"] = int((said >= 0).sum())
            found = found.set_column(found.column_names.index("text"), "text", spelt(text, self.level))
            found = found.set_column(found.column_names.index("part"), "part", pa.array(part))
            yield found.append_column("key", pa.array(keys)), told

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
            DataError: no texts, none to train on, or some that say what is test while others do not.
        """
        from raysq.kinds.text.findings import check

        check(self, notes)

    def conclude(self, notes: list[Note], repaired: Note | None = None) -> Note:
        """The data set's report.

        Args:
            notes: of all pieces, in order.
            repaired: what the survey found.
        """
        from raysq.kinds.text.findings import conclude

        return conclude(self, notes, repaired or {})

    def remarks(self, report: Mapping[str, Any]) -> list[str]:
        """What a person should know of a report, in lines."""
        from raysq.kinds.text.findings import remarks

        return remarks(report)


@dataclass(frozen=True)
class LanguageReading:
    """How raw texts are read for predictions: as those that a run was trained on. A row of a table stays one text.

    Attributes:
        unit: of the run; a file of plain text is parted into such units.
        text: column of the text; found in the files when none.
        encoding: of text files.
        headers: as for `LanguagePreparation`.
        delimiter: between the cells of csv files; found when none.
    """

    unit: units.Unit = "sentence"
    text: str | None = None
    encoding: str = "utf-8"
    headers: Literal["keep", "drop"] = "keep"
    delimiter: str | None = None

    version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    trees: ClassVar[bool] = True
    zip_member: ClassVar[str | None] = ".csv"
    shard_rows: ClassVar[int] = LanguagePreparation.shard_rows

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "LanguageReading":
        """That which reads files like those of a preparation with these settings."""
        return cls(**{field.name: settings[field.name] for field in dataclasses.fields(cls) if field.name in settings})

    @property
    def form(self) -> Form:
        """How the documents are read."""
        whole = self.unit == "document"
        return Form(self.text, None, self.encoding, self.headers, self.delimiter, labels=False, whole=whole)

    def infer(self, files: list[Path]) -> "tuple[LanguageReading, list[str]]":
        """The same with the column of the text and the delimiter found in the files.

        Raises:
            DataError: no such column, or none that can be a text.
        """
        text, _, delimiter, told, _ = reading.infer(
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
            DataError: a file that cannot be read as texts.
        """
        return reading.plan(files, self.form)

    def read(self, piece: Piece) -> Iterator[tuple[pa.Table, Note]]:
        """The texts of one piece: `text` and `id`."""
        for table, note in reading.read(piece, self.form):
            yield units.split(table, note, self.unit) if piece.kind == "plain" else (table, note)

    def whole(self) -> Callable[[pa.Table], tuple[pa.Table, Note]] | None:
        """No repair of the whole."""
        return None

    def check(self, notes: list[Note]) -> None:
        """Raises DataError where there are no texts."""
        from raysq.kinds.text.findings import check_texts

        check_texts(notes)

    def conclude(self, notes: list[Note], repaired: Note | None = None) -> Note:
        """`units`, `undecodable` and `missing_text`."""
        from raysq.kinds.text.findings import seen

        return seen(notes)

    def remarks(self, report: Mapping[str, Any]) -> list[str]:
        """What a person should know of a report, in lines."""
        from raysq.kinds.text.findings import damages

        return [f"{report['units']:,} texts", *damages(report)]


def spelt(texts: pa.Array, level: str) -> pa.Array:
    """Texts with plain apostrophes inside of words; of characters all stay as they are.

    Args:
        texts: large_string.
        level: "word" or "char".
    """
    if level == "char":
        return texts
    return pc.replace_substring_regex(texts, r"(\p{L})\x{2019}(\p{L})", r"\1'\2")
