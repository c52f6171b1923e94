"""How csv files are written: encoding, delimiter, quoting, header."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

from raysq.data.readers.limits import Limits
from raysq.errors import UsageError

_LIMITS = tuple(field.name for field in fields(Limits))
_NAMED = {"tab": "\t", "backslash": "\\"}  # characters that shells and terminals take for themselves


@dataclass(frozen=True, kw_only=True)
class CsvFormat(Limits):
    """How csv files are written. The fields are settings of everything that reads csv files.

    Attributes:
        encoding: as Python names it. A byte order mark is skipped.
        delimiter: one character between cells, or "tab"; found when none, else a comma.
        quoting: "minimal" takes quotes around a cell for marks of the cell, which may hold delimiters, line breaks and
            doubled quotes; "none" takes quotes for text. "find" is "minimal", but refuses a cell that runs over several
            lines each of which would be a row without its quotes.
        escape: the character before quotes, delimiters and line breaks that are text, or "backslash".
        header: whether the first row names the columns; without, they are called by their numbers, from 1. Found when
            none.
        skip: rows below the header that are left out, such as one of units.

    The others are those of `Limits`.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    quoting: Literal["find", "minimal", "none"] = "find"
    escape: str | None = None
    header: bool | None = None
    skip: int = 0

    @property
    def separator(self) -> str:
        """The character between cells."""
        return _NAMED.get(self.delimiter or "", self.delimiter or ",")

    @property
    def escape_character(self) -> str:
        """The character before those that are text, "" where there is none."""
        return _NAMED.get(self.escape or "", self.escape or "")

    @property
    def splittable(self) -> bool:
        """Whether a byte that looks like a line end is one."""
        return "\n,1".encode(self.encoding) == b"\n,1"

    @property
    def trusted(self) -> "CsvFormat":
        """The same for rows that were looked at: cells that hold line breaks do."""
        return replace(self.csv, quoting="minimal") if self.quoting == "find" else self.csv

    @property
    def csv(self) -> "CsvFormat":
        """These fields alone, of a class that has more."""
        return CsvFormat(**self.csv_settings())

    def csv_settings(self) -> dict[str, Any]:
        """These fields by their names."""
        return {field.name: getattr(self, field.name) for field in fields(CsvFormat)}

    def refuse_for(self, name: str, *known: str) -> None:
        """Refuse settings that a file which is no csv would leave without effect.

        Args:
            name: of the file.
            known: settings that the file has nonetheless, beside the encoding.

        Raises:
            UsageError: names the first that was set.
        """
        for setting, default in CsvFormat().csv_settings().items():
            if setting not in ("encoding", *_LIMITS, *known) and getattr(self, setting) != default:
                raise UsageError(f"setting {setting} says how a csv is written, and {name} is none; leave it out")

    def validate(self) -> Self:
        """The same, if all fields can be.

        Raises:
            UsageError: a delimiter, an escape or an encoding that is none.
        """
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
