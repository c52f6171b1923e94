"""From texts in raw files to the words of one vocabulary."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pyarrow as pa

from raysq.corpus.reading import SUFFIXES, Form, Piece, infer, plain, plan, read
from raysq.corpus.tokens import FILTERS, Tokens
from raysq.corpus.units import Unit, split
from raysq.errors import DataError, UsageError

if TYPE_CHECKING:
    from raysq.kinds.kind import Survey

Note = dict[str, Any]
_NAMED = 5
# Quotation marks, dashes, dots, and the space that does not break; then some of these in Windows' code page.
_PRINTED = "\u201c\u201d\u201e\u201f\u2018\u201a\u00ab\u00bb\u2039\u203a\u2013\u2014\u2015\u2026\u00a0"
_PRINTED += "\x85\x91\x93\x94\x96\x97"


@dataclass(frozen=True)
class VectorPreparation(Tokens):
    """How raw texts become words of a vocabulary. The fields are settings.

    Attributes:
        text: column of the text, in files that have columns; found in them when none.
        unit: what no window crosses: "document" (of a .txt file a paragraph), or its paragraphs, lines or sentences.
        encoding: of text files, as Python names it. Bytes that are not of it are replaced; the texts are counted.
        parts: "keep" leaves out of training what the source says is for testing; "join" takes all.
        test: share of the texts that are drawn for the test part, by a checksum, where the source does not say which
            they are.
        excerpt: characters of every text to keep for reports.
        headers: "drop" leaves out what stands above a text's first empty line, as the header of a mail.
        delimiter: between the cells of csv files, "tab" for a tabulator; found when none.

    Words are parted as `Tokens` says; quotation marks and dashes of print part words too
    (also where Windows' code page was taken for Unicode).
    """

    filters: str = FILTERS + _PRINTED
    text: str | None = None
    unit: Unit = "document"
    encoding: str = "utf-8"
    parts: Literal["keep", "join"] = "keep"
    test: float = 0.0
    excerpt: int = 0
    headers: Literal["keep", "drop"] = "keep"
    delimiter: str | None = None

    version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (*plain.SUFFIXES, *(one for one in SUFFIXES if one != ".npz"))
    trees: ClassVar[bool] = True
    zip_member: ClassVar[str | None] = ".csv"
    shard_rows: ClassVar[int] = 16384  # a text is a thousand times a row of numbers
    labelled: ClassVar[bool] = False
    counted: ClassVar[Literal["train", "all"]] = "train"
    vectors: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.test < 1:
            raise UsageError(f"setting test must be a share from 0 to below 1, received {self.test}")
        if self.excerpt < 0:
            raise UsageError(f"setting excerpt must be a number of characters, 0 for none, received {self.excerpt}")

    @property
    def form(self) -> Form:
        """How the texts are read."""
        return Form(self.text, None, self.encoding, self.headers, self.delimiter, labels=False)

    @property
    def tokens(self) -> Tokens:
        """How the texts are parted into words."""
        return self

    def recorded(self) -> dict[str, Any]:
        """The settings, for the manifest and the fingerprint."""
        return dataclasses.asdict(self)

    def infer(self, files: list[Path]) -> "tuple[VectorPreparation, list[str]]":
        """These settings with the column of the text and the delimiter found in the files, and what was found.

        Raises:
            DataError: no such column, or none that can be a text.
        """
        text, _, delimiter, told, _ = infer(
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
        return plan(files, self.form)

    def read(self, piece: Piece) -> Iterator[tuple[pa.Table, Note]]:
        """The texts of one piece, with a note of each table."""
        for table, note in read(piece, self.form):
            if self.parts == "join":
                none_said = pa.array([-1] * table.num_rows, pa.int8())
                table = table.set_column(table.column_names.index("part"), "part", none_said)
            if self.unit != "document" and "text" in table.column_names:
                table, note = split(table, note, self.unit)
            yield table, note

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
            DataError: no texts, or only some that say what is for testing, or no words.
        """
        check_texts(notes)
        total, said = _total(notes, "documents"), _total(notes, "said")
        if 0 < said < total:
            first = next(note["first_unsaid"] for note in notes if note["first_unsaid"] is not None)
            raise DataError(
                f"{said:,} texts say whether they are of the train or the test part and {total - said:,} do not, the "
                f"first is {first}: say it of all or of none, or take all with --set parts=join"
            )
        if not _total(notes, "tokens"):
            raise DataError(f"none of the {total:,} texts has a word: look at the file, or at the setting filters")
        if not sum(note["parts"][0] for note in notes):
            raise DataError(
                f"all {total:,} texts are of the test part, and there are none to train on: --set parts=join takes "
                "them, or set a smaller test"
            )

    def conclude(self, notes: list[Note], repaired: Note | None = None) -> Note:
        """The data set's report.

        Args:
            notes: of all pieces, in order.
            repaired: what the survey found.
        """
        found = repaired or {}
        return {
            **seen(notes),
            "parts": found["parts"],
            "said": bool(_total(notes, "said")),
            "empty": _total(notes, "empty"),
            "tokens": _total(notes, "tokens"),
            "words": found["words"],
            "longest": max(note["longest"] for note in notes),
            "level": found["level"],
            "unit": self.unit,
        }

    def remarks(self, report: Mapping[str, Any]) -> list[str]:
        """What a person should know of a report, in lines."""
        units = {"document": "texts", "sentence": "sentences", "line": "lines", "paragraph": "paragraphs"}
        train, test = report["parts"]
        lines = [f"{report['documents']:,} {units[report['unit']]}"]
        if test:
            how = "as the source says (--set parts=join takes all)" if report["said"] else "drawn by their checksums"
            lines.append(f"train part {train:,}, test part {test:,}, {how}")
        if report["empty"]:
            lines.append(f"{report['empty']:,} without words")
        lines += damages(report)
        unit = "characters" if report["level"] == "char" else "words"
        lines.append(
            f"{report['tokens']:,} {unit}, {report['words']:,} different ones in the vocabulary; the longest text has "
            f"{report['longest']:,}"
        )
        if unit == "words" and 2 * report["words"] > report["tokens"] > 1000:
            lines.append("most words occur once: too little text for word vectors, or one without spaces between words")
        return lines


@dataclass(frozen=True)
class VectorReading:
    """How raw texts are read for predictions: as those that a run was trained on.

    Attributes:
        text: column of the text; found in the files when none.
        encoding: of text files.
        headers: as for `VectorPreparation`.
        delimiter: between the cells of csv files; found when none.
    """

    text: str | None = None
    encoding: str = "utf-8"
    headers: Literal["keep", "drop"] = "keep"
    delimiter: str | None = None

    version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = VectorPreparation.suffixes
    trees: ClassVar[bool] = True
    zip_member: ClassVar[str | None] = ".csv"
    shard_rows: ClassVar[int] = VectorPreparation.shard_rows

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "VectorReading":
        """That which reads files like those of a preparation with these settings."""
        return cls(**{field.name: settings[field.name] for field in dataclasses.fields(cls) if field.name in settings})

    @property
    def form(self) -> Form:
        """How the texts are read."""
        return Form(self.text, None, self.encoding, self.headers, self.delimiter, labels=False)

    def infer(self, files: list[Path]) -> "tuple[VectorReading, list[str]]":
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
            DataError: a file that cannot be read as texts.
        """
        return plan(files, self.form)

    def read(self, piece: Piece) -> Iterator[tuple[pa.Table, Note]]:
        """The texts of one piece."""
        yield from read(piece, self.form)

    def whole(self) -> Callable[[pa.Table], tuple[pa.Table, Note]] | None:
        """No repair of the whole."""
        return None

    def check(self, notes: list[Note]) -> None:
        """Raises DataError where there are no texts."""
        check_texts(notes)

    def conclude(self, notes: list[Note], repaired: Note | None = None) -> Note:
        """`documents`, `undecodable` and `missing_text`."""
        return seen(notes)

    def remarks(self, report: Mapping[str, Any]) -> list[str]:
        """What a person should know of a report, in lines."""
        return [f"{report['documents']:,} texts", *damages(report)]


def check_texts(notes: list[Note]) -> None:
    """Raises DataError where there are no texts."""
    if not _total(notes, "documents"):
        raise DataError("the source has no texts; give another --source")


def seen(notes: list[Note]) -> Note:
    """`documents`, `undecodable` (`count`, and the first `names`), and `missing_text`."""
    entries = [note["undecodable"] for note in notes]
    # As the reader notes them, or shortened by the survey.
    counts = [len(entry) if isinstance(entry, list) else entry["count"] for entry in entries]
    names = [name for entry in entries for name in (entry if isinstance(entry, list) else entry["names"])]
    return {
        "documents": _total(notes, "documents"),
        "undecodable": {"count": sum(counts), "names": names[:_NAMED]},
        "missing_text": _total(notes, "missing_text"),
    }


def damages(report: Mapping[str, Any]) -> list[str]:
    """What is wrong with the texts, in lines."""
    lines = []
    broken = report["undecodable"]
    if broken["count"]:
        more = ", ..." if broken["count"] > len(broken["names"]) else ""
        lines.append(
            f"{broken['count']:,} texts have bytes that are not of the encoding and were replaced: "
            f"{', '.join(broken['names'])}{more} (--set encoding=latin-1, say, reads another)"
        )
    if report["missing_text"]:
        lines.append(f"{report['missing_text']:,} rows have no text")
    return lines


def _total(notes: list[Note], name: str) -> int:
    return sum(note[name] for note in notes)
