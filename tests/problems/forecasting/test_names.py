"""Columns of the data that have names which raysq uses itself are neither lost nor mixed up."""

import numpy as np
import pandas as pd
import pytest

import raysq
from raysq.data.pipeline import read_table
from raysq.errors import DataError
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor


def frame():
    hours = np.arange(240)
    columns = {name: 100.0 * n + 2 * hours for n, name in enumerate(("time", "row", "from", "horizon", "series"))}
    return pd.DataFrame({"when": pd.date_range("2024-01-01", periods=240, freq="h"), **columns, "id": "x"})


def test_targets_may_have_the_names_of_what_stands_beside_them():
    names = ["time", "row", "from", "horizon", "series"]
    settings = {"targets": ",".join(names), "id": "id", "lookback": 24, "horizon": "1h,3h"}
    data = raysq.prepare("forecast", frame(), settings=settings, name="d", quiet=True)
    assert data.columns == ("time", "time_value", *names[1:])
    assert "time is kept as time_value" in data.manifest.preparation["messages"]
    run = raysq.train("forecast", data="d", model="baseline", name="run")
    lines = run.problem.describe()
    assert "predictions have the from of a forecast as 'forecast_from': a column of the data is called 'from'" in lines
    out = raysq.load(run).predict(frame())
    beside = ["id", "forecast_row", "time", "forecast_from", "forecast_horizon"]
    assert list(out) == [*beside, "time_value", *names[1:]]
    last = out.iloc[-1]
    assert last["forecast_from"] == pd.Timestamp("2024-01-10 23:00") and last["forecast_row"] == 242
    assert last["time"] == pd.Timestamp("2024-01-11 02:00") and last["forecast_horizon"] == "3h"
    # "Now goes on": the last value of each column, not of another.
    assert [last[name] for name in out.columns[5:]] == pytest.approx([478, 578, 678, 778, 878], abs=1e-3)


def test_a_value_named_time_is_kept_only_where_it_is_meant(tmp_path):
    frame().drop(columns="id").to_csv(tmp_path / "x.csv", index=False)

    with pytest.raises(DataError, match=r"column of values named 'time'.*--set columns=... keeps it, as 'time_value'"):
        read_table(SeriesPreprocessor(time=("when",)), [tmp_path / "x.csv"])
    table, _ = read_table(SeriesPreprocessor(time=("when",), columns=("time", "row")), [tmp_path / "x.csv"])
    assert table.column_names == ["time", "time_value", "row"] and table["time_value"][5].as_py() == 10
