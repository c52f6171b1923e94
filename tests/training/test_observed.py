"""Targets that were not observed count nowhere: losses, gradients and metrics are means over the others."""

import numpy as np
import pytest
import tensorflow as tf

from raysq.problems.forecasting.quantiles import absolute_error, coverage, pinball
from raysq.problems.specs import Objective, OutputMetric
from raysq.training.observed import for_metric, per_example
from raysq.training.settings import TrainSettings
from raysq.training.trainer import Trainer

LEVELS = (0.1, 0.5, 0.9)


def masked(count: int = 7, outputs: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, predictions of each quantile, and which outputs were observed, at least one of each example."""
    random = np.random.default_rng(1)
    y = random.normal(size=(count, outputs)).astype(np.float32)
    prediction = random.normal(size=(count, outputs, len(LEVELS))).astype(np.float32)
    observed = (random.random((count, outputs)) < 0.6).astype(np.float32)
    observed[observed.sum(1) == 0, 1] = 1
    return y, prediction, observed


def test_a_loss_is_a_mean_over_observed_outputs():
    y, prediction, observed = masked()
    error = y[..., None] - prediction
    losses = np.maximum(np.array(LEVELS) * error, (np.array(LEVELS) - 1) * error).mean(-1)
    right = (losses * observed).sum(1) / observed.sum(1)
    flat = prediction.reshape(len(y), -1)
    found = per_example(pinball(LEVELS), tf.constant(y), tf.constant(flat), tf.constant(observed))
    np.testing.assert_allclose(found, right, rtol=1e-6)
    whole = per_example(pinball(LEVELS), tf.constant(y), tf.constant(flat), None)
    np.testing.assert_allclose(whole, losses.mean(1), rtol=1e-6)


@pytest.mark.parametrize("output", [None, 0, 2])
def test_a_metric_is_a_mean_over_observed_outputs(output):
    y, prediction, observed = masked()
    weights = observed.mean(1)
    weights[-1] = 0  # padding
    counted = observed.copy()
    counted[-1] = 0
    arguments = for_metric(
        tf.constant(y), tf.constant(prediction.reshape(7, -1)), observed, tf.constant(weights), output
    )
    ordered = np.sort(prediction, -1)  # metrics are those of the quantiles as they are predicted
    for metric, values in (
        (absolute_error(3, 1), np.abs(y - ordered[..., 1])),
        (coverage(3, 0, 2), (y >= ordered[..., 0]) & (y <= ordered[..., 2])),
    ):
        found = np.average(metric(*arguments[:2]), weights=arguments[2])
        which = slice(None) if output is None else slice(output, output + 1)
        assert found == pytest.approx(np.average(values[:, which], weights=counted[:, which]), rel=1e-6)


class OnDisk:
    def __init__(self, array) -> None:
        self.take = lambda rows: array[rows]


class Rows:
    """Ten examples with three outputs, some of which were not observed."""

    nbytes = 100

    def __init__(self) -> None:
        random = np.random.default_rng(2)
        self.x = random.normal(size=(10, 4)).astype(np.float32)
        self.y, _, self.observed = masked(10)
        self.shares = self.observed.mean(1)

    def __len__(self) -> int:
        return 10

    def arrays(self):
        return {"x": self.x, "y": self.y, "observed": self.observed}

    def mapped(self):
        return {name: OnDisk(array) for name, array in self.arrays().items()}

    def gather(self, indices, arrays, take):
        return tuple(take(arrays[name], indices) for name in ("x", "y", "observed"))


def program(rows: Rows) -> Trainer:
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    settings = TrainSettings(batch_size=4, eval_batch_size=4, optimizer="sgd", learning_rate=0.1)
    metrics = {"mse": "mse", **{f"mae_{number}": OutputMetric(number, absolute_error(1, 0)) for number in range(3)}}
    return Trainer(model, {"train": rows, "val": rows}, settings, 0, Objective("mae", metrics), False)


@pytest.mark.parametrize("on_host", [False, True])
def test_a_program_counts_observed_outputs_alone(monkeypatch, on_host):
    if on_host:
        monkeypatch.setattr("raysq.training.replica_batches.HOST_BYTES", 0)
    rows = Rows()
    made = program(rows)
    kernel, bias = (np.asarray(value).copy() for value in made.model.get_weights())
    error = rows.x @ kernel + bias - rows.y
    metrics = made.evaluate("val")
    assert metrics["val_loss"] == pytest.approx(np.average(np.abs(error), weights=rows.observed), rel=1e-5)
    assert metrics["val_mse"] == pytest.approx(np.average(error**2, weights=rows.observed), rel=1e-5)
    for number in range(3):
        right = np.average(np.abs(error[:, number]), weights=rows.observed[:, number])
        assert metrics[f"val_mae_{number}"] == pytest.approx(right, rel=1e-5)

    from raysq.data import shuffle

    batch = shuffle.batch_order(0, 10, 4, 0, 1)[0]
    loss = made.train(0, 1)
    sign, seen = np.sign(error[batch]), rows.observed[batch]
    assert loss == pytest.approx(np.average(np.abs(error[batch]), weights=seen), rel=1e-5)
    gradient = rows.x[batch].T @ (sign * seen) / seen.sum()
    np.testing.assert_allclose(made.model.get_weights()[0], kernel - 0.1 * gradient, rtol=1e-5, atol=1e-6)
    assert made.take_train_metrics()["loss"] == pytest.approx(loss, rel=1e-5)
