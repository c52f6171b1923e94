"""What a trained forecast gives: several horizons, quantiles, references, stamps, and a backtest."""

import numpy as np
import pyarrow as pa
import pytest
from training.series import SMALL, write_series

from raysq.inference.predictor import load
from raysq.problems.base import RowContext
from raysq.problems.forecasting.predict import _round
from raysq.training import train
from raysq.training.backtest import backtest
from raysq.training.evaluation import evaluate

QUICK = {**SMALL, "epochs": 1, "units": 4}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


def columns(data, begin=0, end=1200):
    return {name: data.column(name).slice(begin, end) for name in data.columns}


def test_horizons_and_targets_are_measured_each_and_stamped(data):
    settings = {**QUICK, "targets": "T (degC),rh (%)", "delay": "0,6,12"}
    run = train.train("jena", data=data.directory, model="dense", settings=settings)
    metrics = run.result()["metrics"]
    parts = [metrics[f"val_mae_{t}_{h}"] for h in ("2 rows", "8 rows", "14 rows") for t in ("T (degC)", "rh (%)")]
    assert metrics["val_mae"] == pytest.approx(np.mean(parts), rel=1e-5)
    std = data.statistics("rh (%)", 0, 600)[1]
    assert metrics["test_mae_rh (%)_8 rows_original"] == pytest.approx(metrics["test_mae_rh (%)_8 rows"] * std)
    assert "test_mae_original" not in metrics, "a mean over two units"

    out = load(run).predict(columns(data, 600, 900))
    assert out.column_names == ["row", "time", "from", "horizon", "T (degC)", "rh (%)"]
    stands = np.repeat(np.arange(24, 301), 3)
    assert out.column("row").to_pylist() == (stands + np.tile([0, 6, 12], 277)).tolist()
    stamps = data.column("time").slice(0, 1200).astype("datetime64[us]")
    assert out.column("from").to_numpy().tolist() == stamps[600 + stands - 2].tolist(), (
        "the book's windows leave out the last row"
    )
    # The frame tells its cadence, so that what lies beyond its end has stamps too.
    assert out["time"].to_numpy().tolist() == stamps[600 + np.array(out["row"])].tolist()
    recent = run.problem.recent_rows(pa.table(columns(data, 600, 900)), RowContext(), 5)
    assert recent.column_names == ["time", "T (degC)", "rh (%)"]
    assert recent["time"].to_numpy().tolist() == stamps[895:900].tolist()
    assert recent["rh (%)"].to_pylist() == data.column("rh (%)").slice(895, 900).tolist()
    known = np.array(out["row"]) < 300
    for number, name in enumerate(("T (degC)", "rh (%)")):
        truth = data.column(name).slice(600, 900)
        found = np.array(out[name])
        # The last windows have no room for the longest horizon, so that no horizon is measured on them.
        inside = known & (stands + 12 < 300)
        for place, horizon in enumerate(("2 rows", "8 rows", "14 rows")):
            at = inside & (np.array(out["horizon"]) == horizon)
            error = np.abs(found[at] - truth[np.array(out["row"])[at]]).mean()
            assert error == pytest.approx(metrics[f"val_mae_{name}_{horizon}_original"], rel=1e-4), (number, place)


def test_quantiles_are_learned_and_come_in_order(data):
    settings = {**QUICK, "quantiles": "0.1,0.5,0.9", "epochs": 6, "steps_per_epoch": 60, "optimizer": "adam"}
    run = train.train("jena", data=data.directory, model="dense", settings={**settings, "learning_rate": 0.005})
    records = run.metrics()
    assert records[-1]["val_loss"] < records[0]["val_loss"]
    assert 0.5 < records[-1]["coverage"] < 0.97, "8 of 10 values should lie between"
    out = load(run).predict(columns(data))
    low, middle, high = (np.array(out[f"T (degC) q{q}"]) for q in (0.1, 0.5, 0.9))
    assert (low <= middle).all() and (middle <= high).all() and np.array_equal(middle, np.array(out["T (degC)"]))
    found = evaluate(run, ("val",))
    assert set(found) == {"dense", "baseline", "ridge"}, "a series without a cadence has no season"
    # The metrics are those of the quantiles as they are predicted.
    truth, rows = data.column("T (degC)").slice(0, 1200).astype(float), np.array(out["row"])
    val = (rows >= 600 + 24 + 6) & (rows < 900)
    inside = (truth[rows[val]] >= low[val]) & (truth[rows[val]] <= high[val])
    assert found["dense"]["val_coverage"] == pytest.approx(inside.mean(), abs=0.005)
    assert found["dense"]["val_mae_original"] == pytest.approx(np.abs(truth[rows[val]] - middle[val]).mean(), rel=1e-4)
    # Of one value for all quantiles around the median the pinball loss is half the absolute error.
    assert found["baseline"]["val_loss"] == pytest.approx(found["baseline"]["val_mae"] / 2, rel=1e-5)


def test_the_references_are_what_they_say(data):
    settings = {**QUICK, "season": 9, "features": "rh (%)", "calendar": "hour", "step": 1, "reversed": True}
    run = train.train("jena", data=data.directory, model="dense", settings=settings)
    found = evaluate(run, ("test",))
    assert list(found) == ["dense", "baseline", "seasonal", "ridge"]
    series = data.column("T (degC)").slice(0, 1200).astype(float)
    rows = np.arange(900 + 24, 1200 - 6)
    now = np.abs(series[rows + 6] - series[rows - 1]).mean()
    season = np.abs(series[rows + 6] - series[rows + 6 - 9]).mean()
    assert found["baseline"]["test_mae_original"] == pytest.approx(now, rel=1e-4)
    assert found["seasonal"]["test_mae_original"] == pytest.approx(season, rel=1e-4)


def test_a_backtest_rolls_over_the_test_rows(data):
    settings = {**QUICK, "season": 9, "split": "600/200/rest"}
    seen = []
    found = backtest(
        "jena", folds=2, data=data.directory, model="dense", settings=settings, on_fold=lambda *a: seen.append(a)
    )
    assert [fold["split"] for fold in found.folds] == ["600/200/200", "800/200/200"]
    assert found.models == ["dense", "baseline", "seasonal", "ridge"] and [number for number, _ in seen] == [1, 2]
    summary = found.summary()["baseline"]["test_mae"]
    values = [fold["metrics"]["baseline"]["test_mae"] for fold in found.folds]
    assert summary["mean"] == pytest.approx(np.mean(values)) and summary["std"] == pytest.approx(np.std(values, ddof=1))
    # Another call finds the runs finished.
    again = backtest("jena", folds=2, data=data.directory, model="dense", settings=settings)
    assert again.folds == found.folds


def test_forecasts_have_the_digits_that_a_model_can_know():
    values = np.array([447.6449876, -0.00001, 91.0000001775863])
    assert _round(values, 450.0).tolist() == [447.645, -0.0, 91.0]
    assert _round(np.array([1.234567891e-9]), 2e-9) == pytest.approx(1.234568e-9, rel=1e-6)
    assert _round(np.array([2.8905123e39]), 1e39) == pytest.approx(2.890512e39, rel=1e-12)
