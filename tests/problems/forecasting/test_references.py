"""The linear reference and the errors without a unit, against formulas written anew."""

import numpy as np
import pytest
from training.series import bind, write_series

from raysq import backend
from raysq.errors import UsageError
from raysq.problems.forecasting.batches import open_splits
from raysq.problems.forecasting.linear_reference import solve
from raysq.problems.forecasting.scale_free import scale_free_errors, seasonal_scales
from raysq.problems.forecasting.settings import ForecastingSettings

BOTH = ("p (mbar)", "T (degC)")


def settings(**changes):
    values = {"targets": BOTH, "features": (*BOTH, "rh (%)"), "lookback": 12, "anchor": "newest", "horizon": ("1:5",)}
    return ForecastingSettings(**(values | changes))


def take(array, rows):
    return array[rows] if isinstance(array, np.ndarray) else array.take(rows)


def arrays(dataset, chosen, split):
    windows = open_splits(dataset, chosen)[split]
    return windows.gather(np.arange(len(windows)), windows.arrays(), take)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


def test_few_windows_at_a_time_solve_the_same(data, monkeypatch):
    whole = solve(data, settings(), (0, 1), (2,), 3.0)
    monkeypatch.setattr("raysq.problems.forecasting.linear_reference._CELLS", 12 * 3 * 50)
    np.testing.assert_allclose(solve(data, settings(), (0, 1), (2,), 3.0).past, whole.past, atol=1e-9)


def test_models_of_a_targets_own_past_need_all_targets(data):
    backend.load()
    from raysq.problems.forecasting.long_horizon.ridge import ridge
    from raysq.problems.forecasting.models import baseline

    inputs = bind(data, settings(features=("p (mbar)", "rh (%)"))).input_spec(data)
    for build in (ridge, baseline):
        with pytest.raises(UsageError, match="targets.* not all among the features"):
            build(inputs)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_reference_solves_the_penalized_equations(data, reverse):
    chosen = settings(reversed=reverse)
    found = solve(data, chosen, (0, 1), (2,), 3.0)
    x, y = arrays(data, chosen, "train")
    x = (x[:, ::-1] if reverse else x).astype(float)
    latest = x[:, -1, :2]
    rows, truth = [], []
    for target in (0, 1):
        rows.append(np.column_stack([x[:, :, target] - latest[:, [target]], x[:, -1, 2]]))
        truth.append(y.reshape(len(x), 5, 2)[:, :, target] - latest[:, [target]])
    rows, truth = np.concatenate(rows), np.concatenate(truth)
    weights = np.concatenate([found.past, found.others])
    rest = truth - rows @ weights - found.bias
    np.testing.assert_allclose(rest.mean(0), 0, atol=1e-8)
    np.testing.assert_allclose(rows.T @ rest, 3 * weights, atol=1e-5)


def test_the_model_is_the_solution(data):
    backend.load()
    from raysq.problems.forecasting.long_horizon.ridge import ridge

    chosen = settings(quantiles=(0.1, 0.5, 0.9))
    problem = bind(data, chosen)
    model = ridge(problem.input_spec(data), alpha=3.0)
    assert not model.trainable_weights
    found = solve(data, chosen, (0, 1), (2,), 3.0)
    x, y = arrays(data, chosen, "test")
    out = np.array(model(x)).reshape(len(x), 5, 2, 3)
    for target in (0, 1):
        latest = x[:, -1, [target]]
        expected = (x[:, :, target] - latest) @ found.past + x[:, -1, 2:] @ found.others + found.bias + latest
        for quantile in range(3):
            np.testing.assert_allclose(out[:, :, target, quantile], expected, atol=1e-3)
    truth = y.reshape(len(x), 5, 2)
    assert np.abs(out[..., 0] - truth).mean() < 0.7 * np.abs(x[:, -1:, :2] - truth).mean(), "waves are linear"
    assert problem.baselines()["ridge"] == {}
    without = bind(data, settings(features=("rh (%)",)))
    assert without.baselines()["ridge"] == {"features": BOTH, "future": ()}


class Repeats:
    """A model that forecasts the normalized value 0.5 everywhere."""

    def __init__(self, outputs):
        self.outputs = outputs

    def predict_on_batch(self, x):
        return np.full((len(x), self.outputs), 0.5, np.float32)


@pytest.mark.parametrize("unobserved", [(), ((950, 970), (100, 110))])
def test_errors_without_a_unit_are_their_formulas(tmp_path, unobserved):
    dataset = write_series(tmp_path / "waves", unobserved=unobserved)
    problem = bind(dataset, settings(season=4))
    found = scale_free_errors(problem, dataset, "test", Repeats(10))
    windows = open_splits(dataset, problem.settings)["test"]
    rows = windows.rows(np.arange(len(windows)))
    scaled, shares = [], []
    for number, name in enumerate(BOTH):
        values = dataset.column(name).slice(0, 1200).astype(float)
        known = np.ones(1200, bool)
        for begin, end in unobserved if name == "T (degC)" else ():
            known[begin:end] = False
        pairs = known[4:600] & known[:596]
        scale = np.abs(values[4:600] - values[:596])[pairs].mean()
        assert seasonal_scales(dataset, windows)[0, number] == pytest.approx(scale, rel=1e-6)
        forecast = problem.metadata.target_mean[number] + 0.5 * problem.metadata.target_std[number]
        at = (rows[:, None] + np.arange(5)).ravel()
        truth = values[at][known[at]]
        scaled += list(np.abs(truth - forecast) / scale)
        shares += list(200 * np.abs(truth - forecast) / (np.abs(truth) + abs(forecast)))
    assert found == {
        "mase": pytest.approx(np.mean(scaled), rel=1e-4),
        "smape": pytest.approx(np.mean(shares), rel=1e-4),
    }


def test_a_split_without_windows_has_no_errors(data):
    problem = bind(data, settings(split="0.7/0.3/0"))
    assert scale_free_errors(problem, data, "test", Repeats(10)) == {}
