"""Horizons that are a range of rows: windows, the protocol of public tables, metrics, predictions and reports."""

import datetime
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from training.series import bind, write_series

from raysq import tasks
from raysq.data.pipeline import read_table
from raysq.errors import DataError, UsageError
from raysq.inference.predictor import check_latest, load
from raysq.inference.ranges import predict_ranges
from raysq.problems.base import RowContext
from raysq.problems.forecasting import horizons, splits
from raysq.problems.forecasting.batches import open_splits
from raysq.problems.forecasting.problem import Forecasting
from raysq.problems.forecasting.resolve_settings import resolve_settings
from raysq.problems.forecasting.settings import ForecastingSettings
from raysq.problems.forecasting.window_forecasts import forecast_windows
from raysq.tasks.prepare import prepare
from raysq.training.evaluation import evaluate
from raysq.training.run_config import resolve_config
from raysq.training.train import train

BOTH = ("p (mbar)", "T (degC)")


def take(array, rows):
    return array[rows] if isinstance(array, np.ndarray) else array.take(rows)


def settings(**changes):
    values = {"targets": ("T (degC)",), "lookback": 48, "anchor": "newest", "horizon": ("3:26",)}
    return ForecastingSettings(**(values | changes))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


def test_a_range_is_all_rows_from_one_to_another():
    assert settings().horizons == range(3, 27) and settings().ahead == range(2, 26) and settings().outputs == 24
    assert settings(horizon=(), delay=("0:3",)).ahead == range(4)
    assert horizons.expand([6, 24], "horizon", 1) == (6, 24)


@pytest.mark.parametrize("wrong", ["0:5", "7:3", "1:", ":9", "1:2:3", "1.5:3", "a:b"])
def test_a_range_that_is_none_is_refused(wrong):
    with pytest.raises(UsageError, match="setting horizon must be a range FROM:TO of rising rows from 1 on"):
        settings(horizon=(wrong,))


def test_a_range_stands_alone():
    with pytest.raises(UsageError, match="numbers of rows or one range FROM:TO such as 1:96, received 1:4,9"):
        settings(horizon=("1:4", 9))


@pytest.mark.parametrize("given", ["1:96", ["1:96"], range(1, 97), "['1:96']", "1 rows:96 rows"])
def test_ranges_are_given_as_text_or_in_python(data, given):
    resolved = resolve_settings({"targets": "all", "horizon": given, "lookback": 20}, data)
    assert resolved["horizon"] == ("1:96",)
    assert resolved["targets"] == tuple(name for name in data.columns if name != "time")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"step": 2, "stride": 5},
        {"targets": BOTH},
        {"targets": ("rh (%)", "T (degC)"), "features": BOTH},
        {"features": ("p (mbar)",)},
    ],
)
@pytest.mark.parametrize("unobserved", [(), ((100, 130), (700, 702))])
def test_a_range_gathers_what_single_horizons_gather(tmp_path, changes, unobserved):
    dataset = write_series(tmp_path / "waves", unobserved=unobserved)
    several = {"horizon": tuple(range(3, 27))}
    for split, windows in open_splits(dataset, settings(**changes)).items():
        single = open_splits(dataset, settings(**(changes | several)))[split]
        assert len(windows) == len(single) > 0
        indices = np.arange(len(windows))
        for at in (windows.arrays(), windows.mapped()):
            for ours, theirs in zip(
                windows.gather(indices, at, take), single.gather(indices, single.arrays(), take), strict=True
            ):
                assert np.array_equal(ours, theirs)
        if unobserved:
            assert (windows.shares is None) == (single.shares is None)
            assert windows.shares is None or np.array_equal(windows.shares, single.shares)


def test_neighboring_targets_among_the_columns_have_no_array_of_their_own(data):
    windows = open_splits(data, settings(targets=tuple(name for name in data.columns if name != "time")))["val"]
    assert set(windows.arrays()) == {"series"} and windows.nbytes == data.rows * 14 * 4


def test_splits_of_the_public_tables():
    assert splits.ltsf(17_420) == "8640/2880/2880" and splits.ltsf(69_680) == "34560/11520/11520"
    assert splits.ltsf(52_696) == "36887/5270/10539"


def test_windows_of_the_protocol_reach_back_and_forecast_every_row_of_their_split(data):
    table = settings(protocol="ltsf", horizon=("1:24",))
    bounds = {"train": (0, 840), "val": (840, 960), "test": (960, 1200)}
    raw = data.column("T (degC)").slice(0, 1200).astype(np.float64)
    normalized = (raw - raw[:840].mean()) / raw[:840].std()
    for split, windows in open_splits(data, table).items():
        begin, end = bounds[split]
        first = max(begin, 48)
        assert len(windows) == end - first - 24 + 1
        x, y = windows.gather(np.array([0, len(windows) - 1]), windows.arrays(), take)
        at = data.columns.index("T (degC)") - 1
        np.testing.assert_allclose(x[0, :, at], normalized[first - 48 : first], atol=1e-5)
        np.testing.assert_allclose(y[0], normalized[first : first + 24], atol=1e-5)
        np.testing.assert_allclose(y[1], normalized[end - 24 : end], atol=1e-5)
    inside = open_splits(data, settings(horizon=("1:24",), split="840/120/240"))["test"]
    assert len(inside) == 240 - 48 - 24 + 1, "by default windows stay inside their split"
    own = open_splits(data, settings(protocol="ltsf", horizon=("1:24",), split="600/300/300"))["test"]
    assert own.bounds == ((900, 1200),) and len(own) == 300 - 24 + 1


def test_no_window_of_the_protocol_fits_into_a_split_shorter_than_the_range(data):
    with pytest.raises(DataError, match="no window fits"):
        open_splits(data, settings(protocol="ltsf", horizon=("1:24",), split="1000/10/190"))


def test_quantiles_have_the_pinball_loss(data):
    with pytest.raises(UsageError, match="loss=mse is of forecasts of one value"):
        settings(quantiles=(0.1, 0.9), loss="mse")
    assert bind(data, settings(loss="mse")).objective().loss == "mse"
    assert set(bind(data, settings(quantiles=(0.1, 0.9))).objective().metrics) == {"mae", "mse", "coverage"}
    assert set(bind(data, settings(horizon=(3,))).objective().metrics) == {"mae"}


def test_a_range_trains_is_measured_over_all_steps_and_predicted(data, monkeypatch):
    values = {
        "lookback": 24,
        "anchor": "newest",
        "step": 1,
        "horizon": "1:6",
        "targets": BOTH,
        "protocol": "ltsf",
        "season": 6,
        "loss": "mse",
        "epochs": 1,
        "steps_per_epoch": 4,
        "batch_size": 16,
        "units": 4,
    }
    run = train("jena", data=data.directory, model="dense", settings=values)
    assert run.config.settings["data"]["horizon"] == ["1:6"]
    assert {"loss", "horizon", "quantiles"} <= set(run.problem.loss_settings), "a search does not rank by val_loss"
    windows = open_splits(data, run.problem.settings)["test"]
    found = evaluate(run, ("test",))
    assert list(found) == ["dense", "baseline", "seasonal", "ridge"]
    x, y = windows.gather(np.arange(len(windows)), windows.arrays(), take)
    targets = [data.columns.index(name) - 1 for name in BOTH]
    now = np.tile(x[:, -1, targets], 6)
    season = x[:, -6:][:, :, targets].reshape(len(x), -1)
    predictor = load(run)
    for name, forecast in (("baseline", now), ("seasonal", season), ("dense", predictor.model.predict(x, verbose=0))):
        assert found[name]["test_mse"] == pytest.approx(np.square(forecast - y).mean(), rel=1e-4)
        assert found[name]["test_mae"] == pytest.approx(np.abs(forecast - y).mean(), rel=1e-4)
    assert "test_mse_original" not in found["dense"], "two targets have no unit in common"

    rows = {name: data.column(name).slice(1000, 1030) for name in data.columns}
    table, context = predictor.rows(rows)
    monkeypatch.setattr("raysq.inference.ranges._FEWEST", 2)
    monkeypatch.setattr("raysq.inference.ranges._VALUES", 12 * 3)
    parts = list(predict_ranges(predictor, table, context.report, latest=False))
    assert [part.num_rows for part in parts] == [18, 18, 6], "forecasts of three rows at a time"
    assert pa.concat_tables(parts).equals(predictor.predict(rows))
    out = predictor.predict(rows, latest=True)
    assert out["row"].to_pylist() == list(range(30, 36))
    out = predictor.predict(rows)
    assert out.column_names == ["row", "time", "from", "horizon", *BOTH] and out.num_rows == 6 * 7
    assert out["row"].to_pylist()[-6:] == list(range(30, 36)), "the last forecast lies beyond the rows"
    assert out["horizon"].to_pylist()[:6] == ["1 row", *(f"{n} rows" for n in range(2, 7))]


def test_errors_of_one_target_are_in_its_unit(data):
    problem = bind(data, settings())
    std = problem.metadata.target_std[0]
    assert problem.denormalize_metrics({"val_mae": 2.0, "val_mse": 3.0}) == {
        "val_mae_original": pytest.approx(2 * std),
        "val_mse_original": pytest.approx(3 * std * std),
    }


def test_the_report_of_a_range_has_errors_by_step_and_histories(data):
    problem = bind(data, settings(targets=BOTH, quantiles=(0.1, 0.5, 0.9), protocol="ltsf"))

    class Model:
        def predict(self, x):
            return np.zeros((len(x), problem.settings.outputs), np.float32)

    sections = problem.report(data, Model(), {})
    assert [section.title for section in sections][1] == "Forecasts of 3 rows to 26 rows"
    week = sections[0].items
    assert [chart.title for chart in week[:3]] == [f"p (mbar), {rows} rows ahead" for rows in (3, 15, 26)]
    windows = open_splits(data, problem.settings)["test"]
    some = np.arange(5)
    forecasts = forecast_windows(problem, data, windows, Model().predict, some)
    last = forecast_windows(problem, data, windows, Model().predict, some, [23])
    assert np.array_equal(last.truth, forecasts.truth[:, 23:]) and np.array_equal(last.times, forecasts.times[:, 23:])
    assert last.values.shape == (5, 1, 2, 3)
    charts = sections[1].items
    assert len(charts) == 6 and [line.name for line in charts[0].lines] == ["history", "as now", "truth", "forecast"]
    assert len(charts[0].lines[0].x) == 48 and len(charts[0].lines[3].x) == 24
    assert charts[0].lines[0].x[-1] < charts[0].lines[3].x[0]
    errors = next(item for item in sections[2].items if getattr(item, "title", "") == "Error by step ahead")
    assert list(errors.lines[0].x) == list(range(3, 27))


def test_no_task_for_own_series_sets_a_split_in_place_of_the_protocols():
    assert "split" not in tasks.get("forecast").settings


class Zeros:
    """A model that forecasts the mean."""

    def __init__(self, outputs):
        self.outputs = outputs

    def predict_on_batch(self, x):
        return np.zeros((len(x), self.outputs), np.float32)


HOURS = [f"2024-03-30 {hour:02}:00" for hour in range(24)]
STAMPS = {
    "hours": (HOURS, ["2024-03-31 00:00", "2024-03-31 01:00", "2024-03-31 02:00"]),
    "business days": (
        [str(day)[:10] for day in np.busday_offset("2024-01-01", np.arange(24), roll="forward")],
        ["2024-02-02", "2024-02-05", "2024-02-06"],
    ),
    "quarters": (
        [f"{year}Q{quarter}" for year in range(2000, 2006) for quarter in range(1, 5)],
        ["2006-01-01", "2006-04-01", "2006-07-01"],
    ),
    "ISO weeks": ([f"2024-W{week:02}" for week in range(1, 25)], ["2024-06-17", "2024-06-24", "2024-07-01"]),
    "months": (
        [f"{year}-{month:02}-01" for year in (2020, 2021) for month in range(1, 13)],
        ["2022-01-01", "2022-02-01", "2022-03-01"],
    ),
    "numbers": ([str(10 + 5 * number) for number in range(24)], [130, 135, 140]),
}


@pytest.mark.parametrize("kind", STAMPS)
@pytest.mark.parametrize("several", [False, True])
def test_the_latest_forecast_has_the_stamps_after_the_end_of_each_series(tmp_path, kind, several):
    stamps, following = STAMPS[kind]
    path = tmp_path / "series.csv"
    ids = ("a", "b") if several else ("",)
    lines = [f"{stamp},{name},{number % 5}" for name in ids for number, stamp in enumerate(stamps)]
    path.write_text("\n".join(["when,shop,sales", *lines]) + "\n")
    chosen = {"horizon": "1:3", "lookback": 4, "targets": "sales", "time": "when", "features": "sales"}
    if kind == "numbers":
        chosen["time_format"] = "number"
    dataset = prepare("forecast", str(path), settings={**chosen, **({"id": "shop"} if several else {})}, quiet=True)
    problem = Forecasting.from_dataset(dataset, dataset.manifest.settings)
    table, report = read_table(problem.prediction_preprocessor(), [path])
    out = problem.predict(Zeros(problem.settings.outputs), table, RowContext(report, latest=True))
    times = out["time"].to_pylist()
    expected = following if kind == "numbers" else [datetime.datetime.fromisoformat(stamp) for stamp in following]
    assert times == expected * len(ids)
    assert out["row"].to_pylist() == [24, 25, 26] * len(ids)
    assert not several or out["shop"].to_pylist() == ["a"] * 3 + ["b"] * 3
    part = RowContext({**report, "series": [{"id": None, "rows": 24}]}, positions=(24, 25), offset=100)
    assert problem.predict(Zeros(3), table.slice(0, 24), part)["row"].to_pylist() == [124, 125, 126]


def test_more_forecasts_than_fit_into_memory_are_refused(data, monkeypatch):
    monkeypatch.setattr("raysq.problems.forecasting.predict.MOST_VALUES", 60 * 24 - 1)
    problem = bind(data, settings(lookback=24))
    rows = pa.table({name: data.column(name).slice(0, 60) for name in data.columns})
    with pytest.raises(DataError, match="forecasts from every row are 1,440 values, more than 1,439 at once"):
        problem.predict(Zeros(24), rows)
    assert problem.predict(Zeros(24), rows, RowContext(latest=True)).num_rows == 24
    assert problem.predict(Zeros(24), rows, RowContext(positions=(24, 26))).num_rows == 48


def test_latest_is_for_series(data):
    class Texts:
        name, problem = "reviews", object()

    with pytest.raises(UsageError, match="run reviews predicts each row by itself: latest is for runs that forecast"):
        check_latest(Texts(), True)
    check_latest(Texts(), False)


def test_settings_that_came_later_leave_the_ids_of_runs_as_they_were(data):
    config = resolve_config("jena", "dense", data, 0, {"lookback": 24})
    later = ("future", "loss", "protocol")
    without = {name: value for name, value in config.settings["data"].items() if name not in later}
    assert replace(config, settings={**config.settings, "data": without}).id == config.id
    assert resolve_config("jena", "dense", data, 0, {"lookback": 24, "loss": "mse"}).id != config.id
