"""Values that are not of the source are seen by a model at most: they are never forecast, counted or drawn."""

import json
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pytest

from raysq.cli import main
from raysq.config import make_settings
from raysq.data.pipeline import build, run
from raysq.data.sources import resolve
from raysq.distributed.executor import ThreadExecutor
from raysq.distributed.ray_data import RayExecutor
from raysq.errors import DataError
from raysq.inference.batch import predict_file
from raysq.problems.forecasting.observed import Stretches
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.problems.forecasting.readers.repair import FILLED, repair
from raysq.tasks.prepare import prepare
from raysq.training import evaluation
from raysq.training import train as api
from raysq.training.run_config import resolve_config

ROWS = 600
LOAD = np.round(np.sin(np.arange(ROWS) / 9) * 10 + np.random.default_rng(3).normal(0, 4, ROWS), 2)


def text(gaps=(), values=LOAD, empty: str = "") -> str:
    """Hourly rows of load and temp, with load empty in the gaps."""
    missing = np.zeros(len(values), bool)
    for begin, end in gaps:
        missing[begin:end] = True
    hours = np.datetime64("2023-03-01T00") + np.arange(len(values))
    cells = np.where(missing, empty, values.astype(str))
    rows = zip(hours, cells, hours.astype(int) % 5, strict=True)
    return "when,load,temp\n" + "".join(f"{at}:00,{load},{temp}\n" for at, load, temp in rows)


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """A function that prepares a csv as a person does."""
    monkeypatch.setenv("RAYSQ_HOME", str(tmp_path / "home"))

    def make_data(csv: str, **settings):
        (tmp_path / "x.csv").write_text(csv)
        return prepare("forecast", str(tmp_path / "x.csv"), settings={"targets": "load", **settings}, quiet=True)

    return make_data


def windows_of(data, model="baseline", **settings):
    config = resolve_config("forecast", model, data, 0, {"lookback": 24, "horizon": 1, "step": 1, **settings})
    return config, config.make_problem().splits(data)


def persistence_error(gaps, begin: int, end: int, ahead: int = 1) -> float:
    """By hand: "the last value goes on", over targets that were observed in rows of which each sees 24 before it."""
    observed = np.ones(ROWS, bool)
    for low, high in gaps:
        observed[low:high] = False
    last = LOAD[np.maximum.accumulate(np.where(observed, np.arange(ROWS), -1))]
    targets = np.arange(begin + 23 + ahead, end)
    targets = targets[observed[targets]]
    return float(np.abs(LOAD[targets] - last[targets - ahead]).mean())


@pytest.mark.parametrize("gaps", [[(200, 400)], [(576, 600)], [(0, 60), (330, 340), (470, 471)]])
@pytest.mark.parametrize("empty", ["", "-9999", "n/a", "broken"])
def test_metrics_count_observed_targets_alone(prepared, gaps, empty):
    data = prepared(text(gaps, empty=empty))
    config, windows = windows_of(data)
    for split, (begin, end) in {"val": (300, 450), "test": (450, 600)}.items():
        x, y = windows[split].gather(
            np.arange(len(windows[split])), windows[split].arrays(), lambda array, rows: array[rows]
        )
        std = config.metadata["std"][0]
        assert np.abs(y[:, 0] - x[:, -1, 0]).mean() * std == pytest.approx(
            persistence_error(gaps, begin, end), rel=1e-4
        )
    assert windows["val"].shares is None  # a window is left out as a whole


def test_a_run_its_evaluation_and_its_report_count_them_alone(prepared, capsys):
    gaps = [(200, 400)]
    data = prepared(text(gaps))
    common = ["forecast", "--model", "baseline", "--set", "lookback=24", "--set", "horizon=1", "--set", "step=1"]
    assert main(["train", *common, "--name", "run"]) == 0
    said = "200 of 600 targets of load are not observed: windows that forecast them are left out"
    assert said in capsys.readouterr().err
    assert main(["evaluate", "run", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert said in result["remarks"]
    assert result["metrics"]["val_mae_original"] == pytest.approx(persistence_error(gaps, 300, 450), rel=1e-4)
    assert result["metrics"]["test_mae_original"] == pytest.approx(persistence_error(gaps, 450, 600), rel=1e-4)
    assert main(["train", *common, "--dry-run", "--json"]) == 0
    assert said in json.loads(capsys.readouterr().out)["remarks"]
    found = evaluation.evaluate("run", ("val",))["baseline"]
    assert found["val_mae_original"] == pytest.approx(persistence_error(gaps, 300, 450), rel=1e-4)
    config = resolve_config("forecast", "baseline", data, 0, {"lookback": 24, "horizon": 1, "step": 1})
    assert said in config.make_problem().describe()


def test_a_mask_for_each_output(prepared):
    """Two horizons of two targets: a window counts with what was observed of it."""
    gaps = [(200, 240), (370, 371)]
    data = prepared(text(gaps), targets="load,temp")
    config, windows = windows_of(data, targets="load,temp", horizon="1,12")
    val = windows["val"]
    assert len(val) == 150 - 24 - 11
    x, y, observed = val.gather(np.arange(len(val)), val.arrays(), lambda array, rows: array[rows])
    rows = val.rows(np.arange(len(val)))
    right = np.ones((len(val), 4))
    right[rows == 370, 0] = 0  # load one hour after the last row seen
    right[rows == 370 - 11, 2] = 0
    np.testing.assert_array_equal(observed, right)
    np.testing.assert_allclose(val.shares, right.mean(1))
    on_disk = val.gather(np.arange(len(val)), val.mapped(), lambda array, rows: array.take(rows))
    for here, there in zip((x, y, observed), on_disk, strict=True):
        np.testing.assert_array_equal(here, there)
    # Of all outputs temp alone is missing nowhere.
    assert config.metadata["unobserved"] == {"load": 41}
    lines = config.make_problem().describe()
    assert "41 of 600 targets of load are not observed: forecasts of them do not count" in lines


def test_a_model_learns_and_is_measured_by_observed_outputs(prepared):
    """The metrics of a run with two horizons, beside plain NumPy."""
    gaps = [(200, 240), (370, 380), (500, 501)]
    prepared(text(gaps))
    settings = {"lookback": 24, "horizon": "1,12", "step": 1, "epochs": 1}
    run = api.train("forecast", model="baseline", settings=settings, quiet=True)
    found = evaluation.evaluate(run, ("val", "test"))["baseline"]
    observed = np.ones(ROWS, bool)
    for low, high in gaps:
        observed[low:high] = False
    seen = LOAD[np.maximum.accumulate(np.where(observed, np.arange(ROWS), -1))]
    for split, (begin, end) in {"val": (300, 450), "test": (450, 600)}.items():
        last = np.arange(begin + 23, end - 12)
        errors = {ahead: np.abs(LOAD[last + ahead] - seen[last])[observed[last + ahead]] for ahead in (1, 12)}
        both = np.concatenate(list(errors.values()))
        assert found[f"{split}_mae_original"] == pytest.approx(both.mean(), rel=1e-4)
        assert found[f"{split}_mae_1h_original"] == pytest.approx(errors[1].mean(), rel=1e-4)
        assert found[f"{split}_mae_12h_original"] == pytest.approx(errors[12].mean(), rel=1e-4)


def test_statistics_are_of_observed_values(prepared):
    data = prepared(text([(100, 250)]))
    config, _ = windows_of(data)
    train = np.r_[LOAD[:100], LOAD[250:300]].astype(np.float32).astype(np.float64)
    assert config.metadata["mean"][0] == pytest.approx(train.mean(), rel=1e-12)
    assert config.metadata["std"][0] == pytest.approx(train.std(), rel=1e-12)


def test_nothing_is_made_up_before_the_first_value(prepared, tmp_path):
    data = prepared(text([(0, 70)]))
    assert np.isnan(data.column("load").slice(0, 70)).all()
    assert data.manifest.report["repairs"]["leading"] == {"load": 70}
    _, windows = windows_of(data)
    assert windows["train"].rows(np.array([0])) == [70 + 24]
    assert len(windows["train"]) == 300 - 70 - 24
    x, y = windows["train"].gather(np.arange(5), windows["train"].arrays(), lambda array, rows: array[rows])
    assert np.isfinite(x).all() and np.isfinite(y).all()
    run = api.train("forecast", model="baseline", settings={"lookback": 24, "horizon": 1, "step": 1}, quiet=True)
    predict_file(run, tmp_path / "x.csv", tmp_path / "out.parquet")
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").column("row").to_pylist()
    assert rows == list(range(70 + 24, ROWS + 1))


def test_a_window_does_not_end_in_values_made_of_what_follows(prepared):
    """Interpolated values inside of a gap know the value after it."""
    gaps = [(200, 240), (590, 600)]
    data = prepared(text(gaps), missing="interpolate")
    assert data.extra(FILLED).to_pylist() == [
        {"column": "load", "begin": 200, "end": 240, "ahead": True},
        {"column": "load", "begin": 590, "end": 600, "ahead": False},
    ]
    _, windows = windows_of(data)
    rows = windows["train"].rows(np.arange(len(windows["train"])))
    assert set(range(24, 300)) - set(rows.tolist()) == set(range(200, 241))
    _, previous = windows_of(prepared(text(gaps), missing="previous"))
    rows = previous["train"].rows(np.arange(len(previous["train"])))
    assert set(range(24, 300)) - set(rows.tolist()) == set(range(200, 240))


def test_rows_put_into_gaps_are_not_observed(tmp_path):
    lines = text().splitlines()
    (tmp_path / "x.csv").write_text("\n".join([*lines[:101], *lines[111:]]))
    source = resolve(str(tmp_path / "x.csv"), url=None, sha256=None, sample=None, suffixes=(".csv",))
    preparation = make_settings(SeriesPreprocessor, {"time": "when", "gaps": "fill"})
    data = build(preparation, source, tmp_path / "d", {"task": "forecast", "problem": "forecasting"})
    assert data.rows == ROWS
    for column in ("load", "temp"):
        stretches = Stretches.of(data, column)
        assert (stretches.begins.tolist(), stretches.ends.tolist()) == ([100], [110])
        np.testing.assert_array_equal(np.flatnonzero(stretches.inside(ROWS)), np.arange(100, 110))
    # Of complete rows nothing lies beside the shards.
    (tmp_path / "x.csv").write_text("\n".join(lines))
    source = resolve(str(tmp_path / "x.csv"), url=None, sha256=None, sample=None, suffixes=(".csv",))
    assert build(preparation, source, tmp_path / "e", {"task": "forecast", "problem": "forecasting"}).extras == ()


def test_both_executors_write_the_same(tmp_path, cluster):
    (tmp_path / "x.csv").write_text(text([(0, 10), (200, 400)]))
    preparation = make_settings(SeriesPreprocessor, {"time": "when", "missing": "previous"})
    pieces = preparation.partition([tmp_path / "x.csv"])
    written = []
    for name, executor in (("threads", ThreadExecutor(2)), ("ray", RayExecutor(2))):
        (tmp_path / name).mkdir()
        written.append(run(preparation, pieces, tmp_path / name, 250, executor))
    here, on_ray = written
    assert [file.sha256 for file in (*here.shards, *here.extras)] == [
        file.sha256 for file in (*on_ray.shards, *on_ray.extras)
    ]
    assert [file.file for file in here.extras] == [f"{FILLED}.arrow"]
    assert here.report == on_ray.report


def test_series_have_gaps_of_their_own(prepared):
    one, two = text([(0, 10)]).splitlines(), text([(20, 30)]).splitlines()
    rows = [f"{line},{name}" for name, part in (("a", one), ("b", two)) for line in part[1:]]
    data = prepared("\n".join(["when,load,temp,store", *rows]), id="store")
    stretches = Stretches.of(data, "load")
    assert (stretches.begins.tolist(), stretches.ends.tolist()) == ([0, 620], [10, 630])
    _, windows = windows_of(data)
    rows = windows["train"].rows(np.arange(len(windows["train"])))
    right = [*range(10 + 24, 300), *(row for row in range(600 + 24, 900) if not 620 <= row < 630)]
    assert rows.tolist() == right


def test_a_report_draws_observed_targets(prepared):
    gaps = [(470, 520), (560, 561)]
    data = prepared(text(gaps))
    config, windows = windows_of(data, horizon="1,12")
    test = windows["test"]

    def predict(x):
        return np.repeat(x[:, -1, :1], 2, axis=1)

    sections = config.make_problem().report(data, Mock(predict=predict), {})
    figures = sections[1].items[0].figures
    last = test.rows(np.arange(len(test))) - 1
    observed = np.ones(ROWS, bool)
    for low, high in gaps:
        observed[low:high] = False
    seen = LOAD[np.maximum.accumulate(np.where(observed, np.arange(ROWS), -1))]
    errors = [np.abs(LOAD[last + ahead] - seen[last])[observed[last + ahead]] for ahead in (1, 12)]
    assert float(figures[0].value) == pytest.approx(np.concatenate(errors).mean(), rel=5e-3)
    lines = sections[0].items[0].lines
    truth = next(line for line in lines if line.name == "truth")
    assert np.isnan(truth.y).any()


def test_a_split_without_an_observed_target_is_named(prepared):
    data = prepared(text([(300, 450)]))
    with pytest.raises(DataError, match="no window of the val split has a target of load that was observed"):
        windows_of(data)


def test_a_missing_category_is_not_forecast_as_0(prepared):
    lines = text().splitlines()
    rows = [f"{line},{'' if number == 50 else 'wet' if number % 3 else 'dry'}" for number, line in enumerate(lines[1:])]
    data = prepared("\n".join([f"{lines[0]},sky", *rows]), categories="sky", targets="load")
    windows_of(data)
    with pytest.raises(DataError, match="target sky=wet: 1 rows have no sky"):
        windows_of(data, targets="sky=wet")


def test_a_column_without_a_value_is_named():
    table = pa.table({"time": pa.array([0, 1], pa.timestamp("us")), "a": pa.array([np.nan, np.nan], pa.float32())})
    with pytest.raises(DataError, match="column 'a' has no value at all"):
        repair(table, sort=False, duplicates="keep", missing="previous", fill=False)
