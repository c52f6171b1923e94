"""What a run on a table takes and gives."""

import datetime
from typing import Any

import numpy as np

from raysq.problems.arrays.metadata import TableMetadata
from raysq.problems.arrays.roles import Column
from raysq.problems.charts import unit_name
from raysq.problems.interface import ColumnType, Input, InputColumn, Interface, Output

_LISTED = 50  # most values of a category that are listed
_DIGITS = 4  # of the numbers of the example


def interface(metadata: TableMetadata) -> Interface:
    """Return the interface of a run. Its example has the mean of each number and the most frequent categories."""
    classes = [tuple(target["classes"]) for target in metadata.targets if target["kind"] == "class"]
    only = classes[0] if len(metadata.targets) == len(classes) == 1 else ()
    targets = tuple(target["name"] for target in metadata.targets)
    output = Output("classes" if only else "values", only, targets, unit=unit_name(metadata.unit) or None)
    columns = tuple(_column(column, metadata) for column in metadata.columns)
    example = {column["name"]: _example(column, metadata) for column in metadata.columns}
    # Types of columns, such as the form of times, are those of all rows: each request is predicted by itself.
    return Interface(Input("rows", [example], columns), output)


def _column(column: Column, metadata: TableMetadata) -> InputColumn:
    types: dict[str, ColumnType] = {"number": "number", "category": "text", "sequence": "list", "tensor": "tensor"}
    kind: ColumnType = "time" if column.get("time") else types[column["kind"]]
    values = metadata.categories.get(column["name"], [])
    return InputColumn(column["name"], kind, tuple(values) if len(values) <= _LISTED else ())


def _example(column: Column, metadata: TableMetadata) -> Any:
    """Return a cell of a column."""
    name = column["name"]
    if column["kind"] == "category":
        return next(iter(metadata.categories[name]), None)
    if column["kind"] == "sequence":
        return [1]
    if column["kind"] == "tensor":
        return np.zeros(column["shape"]).tolist()
    mean = next(number["mean"] for number in metadata.numbers if number["name"] == name)
    if column.get("time"):
        return datetime.datetime.fromtimestamp(round(mean), datetime.UTC).replace(tzinfo=None).isoformat(" ")
    return float(f"{mean:.{_DIGITS}g}")
