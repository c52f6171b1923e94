"""What a table looks like before anything is trained: inferred types, histograms, values of categories, first rows."""

from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.arrays.encode import stored_name
from raysq.problems.arrays.inputs import stored_values
from raysq.problems.arrays.roles import Column
from raysq.problems.charts import Bars, Histogram, Item, Section, Table
from raysq.problems.even_rows import evenly
from raysq.problems.overview_items import OUTERMOST, spread

_COLUMNS = 40  # most columns that are drawn
_VALUES = 20  # most values of a category
_ROWS = 10


def overview(dataset: Dataset) -> list[Section]:
    """Return the sections of a data set of a table."""
    report = dataset.manifest.report
    columns: list[Column] = report["columns"]
    rows: list[list[Any]] = [
        [
            column["name"],
            "target" if column["target"] else "input",
            column["kind"],
            " x ".join(map(str, column["shape"])) or None,
            column["values"] or None,
            column["missing"],
        ]
        for column in columns
    ]
    rows += [[each["name"], f"left out: {each['why']}", None, None, None, None] for each in report["left_out"]]
    types = Table(["column", "use", "kind", "shape", "different values", "missing"], rows)
    charts: list[Item] = []
    for column in columns[:_COLUMNS]:
        chart = _chart(dataset, column)
        charts += [] if chart is None else [chart]
    left = f" The first {_COLUMNS} of {len(columns)} columns." if len(columns) > _COLUMNS else ""
    note = OUTERMOST + left if any(isinstance(chart, Histogram) for chart in charts) else left.strip()
    return [
        Section("Columns as they are understood", [types]),
        *([Section("Values of each column", charts, note)] if charts else []),
        Section(
            "Some rows", [_sample(dataset, columns)], f"{min(_ROWS, dataset.rows)} evenly spaced rows, as prepared."
        ),
    ]


def _chart(dataset: Dataset, column: Column) -> Item | None:
    """Return the values of a column: counts of categories, or a histogram of numbers; None for others."""
    name = column["name"]
    title = f"{name} (target)" if column["target"] else name
    if column["kind"] in ("category", "class"):
        values = stored_values(dataset)[name]
        codes = dataset.column(stored_name(column)).slice(0, dataset.rows)
        counts = np.bincount(codes[codes > 0], minlength=len(values) + 1)[1:]
        order = np.argsort(-counts, kind="stable")[:_VALUES] if len(values) > _VALUES else np.arange(len(values))
        if len(values) > _VALUES:
            title += f", the {_VALUES} most frequent of {len(values):,} values"
        return Bars(title, [values[number] for number in order], counts[order], name, "rows")
    if column["kind"] == "sequence":
        return spread(f"{title}: length", dataset.ragged(stored_name(column)).lengths, "ids", "rows", whole=True)
    if column["shape"]:
        return None
    return spread(title, dataset.column(stored_name(column)).slice(0, dataset.rows), name, "rows")


def _sample(dataset: Dataset, columns: list[Column]) -> Table:
    rows = evenly(dataset.rows, _ROWS)
    cells = [[_cell(dataset, column, row) for column in columns] for row in rows.tolist()]
    return Table([column["name"] for column in columns], cells)


def _cell(dataset: Dataset, column: Column, row: int) -> Any:
    """Return a cell for display; None where it is missing."""
    name = stored_name(column)
    if column["kind"] == "sequence":
        ids = dataset.ragged(name).row(row)
        return f"{', '.join(map(str, ids[:8].tolist()))}{', ...' if len(ids) > 8 else ''}"
    if column["kind"] in ("category", "class"):
        code = int(dataset.column(name).slice(row, row + 1)[0])
        return stored_values(dataset)[column["name"]][code - 1] if code > 0 else None
    if column["shape"]:
        return f"{' x '.join(map(str, column['shape']))} numbers"
    value = dataset.column(name).slice(row, row + 1)[0].item()
    return None if value != value else value
