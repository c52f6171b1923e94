"""Columns whose values are known as far ahead as the forecasts reach."""

import datetime
from functools import partial
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from training.series import bind, write_series

from raysq import backend
from raysq.data.pipeline import read_table
from raysq.errors import DataError, UsageError
from raysq.inference.ranges import predict_range, ranges
from raysq.problems.base import RowContext
from raysq.problems.forecasting.batches import open_splits
from raysq.problems.forecasting.problem import Forecasting
from raysq.problems.forecasting.settings import ForecastingSettings
from raysq.tasks.prepare import prepare

ROWS, AHEAD = 120, 3


def settings(**changes):
    values = {
        "targets": ("T (degC)",),
        "features": ("T (degC)", "rh (%)"),
        "future": ("rh (%)",),
        "calendar": ("hour",),
    }
    return ForecastingSettings(**(values | {"lookback": 12, "anchor": "newest", "horizon": ("1:5",)} | changes))


def take(array, rows):
    return array[rows] if isinstance(array, np.ndarray) else array.take(rows)


@pytest.mark.parametrize("changes", [{}, {"step": 3}, {"horizon": (), "delay": (2,), "anchor": "oldest", "step": 4}])
def test_windows_see_the_column_at_the_farthest_forecast(tmp_path, changes):
    dataset = write_series(tmp_path / "waves")
    chosen = settings(**changes)
    values = dataset.column("rh (%)").slice(0, 1200).astype(np.float64)
    normalized = (values - values[:600].mean()) / values[:600].std()
    for windows in open_splits(dataset, chosen).values():
        indices = np.arange(len(windows))
        x = windows.gather(indices, windows.arrays(), take)[0]
        assert np.array_equal(x, windows.gather(indices, windows.mapped(), take)[0])
        assert x.shape[2] == 5 == len(bind(dataset, chosen).input_spec(dataset).names)
        farthest = windows.rows(indices) + max(chosen.ahead)
        np.testing.assert_allclose(x[:, -1, 4], normalized[farthest], atol=1e-5)
        np.testing.assert_allclose(x[:, -2, 4], normalized[farthest - chosen.step], atol=1e-5)


def sales(path, *, shops=("a", "b"), open_rows=AHEAD, begin=0):
    """Sales that are the price of the day: known ahead, and nothing else tells them."""
    random = np.random.RandomState(begin)
    lines = []
    for shop in shops:
        for number, price in enumerate(random.randint(1, 100, ROWS + open_rows).tolist()):
            day = datetime.date(2024, 1, 1) + datetime.timedelta(begin + number)
            lines.append(f"{day},{shop},{price if number < ROWS else ''},{price}")
    path.write_text("\n".join(["day,shop,sales,price", *lines]) + "\n")
    return [float(line.split(",")[3]) for line in lines]


@pytest.fixture
def problem(tmp_path):
    sales(tmp_path / "sales.csv", open_rows=0)
    chosen = {"targets": "sales", "future": "price", "horizon": AHEAD, "lookback": 5, "id": "shop"}
    dataset = prepare("forecast", str(tmp_path / "sales.csv"), settings=chosen, quiet=True)
    found = Forecasting.from_dataset(dataset, dataset.manifest.settings)
    backend.load()
    from raysq.problems.forecasting.long_horizon.ridge import ridge

    return found, ridge(found.input_spec(dataset), alpha=1e-3)


def test_forecasts_follow_what_is_known_ahead(problem, tmp_path):
    problem, model = problem
    prices = np.reshape(sales(tmp_path / "new.csv", begin=400), (2, -1))
    table, report = read_table(problem.prediction_preprocessor(), [tmp_path / "new.csv"])
    told = problem.prediction_preprocessor().describe(report)
    assert not any("begins" in line for line in told), "empty cells at the end are not those before the first value"
    out = problem.predict(model, table, RowContext(report, latest=True))
    assert out["row"].to_pylist() == [ROWS + AHEAD - 1] * 2 and out["shop"].to_pylist() == ["a", "b"]
    np.testing.assert_allclose(out["sales"].to_numpy(), prices[:, -1], atol=0.1)
    assert out["from"].to_pylist() == [datetime.datetime(2025, 6, 3)] * 2, "the last day with sales"
    every = problem.predict(model, table, RowContext(report))
    assert every.num_rows == 2 * (ROWS - 5 + 1)
    np.testing.assert_allclose(every["sales"].to_numpy(), prices[:, 5 + AHEAD - 1 :].ravel(), atol=0.1)
    before, after = problem.history()
    rows = table.slice(ROWS - before, before + after + 1)
    part = RowContext({**report, "series": [{"id": "a", "keys": ["a"], "rows": rows.num_rows}]}, (before, before + 1))
    assert problem.predict(model, rows, part)["sales"].to_pylist() == out["sales"].to_pylist()[:1]
    assert any("knows price" in line for line in problem.describe())

    predictor = SimpleNamespace(problem=problem, model=model, predict_table=partial(problem.predict, model))
    for latest, expected in ((True, out), (False, every)):
        tables = [
            predict_range(predictor, part, report, lambda low, high: table.slice(low, high - low), latest)
            for part in ranges(problem, report, table.num_rows, latest)
        ]
        assert pa.concat_tables(tables).equals(expected), "a pool of actors predicts the same"


def test_a_file_without_the_rows_ahead_is_forecast_as_far_as_they_are_known(problem, tmp_path):
    problem, model = problem
    sales(tmp_path / "new.csv", open_rows=0, shops=("a",))
    table, report = read_table(problem.prediction_preprocessor(), [tmp_path / "new.csv"])
    out = problem.predict(model, table, RowContext(report))
    assert out["row"].to_pylist()[-1] == ROWS - 1, "no forecast without a price"
    short = RowContext({**report, "series": [{"id": "a", "keys": ["a"], "rows": 6}]})
    with pytest.raises(DataError, match="after them the values of price on the 3 rows that it reaches"):
        problem.predict(model, table.slice(0, 6), short)
    sales(tmp_path / "short.csv", shops=("a",))
    table, report = read_table(problem.prediction_preprocessor(), [tmp_path / "short.csv"])
    table = table.slice(ROWS - 4)
    with pytest.raises(DataError, match="needs 5 rows of history, received 4, and after them"):
        problem.predict(model, table, RowContext({**report, "series": [{"id": "a", "rows": table.num_rows}]}))
    lines = problem.describe_rows({"series": [{"id": "a", "rows": 7}, {"id": "b", "rows": 8}]})
    assert lines == ["no prediction for a: fewer than 8 rows of history and of price"]
    assert problem.interface().input.rows == 5 + AHEAD


def test_what_cannot_be_done_is_refused(problem, tmp_path):
    problem, _ = problem
    with pytest.raises(UsageError, match="future names 'T .degC.', which is a target"):
        settings(future=("T (degC)",))
    with pytest.raises(UsageError, match="future names 'p .mbar.', which features leaves out"):
        settings(future=("p (mbar)",))
    with pytest.raises(UsageError, match="cannot be exported with columns of the future"):
        problem.signature(True)
    dataset = write_series(tmp_path / "waves")
    with pytest.raises(UsageError, match="was prepared with missing=error: prepare it with missing=previous"):
        Forecasting.from_dataset(dataset, {"targets": "T (degC)", "future": "rh (%)", "horizon": 3, "lookback": 9})
    from raysq.problems.forecasting.long_horizon.nlinear import nlinear

    with pytest.raises(UsageError, match=r"would not see rh \(%\) ahead: leave out future, or take tsmixer"):
        nlinear(bind(dataset, settings()).input_spec(dataset))
    assert bind(dataset, settings()).baselines()["baseline"]["future"] == ()
