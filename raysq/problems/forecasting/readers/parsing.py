"""From cells to numbers and labels, column-wise, with the cells that are neither marked."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.readers.tables import MISSING
from raysq.errors import DataError

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
SIGNS = "$€£¥₹₽₩₺₴₫₪฿%‰"  # that may stand beside a number
SPACES = " \u00a0\u202f\u2009'\u2019"  # that may part thousands
LARGEST = 1e150  # the squares of larger numbers, of which deviations are made, overflow


@dataclass(frozen=True)
class Notation:
    """How numbers are written where they are text.

    Attributes:
        decimal: before the decimals.
        thousands: between groups of three digits.
        signs: characters before or after a number that are no part of it.
    """

    decimal: str = "."
    thousands: str = ""
    signs: tuple[str, ...] = ()


PLAIN = Notation()


def is_text(column: pa.ChunkedArray) -> bool:
    """Whether the column holds text."""
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def literal(text: str) -> str:
    """The expression that matches a text as it is, for Arrow's engine."""
    return rf"\Q{text}\E"


def grouped(thousands: str) -> str:
    """The expression for a number whose thousands are parted by that character, before its decimals."""
    sign = literal(thousands)
    return rf"^[+-]?\d{{1,3}}({sign}\d{{3}})+(\D|$)"


def plain(text: pa.ChunkedArray, notation: Notation) -> pa.ChunkedArray:
    """Numbers as text with a decimal point and nothing between thousands; other cells become no numbers."""
    if notation == PLAIN:
        return text
    if notation.signs:
        text = unsigned(text, notation.signs)
    if notation.thousands:
        together = pc.replace_substring(text, notation.thousands, "")
        text = pc.if_else(pc.match_substring_regex(text, grouped(notation.thousands)), together, text)
    if notation.decimal == ",":
        # A point that is left is none of this way of writing: 1.5 would be read as 1.5, where 1,5 is meant.
        text = pc.replace_substring(pc.replace_substring(text, ".", "?"), ",", ".")
    return text


def unsigned(text: pa.ChunkedArray, signs: tuple[str, ...]) -> pa.ChunkedArray:
    """Cells without the signs before or after them; a minus may stand on either side of the sign."""
    one, space = f"(?:{'|'.join(map(literal, signs))})", "[\\s\u00a0\u202f]*"
    return pc.replace_substring_regex(text, f"^([+-]?){one}{space}|{space}{one}$", r"\1")


def labels(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells as names: text without the spaces around it, whole numbers without ".0", null where one is missing."""
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    text = pc.replace_substring_regex(text, r"^([+-]?\d+)\.0*$", r"\1")
    return pc.if_else(pc.is_in(text, pa.array(MISSING)), None, text)


def fault(value: str) -> str:
    """Why a cell is none of `numbers`."""
    try:
        large = LARGEST < abs(float(value)) < np.inf
    except ValueError:
        large = False
    return f"too large a number, beyond {LARGEST:g}" if large else "not a number"


def numbers(column: pa.ChunkedArray, name: str, notation: Notation = PLAIN) -> tuple[np.ndarray, np.ndarray]:
    """Cells as float64.

    Args:
        column: text or numbers.
        name: for the message.
        notation: how numbers are written in text.

    Returns:
        The values, NaN where a cell is missing or bad; and where it is bad: no number, or one beyond `LARGEST`.

    Raises:
        DataError: a Parquet column of a type that is not numbers.
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
