"""Predictions of several requests at once, and their JSON and Arrow forms."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from raysq.data import time_zones
from raysq.inference.predictor import Predictor, for_predict
from raysq.problems.base import RowContext
from raysq.problems.capabilities import SeriesContinuation
from raysq.serving.messages import ARROW, Answer, json_answer

if TYPE_CHECKING:
    import pyarrow as pa


_HISTORY = 500  # latest rows of a series


def predict_together(predictor: Predictor, tables: "Sequence[pa.Table]") -> "list[pa.Table]":
    """Return the predictions for the rows of several tables of one schema, made in one call.

    The problem's predictions of a row must not depend on other rows (`Interface.independent`).
    """
    import pyarrow as pa

    if len(tables) == 1:
        return [predictor.predict_table(tables[0])]
    predictions = predictor.predict_table(pa.concat_tables(tables))
    parts, begin = [], 0
    for table in tables:
        part = predictions.slice(begin, table.num_rows)
        begin += table.num_rows
        number = part.column_names.index("row")
        rows = pa.array(np.arange(table.num_rows), part.schema.field(number).type)
        parts.append(part.set_column(number, "row", rows))
    return parts


def predict_alone(predictor: Predictor, table: "pa.Table", context: RowContext | None) -> "pa.Table":
    """Return the predictions for the rows of one request."""
    with for_predict():
        return predictor.predict_table(table, context)


def history_of(predictor: Predictor, table: "pa.Table", context: RowContext | None) -> "pa.Table | None":
    """Return the latest rows that predictions continue, or None if they continue none."""
    problem = predictor.problem
    if context is None or not isinstance(problem, SeriesContinuation):
        return None
    return problem.recent_rows(table, context, _HISTORY)


def predictions_answer(
    run: str, predictions: "pa.Table", arrow: bool = False, history: "pa.Table | None" = None
) -> Answer:
    """Return the answer with predictions.

    Args:
        run: name of the run.
        predictions: table of the problem.
        arrow: whether the answer is an Arrow stream.
        history: the latest rows that the predictions continue, which an answer in JSON has too; or None.
    """
    if not arrow:
        answer = {"run": run, "predictions": json_rows(predictions)}
        return json_answer(answer if history is None else {**answer, "history": json_rows(history)})
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, predictions.schema) as writer:
        writer.write_table(predictions)
    return Answer(200, sink.getvalue().to_pybytes(), ARROW)


def json_rows(table: "pa.Table") -> list[dict[str, Any]]:
    """Return the rows of a table as JSON-ready objects.

    Numbers keep all digits, times are those of csv files, and numbers that JSON lacks are null.
    """
    import pyarrow as pa

    table = _with_times_as_text(time_zones.with_offsets(table))
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = column.to_pylist()
        if pa.types.is_floating(column.type) or pa.types.is_nested(column.type):
            values = [_finite(value) for value in values]
        columns[name] = values
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _with_times_as_text(table: "pa.Table") -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    for number, field in enumerate(table.schema):
        if not pa.types.is_temporal(field.type):
            continue
        column = table.column(number)
        if pa.types.is_timestamp(field.type):
            whole = not pc.any(pc.not_equal(pc.subsecond(column), 0)).as_py()
            column = column.cast(pa.timestamp("s")) if whole else column
        table = table.set_column(number, field.name, column.cast(pa.string()))
    return table


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
