"""Text, label and split columns of a file, and rows of them as documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.config import join_names, nearest_name
from raysq.data.partition_stats import Stats
from raysq.data.parts import PART, PARTS, group_names, row_weights
from raysq.data.readers.csv.sniff import column_by_number
from raysq.data.readers.json_lines import names_of
from raysq.errors import DataError
from raysq.text.readers.format import DocumentFormat, DocumentPartition, TextColumns
from raysq.text.readers.sniff import Head, family, head, nameless
from raysq.text.readers.tables import as_labels, as_parts, joined_flags, numbered, table

TEXT = ("text", "review", "content", "body", "sentence", "message", "post", "comment", "document", "tweet")
LABEL = ("label", "class", "sentiment", "category", "target", "topic")
_MOST_CLASSES = 50


@dataclass(frozen=True)
class Read:
    """Rows of a file: the columns of `TextColumns.wanted`, of which the text may be chunked, and numbers for ids."""

    columns: Sequence[pa.Array | pa.ChunkedArray]
    numbers: np.ndarray


def columns_of(path: Path, format: DocumentFormat) -> TextColumns:
    """Return the columns of a file, as specified or inferred."""
    columns = head(path, format)
    named = (format.text, format.label, format.split_column, format.weight, format.group)
    if family(path) == "jsonl" and any(name and column_named(name, list(columns)) not in columns for name in named):
        rows = len(next(iter(columns.values())))  # a column may begin further below
        names = names_of(path, format)
        wanted = [column_named(name, names) for name in named if name]
        columns |= {name: [None] * rows for name in names if name in wanted and name not in columns}
    return select_columns(path.name, columns, format)


def select_columns(name: str, head: Head, format: DocumentFormat) -> TextColumns:
    """Return the columns, by the specified names, by the usual names, or by the values in the first rows.

    Raises:
        DataError: a specified column does not exist (the message suggests the nearest name), or none can be inferred.
    """
    flags = flag_columns(name, head, format)
    text, label, split, weight, group = (
        None if column is None else column_named(column, list(head))
        for column in (format.text, None if flags else format.label, format.split_column, format.weight, format.group)
    )
    named = {"--text": text, "--label": label, "--split-column": split, "--weight": weight, "--group": group}
    for option, column in named.items():
        if column is not None and column not in head and (option != "--label" or format.labels):
            raise DataError(
                f"{name} has no column {column!r} ({nearest_name(column, head)})", hint=f"{option} names another"
            )
    others = [column for column in (split, weight, group, *flags) if column is not None]
    for option, column in named.items():
        twice = next((other for other, same in named.items() if same == column and other != option), None)
        if column in others and twice is not None:
            raise DataError(f"{name}: column {column!r} is named by {option} and by {twice}: leave it out of one")
    strings = [column for column, values in head.items() if _is_text(values)]
    text = text or usual(TEXT, [column for column in strings if column not in (label, *others)])
    label = label if label in head else None
    if label is None and format.labels and not flags:
        label = usual(LABEL, [column for column in head if column not in (text, *others)])
    if text is None:
        left = [column for column in strings if column not in (label, *others) and _part_of(head, column) is None]
        if not left:
            raise DataError(
                f"{name} has no column of text; it has {join_names(list(head))}", hint="--text NAME names one"
            )
        text = max(left, key=lambda column: _mean_length(head[column]))
    candidates = [column for column in head if column not in (text, label, *others)] if format.parts else []
    part = split or next((column for column in candidates if _part_of(head, column)), None)
    if label is None and format.labels and not flags:
        label = _few_values(name, head, (text, part, *others))
        if label in head[label]:  # a column name that is also a value shows that the file has no header
            raise nameless(name, head)
    if text == label:
        raise DataError(f"{name}: column {text!r} cannot be both the text and the label")
    return TextColumns(text, label, part, tuple(head), weight, group, flags)


def flag_columns(name: str, head: Head, format: DocumentFormat) -> tuple[str, ...]:
    """Return the columns of 0 and 1 where `--label` names several, separated by commas; else none.

    Raises:
        DataError: one of the columns does not exist.
    """
    if not format.labels or format.label_separator is None or format.label is None:
        return ()
    if "," not in format.label or format.label in head:
        return ()
    columns = tuple(column_named(column.strip(), list(head)) for column in format.label.split(","))
    for column in columns:
        if column not in head:
            raise DataError(
                f"{name} has no column {column!r} ({nearest_name(column, head)})",
                hint="--label names the columns of 0 and 1, one for each label",
            )
        if format.label_separator in column:
            raise DataError(
                f"{name}: column {column!r} holds {format.label_separator!r}", hint="give another --label-separator"
            )
    return columns


def documents(read: Read, partition: DocumentPartition, format: DocumentFormat) -> tuple[pa.Table, Stats]:
    """Return rows as a table of documents, with its statistics."""
    assert partition.columns is not None
    columns = dict(zip(partition.columns.wanted, read.columns, strict=True))
    ids = numbered(partition.name, read.numbers)
    label, part = partition.columns.label, partition.columns.part
    labels = None
    if partition.columns.flags:
        flags = {name: columns[name] for name in partition.columns.flags}
        labels = joined_flags(flags, ids, format.label_separator or "")
    elif label is not None:
        where = f"{partition.name}: column {label!r}"
        labels = as_labels(columns[label], where, format.encoding, separator=format.label_separator)
    rows, stats = table(
        columns[partition.columns.text],
        labels,
        as_parts(columns[part], ids, part) if part is not None else partition.part,
        ids,
        format,
    )
    if partition.columns.flags:
        stats["flags"] = list(partition.columns.flags)
    if (weight := partition.columns.weight) is not None:
        rows = rows.append_column("weight", pa.array(row_weights(columns[weight], ids, weight)))
    if (group := partition.columns.group) is not None:
        where = f"{partition.name}: column {group!r}"
        groups = as_labels(columns[group], where, format.encoding, "--group").fill_null("")
        rows = rows.append_column("group", group_names(groups))
    return rows, stats


def column_named(name: str, columns: Sequence[str]) -> str:
    """Return the column with a name or number, or the only nested column whose last part is the name."""
    inner = [column for column in columns if column.endswith(f".{name}")]
    return inner[0] if name not in columns and len(inner) == 1 else column_by_number(name, columns)


def usual(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """Return the first column that has one of the lower-case names, in order of preference, or None.

    A nested column also matches by its last part if no other column has that name.
    """
    lower = {column.lower().strip(): column for column in reversed(columns)}
    inner = {name.rpartition(".")[2]: column for name, column in lower.items()}
    return next((names_in[name] for names_in in (lower, inner) for name in names if name in names_in), None)


def _is_text(values: Sequence[Any]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and 2 * sum(isinstance(value, (str, bytes)) for value in present) >= len(present)


def _mean_length(values: Sequence[Any]) -> float:
    return sum(len(value) for value in values if isinstance(value, (str, bytes))) / len(values)


def _part_of(head: Head, column: str) -> str | None:
    """Return the column if it has values and all name splits, else None. Missing ones are errors of their rows."""
    present = [value for value in head[column] if value is not None]
    return column if column.lower().strip() in PART and present and all(map(_is_part, present)) else None


def _is_part(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() in PARTS


def names_parts(columns: TextColumns) -> bool:
    """Return whether a column, or a field of a nested one, has a usual name of columns that assign rows to splits."""
    return any(name.lower().strip().rpartition(".")[2] in PART for name in columns.names)


def refuse_late_parts(row: Mapping[str, Any], where: str) -> None:
    """Raise DataError if a row says its split in a column that the first rows of its file lack."""
    for name, value in row.items():
        if name.lower().strip() in PART and _is_part(value):
            raise DataError(
                f"{where}: column {name!r} says {value!r}, and the first rows have no such column",
                hint="say train, val or test in each row, or rename the column if it says something else",
            )


def _few_values(name: str, head: Head, excluded: Sequence[str | None]) -> str:
    """Return the only column whose values look like labels: few distinct ones, each occurring several times."""
    candidates = []
    for column, values in head.items():
        present = [value for value in values if isinstance(value, (str, bool, int))]
        distinct = len(set(present))
        if (
            column not in excluded
            and len(present) == len(values)
            and 2 <= distinct <= min(_MOST_CLASSES, max(2, len(values) // 3))
        ):
            candidates.append(column)
    if len(candidates) != 1:
        reason = (
            f"several that could be ({join_names(candidates)})" if candidates else f"it has {join_names(list(head))}"
        )
        raise DataError(f"{name} has no column named like a label, and {reason}", hint="--label NAME names it")
    return candidates[0]
