"""How raw files are written: encoding, delimiter, decimals and thousands, found in their cells."""

import dataclasses
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from raysq import tabular
from raysq.kinds.forecast.reading import cells, formats
from raysq.readers.csv.format import CsvFormat
from raysq.readers.csv.sniff import begin, no_header, sniff, sniff_encoding
from raysq.tabular import MISSING

if TYPE_CHECKING:
    from raysq.kinds.forecast.prepare import SeriesPreparation


def written(settings: "SeriesPreparation", path: Path, lines: list[str]) -> "SeriesPreparation":
    """The settings with how a csv is written, where it was not said; what was found goes to `lines`.

    Raises:
        DataError: a csv without names in its first line.
    """
    if path.suffix.lower() == ".parquet":
        return settings
    form, told = sniff_encoding(tabular.head(path, CsvFormat())[0], settings.csv)
    data, whole = tabular.head(path, form)
    named = [*settings.time, *settings.columns, *settings.categories, *settings.id]
    form, more = sniff(data, whole, form, numbered=named)
    lines += told + more
    names = begin(path.name, data, whole, form).names
    if form.header and all(_is_value(cell) for cell in names if cell):
        raise no_header(path.name, names, "date,load", "--time 1 --target 2")
    return dataclasses.replace(settings, **form.csv_settings())


def numbers_written(settings: "SeriesPreparation", few: pa.Table) -> tuple[Literal[".", ","], str]:
    """The signs before decimals and between thousands, by the cells that are no plain numbers."""
    if (settings.decimal, settings.thousands) != (".", ""):
        return settings.decimal, settings.thousands
    comma = thousands = point = False

    def any_like(text: pa.ChunkedArray, pattern: str) -> bool:
        return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())

    for name in few.column_names:
        if not cells.is_text(few.column(name)) or name in settings.time:
            continue
        text = there(few.column(name))
        digits = pc.match_substring_regex(text, r"^[+-]?\d[\d.,]*$")
        if not len(text) or pc.mean(digits.cast(pa.float64())).as_py() < 0.5:
            continue
        text = text.filter(pc.and_(digits, pc.match_substring(text, ",")))
        if not len(text):
            continue
        if any_like(text, r"^[+-]?\d{1,3}(,\d{3})+\.\d+$|,\d{3},"):
            thousands = True
        elif any_like(text, r"^[+-]?\d+,(\d{1,2}|\d{4,})$|\.\d{3},|^[+-]?0,"):
            comma = True
            point |= any_like(text, r"^[+-]?\d{1,3}(\.\d{3})+,")
        elif settings.separator == ",":
            thousands = True
        else:
            comma = True
    if comma:
        return ",", "." if point else ""
    return ".", "," if thousands else ""


def there(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The cells of text that are not missing, without the spaces around them."""
    text = pc.utf8_trim_whitespace(column)
    return text.filter(pc.invert(pc.fill_null(pc.is_in(text, pa.array(MISSING, text.type)), True)))


def shown(values: Sequence[Any], most: int) -> str:
    """The first of the values, for people."""
    return ", ".join(map(str, values[:most])) + (", ..." if len(values) > most else "")


def typed(names: Sequence[str], setting: str = "") -> str:
    """Names of columns as they are typed in a shell, after `setting=` where it is named."""
    joined = json.dumps(list(names)) if any("," in name for name in names) else ",".join(names)
    return shlex.quote(f"{setting}={joined}" if setting else joined)


def _is_value(cell: str) -> bool:
    number = pc.match_substring_regex(pa.array([cell.replace(",", ".")]), cells.NUMBER)[0].as_py()
    return bool(number) or (cell[:1].isdigit() and formats.reads_any(cell))
