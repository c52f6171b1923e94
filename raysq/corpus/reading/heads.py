"""The beginning of a file with columns: their names, and some of their values."""

import codecs
import csv
import io
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from raysq import tabular
from raysq.corpus.reading import streams
from raysq.corpus.reading.form import SUFFIXES, Form
from raysq.errors import DataError

ROWS = 1000
_BYTES = 1 << 20
_BEFORE = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"  # marks of the byte order, and spaces

_FAMILIES = {
    "csv": "csv",
    "tsv": "csv",
    "zip": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "json",
    "parquet": "parquet",
    "tar": "tar",
    "tgz": "tar",
    "npz": "npz",
    "txt": "plain",
    "text": "plain",
}

Head = dict[str, list[Any]]


def family(path: Path) -> str:
    """What a file is, by its name: "csv", "jsonl", "json", "parquet", "tar", "npz", "plain"; or "tree" for a folder.

    Raises:
        DataError: none of these.
    """
    if path.is_dir():
        return "tree"
    ending = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if ending == "json" and _first(path) != b"[":
        return "jsonl"
    if ending not in _FAMILIES:
        raise DataError(f"{path.name} must end in {', '.join(SUFFIXES)}, or be a folder with a folder for each class")
    return _FAMILIES[ending]


def head(path: Path, form: Form) -> Head:
    """Columns and their values in the first rows of a file, as many in each column, None where one is missing.

    Raises:
        DataError: a file that cannot be read, or that has no columns.
    """
    kind = family(path)
    if kind == "parquet":
        return _parquet(path)
    size = _BYTES
    while True:
        data, whole = _begin(path, form, size, line=kind != "json")
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError(f"{path.name} begins as UTF-16 does, not {form.encoding}; --set encoding=utf-16 reads it")
        found = _csv(path, data, whole, form) if kind == "csv" else _json(path, data, whole, form, kind)
        # A first document that is longer than what was read is no reason to know nothing.
        if any(found.values()) or whole:
            break
        size *= 8
    if not any(found.values()):
        raise DataError(f"{path.name} has {'a header and ' if kind == 'csv' else ''}no rows; give another --source")
    return found


def header_size(path: Path, form: Form) -> int:
    """Bytes of a csv's first line, in the encoding that `streams.chunks` gives."""
    data, _ = _begin(path, form)
    return data.find(b"\n") + 1 or len(data)


def with_delimiter(path: Path, form: Form) -> tuple[Form, list[str]]:
    """The form with the delimiter of a csv, found where it is not known, and what was found, in lines."""
    if form.delimiter is not None or family(path) != "csv":
        return form, []
    sign = _delimiter(path, form)
    said = "tab" if sign == "\t" else sign
    shown = said if sign == "\t" else repr(sign)
    told = [] if sign == "," else [f"delimiter: {shown} (--set delimiter=... says otherwise)"]
    return replace(form, delimiter=said), told


def _delimiter(path: Path, form: Form) -> str:
    """The sign between a csv's cells: the one with which most rows have as many cells as the first, and most cells."""
    data, whole = _begin(path, form)
    text = _decoded(data, form)
    best, most = ",", 1
    for sign in (",", "\t", ";", "|"):
        rows = _rows(text, sign, whole)[:100]
        first = len(rows[0]) if rows else 0
        if first > most and sum(len(row) == first for row in rows) >= 0.8 * len(rows):
            best, most = sign, first
    return best


def _first(path: Path) -> bytes:
    """The first sign of a file, in UTF-8, UTF-16 or UTF-32."""
    for chunk in streams.chunks(path):
        text = chunk.lstrip(_BEFORE)
        if text:
            return text[:1]
    return b""


def _begin(path: Path, form: Form, least: int = _BYTES, line: bool = True) -> tuple[bytes, bool]:
    """The first bytes of a file, and whether they are all; with all of the first line where there are lines."""
    found: list[bytes] = []
    size, ended = 0, not line
    for chunk in streams.chunks(path, form.encoding):
        if size >= least and ended:
            return b"".join(found), False
        found.append(chunk)
        size += len(chunk)
        ended = ended or b"\n" in chunk
    return b"".join(found), True


def _decoded(data: bytes, form: Form) -> str:
    return data.decode(streams.given(form.encoding), errors="replace").removeprefix("\ufeff")


def _rows(text: str, sign: str, whole: bool) -> list[list[str]]:
    before = csv.field_size_limit(sys.maxsize)
    try:
        rows = []
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=sign):
            if row:
                rows.append(row)
            if len(rows) > ROWS:
                return rows
        return rows if whole else rows[:-1]
    except csv.Error:
        return rows
    finally:
        csv.field_size_limit(before)


def _csv(path: Path, data: bytes, whole: bool, form: Form) -> Head:
    text = _decoded(data, form)
    line = text.split("\n", 1)[0]
    if not line.strip():
        raise DataError(f"{path.name}, line 1 is empty: it must name the columns")
    names = tabular.header(line, tabular.Csv(form.separator, "utf-8"))
    if any(_is_value(name) for name in names):
        raise no_header(path.name, names)
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(f"{path.name}, line 1 names column {twice[0]!r} twice; rename one of them")
    rows = _rows(text, form.separator, whole)[1:]
    named = tuple(name or f"column {place}" for place, name in enumerate(names, 1))
    return {
        name: [row[place].strip() or None if place < len(row) else None for row in rows]
        for place, name in enumerate(named)
    }


def no_header(name: str, cells: Sequence[str]) -> DataError:
    """The error for a csv whose first line is a row."""
    shown = ", ".join(cell if len(cell) < 30 else cell[:30] + "..." for cell in cells[:4])
    return DataError(
        f"{name}, line 1 must name the columns, and it seems to hold values ({shown}); put a line of names above it, "
        f"such as text,label"
    )


def _is_value(name: str) -> bool:
    """Whether a cell of the first line is no name: a number, or a whole text."""
    try:
        float(name)
    except ValueError:
        return len(name) > 100
    return True


def _json(path: Path, data: bytes, whole: bool, form: Form, kind: str) -> Head:
    encoding = streams.given(form.encoding)
    if kind == "json":
        found = items(path.name, data.decode(encoding, errors="surrogateescape"), whole)
    else:
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        found = (
            parsed_object(path.name, number, line, encoding)
            for number, line in enumerate(lines if whole else lines[:-1], 1)
            if line.strip()
        )
    rows = list(itertools.islice(found, ROWS))
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def parsed_object(name: str, number: int, line: bytes, encoding: str) -> dict[str, Any]:
    """The object in a line of JSON.

    Raises:
        DataError: it is none; file and line are named.
    """
    try:
        value = json.loads(line.decode(encoding, errors="surrogateescape"))
    except (ValueError, RecursionError) as error:
        whole = " (or the file a list of objects)" if name.lower().removesuffix(".gz").endswith(".json") else ""
        raise DataError(f"{name}, line {number} is not JSON ({error}); each line must hold one object{whole}") from None
    if not isinstance(value, dict):
        raise DataError(f'{name}, line {number} is {type(value).__name__}, not an object such as {{"text": ...}}')
    return value


def items(name: str, text: str, whole: bool = True) -> Iterator[dict[str, Any]]:
    """The objects of a JSON list, one after the other.

    Raises:
        DataError: no list of objects; the item is named.
    """
    decoder = json.JSONDecoder()
    text = text.removeprefix("\ufeff")
    place, number = _space(text, 0) + 1, 0  # past the bracket
    try:
        place = _space(text, place)
        while text[place : place + 1] != "]":
            value, place = decoder.raw_decode(text, place)
            number += 1
            if not isinstance(value, dict):
                raise DataError(f"{name}, item {number} is {type(value).__name__}, not an object")
            yield value
            place = _space(text, place)
            if text[place : place + 1] == ",":
                place = _space(text, place + 1)
            elif text[place : place + 1] != "]":
                raise ValueError(f"no comma at character {place:,}")
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        if whole:
            raise DataError(f"{name}, item {number + 1} is not JSON ({error}); mend the file") from None


def _space(text: str, place: int) -> int:
    while text[place : place + 1].isspace():
        place += 1
    return place


def _parquet(path: Path) -> Head:
    try:
        with pa.parquet.ParquetFile(path) as file:
            batch = next(file.iter_batches(ROWS, use_threads=False), None)
            names = file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} is not a readable Parquet file: {str(error).splitlines()[0]}") from None
    if batch is None or not batch.num_rows:
        raise DataError(f"{path.name} has columns and no rows; give another --source")
    return {name: batch.column(place).to_pylist() for place, name in enumerate(names)}
