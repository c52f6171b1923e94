"""Notation of raw files, inferred from their cells: encoding, delimiter, decimal and thousands separators."""

import dataclasses
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from raysq.data.readers import tables
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.sniff import begin, no_header, sniff, sniff_encoding
from raysq.data.readers.table_files import describe_sheet
from raysq.data.readers.tables import MISSING
from raysq.data.readers.unpack import is_tsv
from raysq.problems.forecasting.readers import parsing, time_columns

if TYPE_CHECKING:
    from raysq.problems.forecasting.preprocessor import SeriesPreprocessor


_DIGITS = rf"^[+-]?\d[\d.,{parsing.SPACES}]*$"


def infer_csv_format(settings: "SeriesPreprocessor", path: Path, messages: list[str]) -> "SeriesPreprocessor":
    """Infer the csv settings that the user left out from the first file, and append messages about them.

    Raises:
        DataError: a csv without column names in its first line.
        UsageError: csv settings for other files.
    """
    if not tables.is_csv(path):
        settings.refuse_for(path.name)
        messages += describe_sheet(path, settings)
        return settings
    csv_format, encoding_messages = sniff_encoding(tables.head(path, CsvFormat())[0], settings.csv)
    data, is_whole = tables.head(path, csv_format)
    columns = [*settings.time, *settings.columns, *settings.categories, *settings.id]
    csv_format, format_messages = sniff(data, is_whole, csv_format, numbered=columns, tabs=is_tsv(path))
    messages += encoding_messages + format_messages
    header = begin(path.name, data, is_whole, csv_format).names
    if csv_format.header and all(_is_value(cell) for cell in header if cell):
        raise no_header(path.name, header, "date,load", "--time 1 --target 2")
    return dataclasses.replace(settings, **csv_format.csv_settings())


def infer_notation(settings: "SeriesPreprocessor", sample: pa.Table) -> parsing.Notation:
    """Infer the number format from the cells that are not plain numbers, unless the settings have one."""
    if settings.notation != parsing.PLAIN:
        return settings.notation
    others = {*settings.time, *settings.categories, *settings.id}
    columns = [sample.column(name) for name in sample.column_names if name not in others]
    columns = [text for text in map(drop_missing, filter(parsing.is_text, columns)) if len(text)]
    signs = tuple(sorted({sign for text in columns if (sign := _sign(text))}))
    if signs:
        columns = [parsing.unsigned(text, signs) for text in columns]
    columns = [text for text in columns if _share_of(text, _DIGITS) >= 0.5]
    thousands = next((sign for sign in parsing.SPACES if any(_all_grouped(text, sign) for text in columns)), "")
    if thousands:
        columns = [parsing.plain(text, parsing.Notation(thousands=thousands)) for text in columns]
    comma = False
    for text in columns:
        text = text.filter(pc.and_(pc.match_substring_regex(text, _DIGITS), pc.match_substring(text, ",")))
        if not len(text):
            continue
        if _share_of(text, r"^[+-]?\d{1,3}(,\d{3})+\.\d+$|,\d{3},"):
            thousands = ","
        elif _share_of(text, r"^[+-]?\d+,(\d{1,2}|\d{4,})$|\.\d{3},|^[+-]?0,") or settings.separator != ",":
            comma = True
        else:
            thousands = ","
    if comma and thousands in ("", ","):
        thousands = "." if any(_all_grouped(text, ".") for text in columns) else ""
    return parsing.Notation("," if comma else ".", thousands, signs)


def _sign(text: pa.ChunkedArray) -> str | None:
    """Return the only sign that stands next to the number in each cell, or None."""
    first = text[0].as_py()
    signs = [pattern for pattern in parsing.SIGNS if pattern in first]
    if len(signs) != 1:
        return None
    pattern = parsing.literal(signs[0])
    space = "[\\s\u00a0\u202f]*"
    next_to_number = rf"^[+-]?{pattern}{space}[+-]?[\d.]|\d{space}{pattern}$"
    return signs[0] if _share_of(text, next_to_number) == 1 else None


def _all_grouped(text: pa.ChunkedArray, sign: str) -> bool:
    """Return whether cells contain the character, and always between groups of three digits."""
    text = text.filter(pc.match_substring(text, sign))
    return (
        bool(len(text)) and _share_of(text, rf"^[+-]?[1-9]\d{{0,2}}({parsing.literal(sign)}\d{{3}})+([.,]\d+)?$") == 1
    )


def _share_of(text: pa.ChunkedArray, pattern: str) -> float:
    return float(pc.mean(pc.match_substring_regex(text, pattern).cast(pa.float64())).as_py())


def drop_missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the text cells that are not missing, with surrounding whitespace removed."""
    text = pc.utf8_trim_whitespace(column)
    return text.filter(pc.invert(pc.fill_null(pc.is_in(text, pa.array(MISSING, text.type)), True)))


def join_values(values: Sequence[Any], most: int) -> str:
    """Join the first values for a message."""
    return ", ".join(" ".join(str(value).split()) for value in values[:most]) + (", ..." if len(values) > most else "")


def quote_names(names: Sequence[str], setting: str = "") -> str:
    """Quote column names for a shell, preceded by `setting=` if it is given."""
    joined = json.dumps(list(names)) if any("," in name for name in names) else ",".join(names)
    return shlex.quote(f"{setting}={joined}" if setting else joined)


def _is_value(cell: str) -> bool:
    number = pc.match_substring_regex(pa.array([cell.replace(",", ".")]), parsing.NUMBER)[0].as_py()
    return bool(number) or (cell[:1].isdigit() and time_columns.reads_any(cell))
