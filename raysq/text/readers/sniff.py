"""The beginning of a file with columns: column names and their first values."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from raysq.data.readers import streams
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.sniff import Beginning, begin, is_value, no_header, sniff, sniff_encoding
from raysq.data.readers.files import damages
from raysq.data.readers.json import is_columnar, items, parsed_object, table
from raysq.data.readers.parquet import replaced_text
from raysq.data.readers.table_files import TYPED, describe_sheet, open_table, refuse_sheet
from raysq.data.readers.unpack import is_tsv, packing, without_compression
from raysq.errors import DataError
from raysq.text.readers.format import SUFFIXES, DocumentFormat

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
    **{ending.removeprefix("."): "typed" for ending in TYPED},
    **{ending.rpartition(".")[2]: "tar" for ending in (".tar", ".tgz", ".tbz2", ".txz", ".tzst")},
    "npz": "npz",
    "txt": "plain",
    "text": "plain",
}

Head = dict[str, list[Any]]

_NAMES = ("text,label", "--text 1 --label 2")  # example column names and options, for errors


def family(path: Path) -> str:
    """Return the format of a file by its name, or "tree" for a folder.

    A .json file that holds one object per line is "jsonl".
    """
    if path.is_dir():
        return "tree"
    ending = without_compression(path.name).rpartition(".")[2]
    if ending == "json" and _first(path) != b"[" and not is_columnar(*_begin(path, DocumentFormat())):
        return "jsonl"
    if ending not in _FAMILIES:
        raise DataError(f"{path.name} must end in {', '.join(SUFFIXES)}, or be a folder with a folder for each class")
    return _FAMILIES[ending]


def is_csv(path: Path) -> bool:
    """Return whether a file is a csv, by its name."""
    ending = without_compression(path.name).rpartition(".")[2]
    return path.is_file() and _FAMILIES.get(ending) == "csv"


def head(path: Path, format: DocumentFormat) -> Head:
    """Return the columns of a file with the values in its first rows, at most `ROWS`.

    All columns have the same number of values. A missing value is None.

    Raises:
        DataError: the file cannot be read, or has no rows.
    """
    kind = family(path)
    if kind == "typed":
        return _typed(path, format)
    refuse_sheet(path, format)
    size = _BYTES
    while True:
        if kind == "csv":
            columns, complete = _csv(path, format, size)
        else:
            data, complete = _begin(path, format, size, line=kind != "json")
            streams.refuse_utf16(path.name, data, format.encoding)
            columns = _json(path, data, complete, format, kind)
        # A first document longer than this prefix needs a longer one.
        if any(columns.values()) or complete:
            break
        if kind != "json":
            format.check_record(f"{path.name}: the first line, or row,", size)
        elif packing(path) is not None:
            format.check_object(path.name, size)
        size = min(8 * size, max(format.max_record_bytes, size) + 1) if kind != "json" else 8 * size
    if not any(columns.values()):
        raise DataError(
            f"{path.name} has {'a header and ' if kind == 'csv' else ''}no rows", hint="give another --source"
        )
    return columns


def csv_begin(path: Path, format: DocumentFormat, size: int = _BYTES) -> tuple[Beginning, bool]:
    """Return the beginning of a csv file, of at least `size` bytes, and whether it is the complete file.

    Sizes are in bytes of the encoding that `streams.chunks` yields.
    """
    data, complete = _begin(path, format, size)
    streams.refuse_utf16(path.name, data, format.encoding)
    return begin(path.name, data, complete, _given(format), ROWS), complete


def sniffed(path: Path, format: DocumentFormat) -> tuple[DocumentFormat, list[str]]:
    """Infer the format of a csv file where it is not specified, and report it.

    Other files leave the settings unchanged.
    """
    if family(path) != "csv":
        return format, describe_sheet(path, format)
    encoded, messages = sniff_encoding(_begin(path, replace(format, encoding="utf-8"))[0], format.csv)
    format = replace(format, encoding=encoded.encoding)
    data, complete = _begin(path, format)
    named = [name for name in (format.text, format.label if format.labels else None) if name is not None]
    csv, inferred = sniff(data, complete, _given(format), numbered=named, tabs=is_tsv(path))
    return replace(format, **csv.csv_settings() | {"encoding": format.encoding}), messages + inferred


def _given(format: DocumentFormat) -> CsvFormat:
    """Return the csv format of the bytes that `streams.chunks` yields."""
    return replace(format.csv, encoding=streams.given(format.encoding))


def _first(path: Path) -> bytes:
    """Return the first byte that is neither a byte order mark nor white space, in UTF-8, UTF-16 or UTF-32."""
    for chunk in streams.chunks(path):
        text = chunk.lstrip(_BEFORE)
        if text:
            return text[:1]
    return b""


def _begin(path: Path, format: DocumentFormat, least: int = _BYTES, line: bool = True) -> tuple[bytes, bool]:
    """Return the first bytes of a file, and whether they are all of it. With `line`, include the whole first line."""
    chunks: list[bytes] = []
    size, ended = 0, not line
    for chunk in streams.chunks(path, format.encoding):
        if size >= least and ended:
            return b"".join(chunks), False
        chunks.append(chunk)
        size += len(chunk)
        ended = ended or b"\n" in chunk or size > format.max_record_bytes
    return b"".join(chunks), True


def _csv(path: Path, format: DocumentFormat, size: int) -> tuple[Head, bool]:
    beginning, complete = csv_begin(path, format, size)
    if format.header is not False and any(is_value(name) for name in beginning.names):
        raise no_header(path.name, beginning.names, *_NAMES)
    columns = {
        name: [row[column].strip() or None if column < len(row) else None for row in beginning.rows]
        for column, name in enumerate(beginning.columns)
    }
    return columns, complete


def nameless(name: str, columns: Head) -> DataError:
    """Return the error for a csv file without a header."""
    return no_header(name, list(columns), *_NAMES)


def _json(path: Path, data: bytes, complete: bool, format: DocumentFormat, kind: str) -> Head:
    encoding = streams.given(format.encoding)
    if kind == "json":
        rows = items(path.name, data.decode(encoding, errors="surrogateescape"), complete)
    else:
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        rows = (
            parsed_object(path.name, number, line, encoding)
            for number, line in enumerate(lines if complete else lines[:-1], 1)
            if line.strip()
        )
    return table(rows, ROWS)


def _typed(path: Path, format: DocumentFormat) -> Head:
    with open_table(path, format) as file:
        names = file.schema.names
        batches = (
            batch for group, rows in enumerate(file.groups) if rows for batch in file.batches(group, names, ROWS)
        )
        batch = next(batches, None)
    if batch is None:
        raise DataError(f"{path.name} has columns and no rows", hint="give another --source")
    rows = unnested(pa.Table.from_batches([batch]))
    with damages(path):
        return {name: replaced_text(rows.column(name)).to_pylist() for name in rows.column_names}


def unnested(rows: pa.Table) -> pa.Table:
    """Return a table with structs flattened: field `b` of column `a` becomes column `a.b`."""
    while any(pa.types.is_struct(field.type) for field in rows.schema):
        rows = rows.flatten()
    return rows
