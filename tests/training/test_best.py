"""A run's best weights and model are the same, whichever way they are asked for."""

import numpy as np
import pytest
from training.series import SMALL, write_series

import raysq
from raysq.errors import DataError
from raysq.training import train
from raysq.training.best import assign, best_model, best_weights
from raysq.training.run import Run


def test_the_saved_model_and_the_built_one_are_alike(tmp_path):
    dataset = write_series(tmp_path / "waves")
    settings = {**SMALL, "epochs": 1}
    run = raysq.train("jena", data=dataset.directory, model="dense", settings=settings)
    saved, built, weights = best_model(run), best_model(run, dataset), best_weights(run)
    x = np.random.RandomState(0).rand(3, *saved.input_shape[1:]).astype(np.float32)
    np.testing.assert_array_equal(saved.predict_on_batch(x), built.predict_on_batch(x))
    for number, variable in enumerate(saved.variables):
        np.testing.assert_array_equal(variable, weights[f"model/{number}"])
        variable.assign(variable + 1)
    assign(saved, weights)
    np.testing.assert_array_equal(saved.predict_on_batch(x), built.predict_on_batch(x))


def test_a_run_without_an_epoch_has_none(tmp_path):
    dataset = write_series(tmp_path / "waves")
    run = Run.create(train.resolve("jena", data=dataset.directory, model="dense", settings=SMALL))
    with pytest.raises(DataError, match="has no finished epoch yet: train it first"):
        best_weights(run)
