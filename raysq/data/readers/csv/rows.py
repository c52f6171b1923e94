"""Blocks of whole rows of a csv. Blocks without quotes are cut at line ends and not examined further."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow.csv

from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.lookalikes import refuse_open_quote, refuse_rows_in_quotes
from raysq.data.readers.csv.quotes import Scan, check, scan
from raysq.data.readers.lines import line_ends, lines_in
from raysq.errors import DataError, FormatError


@dataclass(frozen=True)
class Block:
    """Whole rows of a file, with the scan of their quotes and line ends; None for bytes without quotes."""

    data: bytes
    format: CsvFormat
    scan: Scan | None = None

    @property
    def quoted(self) -> bool:
        """Whether a line end may lie inside a cell."""
        return self.scan is not None

    @cached_property
    def ends(self) -> np.ndarray:
        """Positions of the rows' last bytes."""
        ends = line_ends(self.data) if self.scan is None else self.scan.ends
        last = len(self.data) - 1
        ends = ends[: np.searchsorted(ends, last, "right")]
        return ends if len(ends) and ends[-1] == last else np.append(ends, last)

    @cached_property
    def starts(self) -> np.ndarray:
        """Positions of the rows' first bytes."""
        return np.concatenate([[0], self.ends[:-1] + 1])

    @cached_property
    def lines(self) -> np.ndarray:
        """For each row, the number of lines of the block above it."""
        if self.scan is None or len(self.scan.lines) == len(self.scan.ends):
            return np.arange(len(self.starts))
        return np.searchsorted(self.scan.lines, self.starts)


def blocks(
    stream: Iterator[bytes], size: int, format: CsvFormat, name: str, *, columns: int, line: int = 0
) -> Iterator[Block]:
    """Yield a stream in blocks of whole rows, of about `size` bytes or longer.

    Raises:
        DataError: a quote is not closed, closes within a cell, or spans several rows.
    """
    rest, wanted = b"", size
    while True:
        # Doubling the size keeps the total cost of rescanning a long row linear.
        added = b"".join(_some(stream, max(wanted - len(rest), 1)))
        data = rest + added
        if not data:
            return
        last = len(added) < max(wanted - len(rest), 1)
        block, cut = _whole_rows(data, format, name, line, last, columns)
        if block is not None:
            yield block
            line += 0 if last else lines_in(block.data)
        if last:
            return
        rest = data[cut:]
        if not cut:
            format.check_record(f"{name}: the row that begins in line {line + 1:,}", len(rest))
        wanted = max(size, min(2 * len(rest), format.max_record_bytes + 1))


def parse_options(
    block: Block, handler: Callable[[pyarrow.csv.InvalidRow], str] | None, empty: bool
) -> pyarrow.csv.ParseOptions:
    """Return Arrow's options for parsing a block.

    Args:
        handler: called for rows with a wrong number of cells. If None, such rows are errors.
        empty: whether an empty line is a row.
    """
    format = block.format
    return pyarrow.csv.ParseOptions(
        delimiter=format.separator,
        quote_char=False if format.quoting == "none" else '"',
        escape_char=format.escape_character or False,
        newlines_in_values=block.quoted,
        ignore_empty_lines=not empty,
        invalid_row_handler=handler,
    )


def ragged(where: str, count: int, wanted: int, text: str) -> FormatError:
    """Return the error for a row whose number of cells differs from the header."""
    if re.search("(^|[,;|\t]) *'", text):
        hint = "cells that hold the delimiter are quoted with \", not with '; or --set delimiter=... says which it is"
    elif re.search('[,;|\t] +"', text):
        hint = "a space before a quote makes it text: leave it out; or --set delimiter=... says what parts cells"
    elif '"' not in text:
        hint = "put quotes around cells that hold the delimiter, or say which it is with --set delimiter=..."
    elif '\\"' in text:
        hint = "--set escape=backslash reads the backslashes before its quotes, --set quoting=none quotes as text"
    else:
        hint = (
            "look at its quotes: they hold delimiters together only where a cell begins and ends with one; "
            "--set quoting=none reads them as text, --set delimiter=... says what parts cells"
        )
    return FormatError(f"{where} has {count} cells and line 1 has {wanted}", hint=hint)


def other_rows(name: str, line: int, block: Block, rows: int) -> Exception:
    """Return the error for a block in which Arrow found another number of rows.

    The usual cause is a carriage return alone, which ends a row for Arrow.
    """
    alone = re.search(rb"\r(?!\n)", block.data)
    if alone is None:
        return RuntimeError(f"{name}: {rows} rows parsed, {len(block.starts)} found")
    at = line + block.data.count(b"\n", 0, alone.start()) + 1
    return DataError(
        f"{name}, line {at} holds a carriage return without a line feed, which ends a row in files of old Macs: put "
        f"quotes around its cell, or take it out"
    )


def _whole_rows(
    data: bytes, format: CsvFormat, name: str, line: int, last: bool, columns: int
) -> tuple[Block | None, int]:
    """Return the whole rows at the beginning of the bytes and their size. The last bytes of a file are all taken."""
    if not format.escape_character and (format.quoting == "none" or b'"' not in data):
        cut = len(data) if last else data.rfind(b"\n") + 1
        return (Block(data[:cut], format) if cut else None), cut
    scanned = scan(data, format)
    check(scanned, data, name, line, last)
    cut = len(data) if last else int(scanned.ends[-1]) + 1 if len(scanned.ends) else 0
    if not cut:
        if format.quoting == "find":
            refuse_open_quote(data, scanned, format, name, line, columns)
        return None, 0
    if format.quoting == "find":
        refuse_rows_in_quotes(data[:cut], scanned, format, name, line, columns)
    return Block(data[:cut], format, scanned), cut


def _some(stream: Iterator[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (chunk := next(stream, b"")):
        size -= len(chunk)
        yield chunk
