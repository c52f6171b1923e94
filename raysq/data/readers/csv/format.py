"""Format of csv files: encoding, delimiter, quoting, header."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

from raysq.data.readers.limits import Limits
from raysq.data.readers.unpack import with_compressions
from raysq.errors import UsageError

_LIMITS = tuple(field.name for field in fields(Limits))
_NO_CSV = (*with_compressions(".jsonl", ".ndjson"), ".parquet", ".feather", ".arrow", ".xlsx")
_NAMED = {"tab": "\t", "backslash": "\\"}  # names of characters that shells and terminals interpret


@dataclass(frozen=True, kw_only=True)
class CsvFormat(Limits):
    """Format of csv files. The fields are settings of everything that reads csv files.

    Attributes:
        encoding: Python's name of the encoding. A byte order mark is skipped.
        delimiter: one character between cells, or "tab". If None, it is detected, with a comma as the fallback.
        quoting: "minimal" interprets quotes around a cell, which may then contain delimiters, line breaks and doubled
            quotes. "none" treats quotes as text. "find" is "minimal", but rejects a cell that spans several lines each
            of which would be a row without its quotes.
        escape: character before quotes, delimiters and line breaks that are text, or "backslash".
        header: whether the first row names the columns. Without a header, columns are named by their numbers, from 1.
            If None, it is detected.
        skip: number of rows to skip below the header, such as a row of units.
        sheet: sheet of an xlsx file, by its name or by its number from 1. If None, the first sheet with cells.

    The other fields are those of `Limits`.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    quoting: Literal["find", "minimal", "none"] = "find"
    escape: str | None = None
    header: bool | None = None
    skip: int = 0
    sheet: str | None = None

    @property
    def separator(self) -> str:
        """Character between cells."""
        return _NAMED.get(self.delimiter or "", self.delimiter or ",")

    @property
    def escape_character(self) -> str:
        """Escape character; "" if there is none."""
        return _NAMED.get(self.escape or "", self.escape or "")

    @property
    def splittable(self) -> bool:
        """Whether every byte that looks like a line end is one."""
        return "\n,1".encode(self.encoding) == b"\n,1"

    @property
    def trusted(self) -> "CsvFormat":
        """Format for rows that were already checked: cells may contain line breaks."""
        return replace(self.csv, quoting="minimal") if self.quoting == "find" else self.csv

    @property
    def csv(self) -> "CsvFormat":
        """Format with only the fields of this class, for instances of subclasses."""
        return CsvFormat(**self.csv_settings())

    def csv_settings(self) -> dict[str, Any]:
        """Return the fields of this class as a dictionary."""
        return {field.name: getattr(self, field.name) for field in fields(CsvFormat)}

    def for_file(self, name: str, given: Collection[str] = ()) -> Self:
        """Return these settings, of which those that say nothing about the sort of a file have their defaults.

        Settings of a run's own csv thus do not refuse rows of another format.

        Args:
            name: name of the file.
            given: settings to leave, as the user gave them for this file.
        """
        name = name.lower()
        idle = set() if name.endswith(".xlsx") else {"sheet"}
        if name.endswith(_NO_CSV):
            idle |= {field.name for field in fields(CsvFormat)} - {"encoding", "sheet", *_LIMITS}
        defaults = CsvFormat().csv_settings()
        return replace(self, **{setting: defaults[setting] for setting in idle - {*given}})

    def refuse_for(self, name: str, *exempt: str) -> None:
        """Raise `UsageError` for csv settings, except for `exempt` ones and the encoding, given for a file that is no
        csv.
        """
        for setting, default in CsvFormat().csv_settings().items():
            if setting not in ("encoding", "sheet", *_LIMITS, *exempt) and getattr(self, setting) != default:
                raise UsageError(f"setting {setting} says how a csv is written, and {name} is none; leave it out")

    def validate(self) -> Self:
        """Return this format after checking all fields. Raise `UsageError` for an invalid one."""
        if len(self.separator) != 1 or self.separator in '"\r\n':
            raise UsageError(f"setting delimiter must be one character or the word tab, received {self.delimiter!r}")
        if not self.separator.isascii():
            raise UsageError(f"setting delimiter must be an ASCII character, received {self.delimiter!r}")
        escape = self.escape_character
        if len(escape) > 1 or not escape.isascii() or (escape and escape in '"\r\n' + self.separator):
            raise UsageError(
                f"setting escape must be one ASCII character other than quote and delimiter, or the word backslash, "
                f"received {self.escape!r}"
            )
        if self.skip < 0:
            raise UsageError(f"setting skip must be a number of rows, received {self.skip}")
        self.check_limits()
        try:
            "a".encode(self.encoding)
        except LookupError:
            raise UsageError(
                f"setting encoding must be one that Python knows, such as utf-8 or latin-1, received {self.encoding!r}"
            ) from None
        return self
