"""Rows in JSON: one object per line, a list of objects, an object with one key per column, or nested objects."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raysq.data.readers.unpack import without_compression
from raysq.errors import DataError

# The beginning of an object whose first value is a list or an object, or that continues on the next line.
_OPEN = re.compile(r'\s*\{\s*(?:\}?$|"(?:[^"\\]|\\.)*"\s*:\s*[\[{])')
_FORMS = "give one object a line, a list of objects, or an object with a list for each column"


def parsed_object(name: str, number: int, line: bytes, encoding: str) -> dict[str, Any]:
    """Parse a line of JSON that holds an object, or raise a `DataError` that names file and line."""
    try:
        value = json.loads(line.decode(encoding, errors="surrogateescape"))
    except (ValueError, RecursionError) as error:
        alternative = " (or the file a list of objects)" if without_compression(name).endswith(".json") else ""
        raise DataError(
            f"{name}, line {number} is not JSON ({error}); each line must hold one object{alternative}"
        ) from None
    if not isinstance(value, dict):
        raise DataError(f'{name}, line {number} is {type(value).__name__}, not an object such as {{"text": ...}}')
    return value


def is_columnar(beginning: bytes, ended: bool) -> bool:
    """Whether a file that begins with an object is one object with columns, in contrast to one object per line.

    `ended` tells that `beginning`, in UTF-8, is the complete file.
    """
    lines = beginning.decode("utf-8", errors="replace").removeprefix("\ufeff").split("\n")
    first = next((line for line in lines if line.strip()), "")
    if not _OPEN.match(first.rstrip()):
        return False
    others = any(line.strip() for line in lines[lines.index(first) + 1 :])
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return others or not ended  # the object spans several lines, or its line is longer than `beginning`
    return not others and ended and _rows_of(value) is not None


def items(name: str, text: str, complete: bool = True) -> Iterator[dict[str, Any]]:
    """Yield the rows of a JSON list of objects, or of an object with columns.

    Args:
        complete: whether `text` is complete. The beginning of an object with columns yields no rows.

    Raises:
        DataError: the text is neither of them. The message names the invalid item.
    """
    text = text.removeprefix("\ufeff")
    begin = _space(text, 0)
    if text[begin : begin + 1] == "{":
        return _in_columns(name, text) if complete else iter(())
    return _in_list(name, text, begin, complete)


def _in_list(name: str, text: str, begin: int, complete: bool) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    position, number = begin + 1, 0  # after the bracket
    try:
        position = _space(text, position)
        while text[position : position + 1] != "]":
            value, position = decoder.raw_decode(text, position)
            number += 1
            if not isinstance(value, dict):
                raise DataError(f"{name}, item {number} is {type(value).__name__}, not an object")
            yield value
            position = _space(text, position)
            if text[position : position + 1] == ",":
                position = _space(text, position + 1)
            elif text[position : position + 1] != "]":
                raise ValueError(f"no comma at character {position:,}")
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        if complete:
            raise DataError(f"{name}, item {number + 1} is not JSON ({error}); mend the file") from None


def _in_columns(name: str, text: str) -> Iterator[dict[str, Any]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not JSON ({error}); {_FORMS}") from None
    rows = _rows_of(value)
    if rows is None:
        lengths = {key: len(column) for key, column in value.items() if isinstance(column, (list, dict))}
        if len(lengths) == len(value) > 1 and len(set(lengths.values())) > 1:
            few, many = min(lengths, key=lambda key: lengths[key]), max(lengths, key=lambda key: lengths[key])
            raise DataError(
                f"{name}: column {many!r} has {lengths[many]:,} values and {few!r} has {lengths[few]:,}; give each row "
                "one"
            )
        raise DataError(f"{name} holds one object with {', '.join(list(value)[:8])}, and no rows; {_FORMS}")
    return iter(rows)


def _rows_of(value: Mapping[str, Any]) -> Sequence[dict[str, Any]] | None:
    """Return the rows of an object in a table layout of pandas or similar tools; None if it has no such layout."""
    columns = list(value.values())
    if _is_split(value):
        return [dict(zip(value["columns"], row, strict=False)) for row in value["data"]]
    lists = [column for column in columns if isinstance(column, list)]
    tables = [column for column in lists if column and all(isinstance(item, dict) for item in column)]
    if len(tables) == 1 and len(lists) == 1:  # beside scalars such as a version
        return tables[0]
    if columns and len(lists) == len(columns) and len({len(column) for column in lists}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]
    if not columns or not all(isinstance(column, dict) for column in columns):
        return None
    keys = list(columns[0])
    if any(list(column) != keys for column in columns) or not keys:
        return None
    if all(key.isdecimal() for key in keys):  # one key per column, and in each column one numbered key per row
        return [
            dict(zip(value, row, strict=True)) for row in zip(*(column.values() for column in columns), strict=True)
        ]
    return columns if all(key.isdecimal() for key in value) else None


def _is_split(value: Mapping[str, Any]) -> bool:
    """Whether an object lists column names and rows separately (orientation "split" of pandas)."""
    return (
        isinstance(value.get("columns"), list)
        and isinstance(value.get("data"), list)
        and all(isinstance(row, list) for row in value["data"])
    )


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested objects of a row into columns: `{"a": {"b": 1}}` gives the column `a.b`."""
    columns: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            for inner, cell in flat(value).items():
                columns.setdefault(f"{name}.{inner}", cell)
        else:
            columns[name] = value
    return columns


def cell(row: Mapping[str, Any], name: str) -> Any:
    """Return the value of a column named as by `flat`, such as "a.b"; None if the row lacks it."""
    if name in row or "." not in name:
        return row.get(name)
    for end in range(len(name) - 1, 0, -1):
        if name[end] == "." and isinstance(row.get(name[:end]), dict):
            return cell(row[name[:end]], name[end + 1 :])
    return None


def table(rows: Iterator[dict[str, Any]], most: int) -> dict[str, list[Any]]:
    """Return the first `most` rows, flattened, as columns of equal length. Missing values are None."""
    some = [flat(row) for row in itertools.islice(rows, most)]
    names = dict.fromkeys(name for row in some for name in row)
    return {name: [row.get(name) for row in some] for name in names}


def _space(text: str, position: int) -> int:
    while text[position : position + 1].isspace():
        position += 1
    return position
