"""Callbacks of several workers or devices: they run on the chief, and all follow what they decide."""

import keras
import numpy as np
import pytest
from training.workers import close, weights

from raysq.training import checkpoint


@pytest.mark.parametrize("workers", ["2", "2 devices"])
def test_decisions_reach_all_workers(by_workers, workers):
    one, several = by_workers["1"]["decided"], by_workers[workers]["decided"]
    close(one, several)
    assert 2 < len(one.metrics()) < 6
    for mine, theirs in zip(one.metrics(), several.metrics(), strict=True):
        for name in ("loss", "val_loss", "learning_rate"):
            assert mine[name] == pytest.approx(theirs[name], rel=2e-4), name
    assert len({record["learning_rate"] for record in several.metrics()}) == len(several.metrics())


@pytest.mark.parametrize("workers", ["2", "2 devices"])
def test_the_chief_predicts_and_saves(by_workers, workers):
    """Once an epoch; with the variables of a strategy, it would wait for the others."""
    one, several = by_workers["1"]["decided"], by_workers[workers]["decided"]
    mine, theirs = (np.loadtxt(run.directory / "predictions.txt") for run in (one, several))
    np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=2e-4)
    saved = keras.models.load_model(several.directory / f"{len(several.metrics())}.keras")
    for value, variable in zip(weights(several), saved.weights, strict=True):
        assert np.array_equal(value, variable.numpy())
    assert saved.optimizer.iterations == 12 * len(several.metrics())


@pytest.mark.parametrize("workers", ["1", "2", "2 devices"])
def test_weights_that_are_put_back_at_the_end_are_the_best(by_workers, workers):
    run = by_workers[workers]["decided"]
    saved = checkpoint.load(run.best)
    early = checkpoint.load(run.last).callbacks.values["EarlyStopping/0"]
    assert saved.state["epoch"] == run.result()["best_epoch"] == early["best_epoch"] + 1
    assert run.result()["metrics"]["val_loss"] == pytest.approx(early["best"])
