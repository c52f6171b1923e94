"""Forecasts for raw rows by a trained model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DataError
from raysq.kinds.forecast.examples import WindowSettings


def predict(facts: Mapping[str, Any], settings: WindowSettings, model: Any, table: pa.Table) -> pa.Table:
    """A forecast for every row with enough history.

    Args:
        facts: the run's facts (columns, means, deviations).
        settings: the run's window settings.
        model: the Keras model.
        table: rows in time order, with the columns the model was trained on.

    Returns:
        A table with `row` (the row the forecast is made at: the window is the `lookback` rows before it), every
        column of `table` named `time` at that row, and each target `delay` rows after it, in its own unit.

    Raises:
        DataError: a column is missing or not numeric, or there are too few rows.
    """
    missing = [name for name in facts["columns"] if name not in table.column_names]
    if missing:
        raise DataError(f"the rows lack columns {', '.join(missing)}; there are {', '.join(table.column_names)}")
    if table.num_rows < settings.lookback:
        raise DataError(
            f"a forecast needs {settings.lookback:,} rows of history (lookback), received {table.num_rows:,}"
        )
    try:
        columns = [table.column(name).cast(pa.float64()).to_numpy() for name in facts["columns"]]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"a column is not numeric: {error}") from None
    mean, std = np.array(facts["mean"]), np.array(facts["std"])
    series = ((np.stack(columns, 1) - mean) / std).astype(np.float32)
    # A window may end with the last row: its forecast stands at the row after it.
    rows = np.arange(settings.lookback, table.num_rows + 1)
    offsets = np.arange(-settings.lookback, 0, settings.step)
    offsets = offsets[::-1] if settings.reversed else offsets
    predicted = np.concatenate(
        [
            np.asarray(model.predict_on_batch(series[part[:, None] + offsets]))
            for part in np.array_split(rows, -(-len(rows) // 1024))
        ]
    )
    out = {"row": pa.array(rows)}
    if "time" in table.column_names:
        # None for the row after the last, whose stamp is not known here.
        places = pa.array(rows, mask=rows >= table.num_rows)
        out["time"] = table.column("time").combine_chunks().take(places)
    for number, name in enumerate(facts["targets"]):
        index = facts["columns"].index(name)
        out[name] = pa.array(predicted[:, number].astype(np.float64) * std[index] + mean[index])
    return pa.table(out)
