"""Text, label and split columns of a file, and rows of them as documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.config import join_names, nearest_name
from raysq.data.readers.csv.sniff import column_by_number
from raysq.errors import DataError
from raysq.text.readers.format import Columns, Form, Piece
from raysq.text.readers.layout import PARTS
from raysq.text.readers.sniff import Head, head, nameless
from raysq.text.readers.tables import as_labels, as_parts, numbered, table

TEXT = ("text", "review", "content", "body", "sentence", "message", "post", "comment", "document", "tweet")
LABEL = ("label", "class", "sentiment", "category", "target", "topic")
PART = ("split", "part")
_MOST_CLASSES = 50


@dataclass(frozen=True)
class Read:
    """Rows of a file.

    Attributes:
        columns: columns in the order of `Columns.wanted`. The text may be chunked.
        numbers: line, row or item numbers in the file, for the ids.
    """

    columns: Sequence[pa.Array | pa.ChunkedArray]
    numbers: np.ndarray


def columns_of(path: Path, form: Form) -> Columns:
    """Return the columns of a file, as specified or inferred.

    Raises:
        DataError: a column does not exist, or cannot be inferred.
    """
    return choose(path.name, head(path, form), form)


def choose(name: str, few: Head, form: Form) -> Columns:
    """Return the columns, by the specified names, by the usual names, or by the values in the first rows.

    Args:
        name: of the file, for errors.
        few: columns and their first values.
        form: how the file is read.

    Raises:
        DataError: a specified column does not exist (the message suggests the nearest name), or none can be inferred.
    """
    text, label = (None if one is None else column_named(one, list(few)) for one in (form.text, form.label))
    for option, column in (("--text", text), ("--label", label)):
        if column is not None and column not in few and (option == "--text" or form.labels):
            raise DataError(
                f"{name} has no column {column!r} ({nearest_name(column, few)})", hint=f"{option} names another"
            )
    strings = [column for column, values in few.items() if _is_text(values)]
    text = text or usual(TEXT, [column for column in strings if column != label])
    label = label if label in few else None
    if label is None and form.labels:
        label = usual(LABEL, [column for column in few if column != text])
    if text is None:
        left = [column for column in strings if column != label and _part_of(few, column) is None]
        if not left:
            raise DataError(
                f"{name} has no column of text; it has {join_names(list(few))}", hint="--text NAME names one"
            )
        text = max(left, key=lambda column: _mean_length(few[column]))
    part = next((column for column in few if column not in (text, label) and _part_of(few, column)), None)
    if label is None and form.labels:
        label = _few_values(name, few, (text, part))
        if label in few[label]:  # a column name that is also a value shows that the file has no header
            raise nameless(name, few)
    if text == label:
        raise DataError(f"{name}: column {text!r} cannot be both the text and the label")
    return Columns(text, label, part, tuple(few))


def documents(read: Read, piece: Piece, form: Form) -> tuple[pa.Table, dict[str, Any]]:
    """Return rows as a table of documents, with its statistics.

    Args:
        read: rows of a file.
        piece: partition of the rows.
        form: how documents are read.

    Raises:
        DataError: a label or a split cannot be interpreted.
    """
    assert piece.columns is not None
    columns = dict(zip(piece.columns.wanted, read.columns, strict=True))
    ids = numbered(piece.name, read.numbers)
    label, part = piece.columns.label, piece.columns.part
    return table(
        columns[piece.columns.text],
        as_labels(columns[label], f"{piece.name}: column {label!r}", form.encoding) if label is not None else None,
        as_parts(columns[part], ids, part) if part is not None else piece.part,
        ids,
        form,
    )


def column_named(name: str, columns: Sequence[str]) -> str:
    """Return the column with a name or number, or the only nested column whose last part is the name.

    Args:
        name: name or number of a column, or last part of a nested one.
        columns: names of all columns.
    """
    inner = [column for column in columns if column.endswith(f".{name}")]
    return inner[0] if name not in columns and len(inner) == 1 else column_by_number(name, columns)


def usual(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """Return the first column that has one of the names, or None.

    Args:
        names: lower-case names in order of preference.
        columns: columns to choose from. A nested column also matches by its last part if no other column has that name.
    """
    lower = {column.lower().strip(): column for column in reversed(columns)}
    inner = {name.rpartition(".")[2]: column for name, column in lower.items()}
    return next((found[name] for found in (lower, inner) for name in names if name in found), None)


def _is_text(values: Sequence[Any]) -> bool:
    there = [value for value in values if value is not None]
    return bool(there) and 2 * sum(isinstance(value, (str, bytes)) for value in there) >= len(there)


def _mean_length(values: Sequence[Any]) -> float:
    return sum(len(value) for value in values if isinstance(value, (str, bytes))) / len(values)


def _part_of(few: Head, column: str) -> str | None:
    """Return the column if all its values name splits, else None."""
    if column.lower().strip() not in PART or not few[column]:
        return None
    said = all(isinstance(value, str) and value.strip().lower() in PARTS for value in few[column])
    return column if said else None


def _few_values(name: str, few: Head, taken: Sequence[str | None]) -> str:
    """Return the only column whose values look like labels: few distinct ones, each occurring several times."""
    found = []
    for column, values in few.items():
        there = [value for value in values if isinstance(value, (str, bool, int))]
        distinct = len(set(there))
        if (
            column not in taken
            and len(there) == len(values)
            and 2 <= distinct <= min(_MOST_CLASSES, max(2, len(values) // 3))
        ):
            found.append(column)
    if len(found) != 1:
        said = f"several that could be ({join_names(found)})" if found else f"it has {join_names(list(few))}"
        raise DataError(f"{name} has no column named like a label, and {said}", hint="--label NAME names it")
    return found[0]
