"""The user's own time series: a table in any format, with settings inferred from the files where left out."""

from raysq.tasks.spaces import RECURRENT
from raysq.tasks.task import Task

TASK = Task(
    name="forecast",
    problem="forecasting",
    title="your own series: any csv or Parquet file with a column that tells the time",
    preparation={
        "layout": "infer",
        "time": (),
        # Repairs that make most real files usable. Each is reported with its count and can be changed with --set.
        "order": "sort",
        "missing": "previous",  # "interpolate" would use later values
        "bad_cells": "missing",
        "sentinel": "missing",
    },
    # Lookback, step, horizon and season are inferred from the frequency of the series
    # (raysq.problems.forecasting.row_durations.default_windows).
    settings={"patience": 5},
    search_model="rnn",
    search={
        **RECURRENT,
    },
)
