"""A person's own series: csv or Parquet, what is not said is found in the files."""

from raysq.tasks.spaces import RECURRENT
from raysq.tasks.task import Task

TASK = Task(
    name="forecast",
    problem="forecasting",
    title="your own series: any csv or Parquet file with a column that tells the time",
    preparation={
        "layout": "infer",
        "time": (),
        # What makes most real files usable; each is told with its counts, and can be changed with --set.
        "order": "sort",
        "missing": "previous",  # "interpolate" looks at what comes after
        "bad_cells": "missing",
        "sentinel": "missing",
    },
    # Lookback, step, horizon and season follow from the cadence of the series
    # (raysq.problems.forecasting.row_durations.defaults).
    settings={"split": "0.5/0.25/0.25", "patience": 5},
    search_model="rnn",
    search={
        **RECURRENT,
    },
)
