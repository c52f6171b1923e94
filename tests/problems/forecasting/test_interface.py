"""The example of a run: rows that it can forecast from, with times as its own files have them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import raysq
from raysq.data.pipeline import read_table
from raysq.problems.forecasting.problem import Forecasting

LOOKBACK = 10
HOURS = pd.date_range("2020-01-01", periods=300, freq="h")
TIMES = {
    "business days": (pd.bdate_range("2020-01-01", periods=300), {}),
    "ends of months": (pd.date_range("2000-01-31", periods=200, freq="ME"), {}),
    "a zone": (pd.date_range("2020-01-01", periods=900, freq="h", tz="Europe/Berlin"), {}),
    "a format": (HOURS.strftime("%d.%m.%Y %H:%M"), {}),
    "seconds since 1970": (np.arange(300) * 3600 + 1_600_000_000, {"time_format": "epoch_s"}),
    "numbers": (np.arange(0, 600, 2), {"time_format": "number"}),
    "several series": (HOURS, {"id": "shop"}),
}


@pytest.mark.parametrize("times", TIMES)
def test_the_example_is_read(times, tmp_path):
    index, settings = TIMES[times]
    random = np.random.RandomState(0)
    frame = pd.DataFrame(
        {"time": index, "load": random.uniform(size=len(index)), "wind": random.normal(9, 2, len(index))}
    )
    if "id" in settings:
        frame = pd.concat([frame.assign(shop=name) for name in ("north", "south")])
    frame.to_csv(tmp_path / "x.csv", index=False)
    settings = {"targets": "load", "time": "time", **settings}
    dataset = raysq.prepare("forecast", tmp_path / "x.csv", name="x", settings=settings, quiet=True)
    problem = Forecasting.from_dataset(dataset, {"targets": "load", "lookback": LOOKBACK, "horizon": 1})
    interface = problem.interface()
    assert interface.input.rows == len(interface.input.example) == LOOKBACK
    assert list(interface.input.example[0]) == [column.name for column in interface.input.columns]
    assert interface.output.kind == "forecast" and interface.output.targets == ("load",)
    rows, report = read_table(problem.prediction_preprocessor(), [pa.Table.from_pylist(interface.input.example)])
    assert rows.num_rows == LOOKBACK and not any(report.get("repairs", {}).values())
    assert (np.diff(rows["time"].cast(pa.int64()).to_numpy()) > 0).all()
