"""Parsing of columns of cells to numbers and labels, with a mask of bad cells."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.readers.tables import MISSING
from raysq.errors import DataError

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
SIGNS = "$€£¥₹₽₩₺₴₫₪฿%‰"  # may stand next to a number
SPACES = " \u00a0\u202f\u2009'\u2019"  # may separate thousands
LARGEST = 1e150  # squares of larger numbers, as in standard deviations, overflow


@dataclass(frozen=True)
class Notation:
    """Format of numbers in text.

    Attributes:
        decimal: decimal separator.
        thousands: separator between groups of three digits.
        signs: characters before or after a number that are not part of it.
    """

    decimal: str = "."
    thousands: str = ""
    signs: tuple[str, ...] = ()


PLAIN = Notation()


def is_text(column: pa.ChunkedArray) -> bool:
    """Return whether the column holds text."""
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def literal(text: str) -> str:
    """Return the regular expression that matches a text literally in Arrow's engine."""
    return rf"\Q{text}\E"


def grouped(thousands: str) -> str:
    """Return the regular expression of a number whose thousands are separated by this character, up to its decimals."""
    sign = literal(thousands)
    return rf"^[+-]?\d{{1,3}}({sign}\d{{3}})+(\D|$)"


def plain(text: pa.ChunkedArray, notation: Notation) -> pa.ChunkedArray:
    """Convert numbers in text to a decimal point without thousands separators.

    Cells of another format may be changed to text that is no number.
    """
    if notation == PLAIN:
        return text
    if notation.signs:
        text = unsigned(text, notation.signs)
    if notation.thousands:
        joined = pc.replace_substring(text, notation.thousands, "")
        text = pc.if_else(pc.match_substring_regex(text, grouped(notation.thousands)), joined, text)
    if notation.decimal == ",":
        # A point that is left does not belong to this notation, in which 1.5 would be written 1,5: mark the cell bad.
        text = pc.replace_substring(pc.replace_substring(text, ".", "?"), ",", ".")
    return text


def unsigned(text: pa.ChunkedArray, signs: tuple[str, ...]) -> pa.ChunkedArray:
    """Remove the signs before or after numbers; a minus may stand on either side of the sign."""
    sign, space = f"(?:{'|'.join(map(literal, signs))})", "[\\s\u00a0\u202f]*"
    return pc.replace_substring_regex(text, f"^([+-]?){sign}{space}|{space}{sign}$", r"\1")


def labels(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert cells to labels: text without surrounding whitespace, whole numbers without ".0", null where missing."""
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    text = pc.replace_substring_regex(text, r"^([+-]?\d+)\.0*$", r"\1")
    return pc.if_else(pc.is_in(text, pa.array(MISSING)), None, text)


def fault(value: str) -> str:
    """Return why `numbers` marks a cell as bad."""
    try:
        large = LARGEST < abs(float(value)) < np.inf
    except ValueError:
        large = False
    return f"too large a number, beyond {LARGEST:g}" if large else "not a number"


def numbers(column: pa.ChunkedArray, name: str, notation: Notation = PLAIN) -> tuple[np.ndarray, np.ndarray]:
    """Convert cells to float64.

    Args:
        column: text or numbers.
        name: name of the column, for the message.
        notation: format of numbers in text.

    Returns:
        The values, NaN where a cell is missing or bad, and the mask of bad cells: those that hold no number, or one
        beyond `LARGEST`.

    Raises:
        DataError: a Parquet column whose type is not numeric.
    """
    if is_text(column):
        text = pc.utf8_trim_whitespace(column)
        missing = pc.or_kleene(pc.is_null(text), pc.is_in(text, pa.array(MISSING, text.type)))
        text = plain(text, notation)
        good = pc.fill_null(pc.match_substring_regex(text, NUMBER), False)
        bad = pc.and_not(pc.invert(missing), good).to_numpy().astype(bool)
        values = pc.if_else(good, text, None).cast(pa.float64()).to_numpy()
    else:
        try:
            values = column.cast(pa.float64(), safe=False).to_numpy()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise DataError(
                f"column {name!r} holds {column.type}, not numbers",
                hint="name the columns to keep with --set columns=...",
            ) from None
        bad = np.zeros(len(values), bool)
    with np.errstate(invalid="ignore"):
        too_large = np.abs(values) > LARGEST
    if too_large.any():
        values, bad = np.where(too_large, np.nan, values), bad | too_large
    return values, bad
