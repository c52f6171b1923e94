"""The beginning of a file with columns: column names and their first values."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from raysq.data.readers import streams
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.sniff import Beginning, begin, is_value, no_header, sniff, sniff_encoding
from raysq.data.readers.files import damages
from raysq.data.readers.json import is_whole, items, parsed_object, table
from raysq.data.readers.parquet import open_parquet, replaced_text
from raysq.data.readers.unpack import packing
from raysq.errors import DataError
from raysq.text.readers.format import SUFFIXES, Form

ROWS = 1000
_BYTES = 1 << 20
_BEFORE = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"  # byte order marks and white space

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

_NAMES = ("text,label", "--text 1 --label 2")  # example column names and options, for errors


def family(path: Path) -> str:
    """Return the format of a file, by its name.

    Returns:
        "csv", "jsonl", "json", "parquet", "tar", "npz" or "plain"; "tree" for a folder. A .json file that holds one
        object per line is "jsonl".

    Raises:
        DataError: unknown format.
    """
    if path.is_dir():
        return "tree"
    ending = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if ending == "json" and _first(path) != b"[" and not is_whole(*_begin(path, Form())):
        return "jsonl"
    if ending not in _FAMILIES:
        raise DataError(f"{path.name} must end in {', '.join(SUFFIXES)}, or be a folder with a folder for each class")
    return _FAMILIES[ending]


def is_csv(path: Path) -> bool:
    """Return whether a file is a csv, by its name."""
    ending = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    return path.is_file() and _FAMILIES.get(ending) == "csv"


def head(path: Path, form: Form) -> Head:
    """Return the columns of a file with the values in its first rows, at most `ROWS`.

    All columns have the same number of values. A missing value is None.

    Args:
        path: a csv, JSON or Parquet file.
        form: how it is read.

    Raises:
        DataError: the file cannot be read, or has no rows.
    """
    kind = family(path)
    if kind == "parquet":
        return _parquet(path)
    size = _BYTES
    while True:
        if kind == "csv":
            found, whole = _csv(path, form, size)
        else:
            data, whole = _begin(path, form, size, line=kind != "json")
            streams.refuse_utf16(path.name, data, form.encoding)
            found = _json(path, data, whole, form, kind)
        # A first document longer than this prefix needs a longer one.
        if any(found.values()) or whole:
            break
        if kind != "json":
            form.check_record(f"{path.name}: the first line, or row,", size)
        elif packing(path) is not None:
            form.check_object(path.name, size)
        size = min(8 * size, max(form.max_record_bytes, size) + 1) if kind != "json" else 8 * size
    if not any(found.values()):
        raise DataError(
            f"{path.name} has {'a header and ' if kind == 'csv' else ''}no rows", hint="give another --source"
        )
    return found


def csv_begin(path: Path, form: Form, size: int = _BYTES) -> tuple[Beginning, bool]:
    """Return the beginning of a csv file, and whether it is the whole file.

    Sizes are in bytes of the encoding that `streams.chunks` yields.

    Args:
        path: the file.
        form: how it is read.
        size: minimum number of bytes to read.
    """
    data, whole = _begin(path, form, size)
    streams.refuse_utf16(path.name, data, form.encoding)
    return begin(path.name, data, whole, _given(form), ROWS), whole


def sniffed(path: Path, form: Form) -> tuple[Form, list[str]]:
    """Infer the format of a csv file where it is not specified. Other files leave the settings unchanged.

    Args:
        path: the file.
        form: how it is read, as far as the user specified it.

    Returns:
        The completed settings, and messages that report what was inferred.
    """
    if family(path) != "csv":
        return form, []
    encoded, messages = sniff_encoding(_begin(path, replace(form, encoding="utf-8"))[0], form.csv)
    form = replace(form, encoding=encoded.encoding)
    data, whole = _begin(path, form)
    named = [name for name in (form.text, form.label if form.labels else None) if name is not None]
    found, more = sniff(data, whole, _given(form), numbered=named)
    return replace(form, **found.csv_settings() | {"encoding": form.encoding}), messages + more


def _given(form: Form) -> CsvFormat:
    """Return the csv format of the bytes that `streams.chunks` yields."""
    return replace(form.csv, encoding=streams.given(form.encoding))


def _first(path: Path) -> bytes:
    """Return the first byte that is neither a byte order mark nor white space, in UTF-8, UTF-16 or UTF-32."""
    for chunk in streams.chunks(path):
        text = chunk.lstrip(_BEFORE)
        if text:
            return text[:1]
    return b""


def _begin(path: Path, form: Form, least: int = _BYTES, line: bool = True) -> tuple[bytes, bool]:
    """Return the first bytes of a file, and whether they are all of it. With `line`, include the whole first line."""
    found: list[bytes] = []
    size, ended = 0, not line
    for chunk in streams.chunks(path, form.encoding):
        if size >= least and ended:
            return b"".join(found), False
        found.append(chunk)
        size += len(chunk)
        ended = ended or b"\n" in chunk or size > form.max_record_bytes
    return b"".join(found), True


def _csv(path: Path, form: Form, size: int) -> tuple[Head, bool]:
    found, whole = csv_begin(path, form, size)
    if form.header is not False and any(is_value(name) for name in found.names):
        raise no_header(path.name, found.names, *_NAMES)
    columns = {
        name: [row[place].strip() or None if place < len(row) else None for row in found.rows]
        for place, name in enumerate(found.columns)
    }
    return columns, whole


def nameless(name: str, few: Head) -> DataError:
    """Return the error for a csv file without a header."""
    return no_header(name, list(few), *_NAMES)


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
    return table(found, ROWS)


def _parquet(path: Path) -> Head:
    with open_parquet(path) as file:
        batch = next(file.iter_batches(ROWS, use_threads=False), None)
    if batch is None or not batch.num_rows:
        raise DataError(f"{path.name} has columns and no rows", hint="give another --source")
    rows = unnested(pa.Table.from_batches([batch]))
    with damages(path):
        return {name: replaced_text(rows.column(name)).to_pylist() for name in rows.column_names}


def unnested(rows: pa.Table) -> pa.Table:
    """Return a table with structs flattened: field `b` of column `a` becomes column `a.b`."""
    while any(pa.types.is_struct(field.type) for field in rows.schema):
        rows = rows.flatten()
    return rows
