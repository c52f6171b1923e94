"""Weights of rows in training are `sample_weight` of `Model.fit`, and metrics do not weigh."""

import numpy as np
import pandas as pd
import pytest

import raysq
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker


def whole(examples):
    """All examples of a split as one batch."""
    return examples.gather(np.arange(len(examples)), examples.arrays(), lambda array, rows: array[rows])


def texts(rows, name):
    number = np.arange(rows)
    words = [f"word{n % 7} place{n % 5} {name}{n % 3}" for n in number]
    return pd.DataFrame({"text": words, "label": np.where(number % 3 == 0, "a", "b"), "w": 0.2 + number % 6})


def series(rows, begin):
    number = np.arange(rows)
    time = pd.date_range(begin, periods=rows, freq="h")
    return pd.DataFrame({"time": time, "load": np.sin(number / 3) + number % 5, "w": 0.2 + number % 6})


WINDOW = {"targets": "load", "lookback": 6, "horizon": 1}


@pytest.mark.parametrize(
    ("task", "model", "source", "validation", "settings", "metric"),
    [
        ("classify", "multihot", texts(60, "t"), texts(20, "v"), {}, "accuracy"),
        ("forecast", "dense", series(80, "2020-01-01"), series(40, "2020-02-01"), WINDOW, "mae"),
    ],
)  # fmt: skip
def test_training_is_that_of_fit(task, model, source, validation, settings, metric, tmp_path):
    import keras

    prepared = {**settings, "weight": "w"}
    dataset = raysq.prepare(task, source, validation=validation, settings=prepared, quiet=True)
    problem = resolve_config(task, model, dataset, 0, {}).make_problem()
    splits = problem.splits(dataset)
    train, val = (whole(splits[name])[:2] for name in ("train", "val"))
    training = {"optimizer": "sgd", "learning_rate": 0.05, "epochs": 3, "steps_per_epoch": None, "dropout": 0.0}
    training |= {"batch_size": len(train[1]), "eval_batch_size": len(val[1])}
    if task == "forecast":
        training.pop("dropout")
    config = resolve_config(task, model, dataset, 0, training)
    run = Run.create(config, folder=tmp_path)
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks())

    configure(config.train_settings(), 0, gpu=False)
    plain = config.build(dataset)
    objective = problem.objective()
    plain.compile(keras.optimizers.SGD(0.05), objective.loss, metrics=list(objective.metrics.values()))
    weights = {name: splits[name].weights for name in ("train", "val")}
    assert weights["train"].std() > 1
    fit = plain.fit(
        *train,
        batch_size=len(train[1]),
        epochs=3,
        sample_weight=weights["train"],
        validation_data=(*val, weights["val"]),
        verbose=0,
    )
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose([row[name] for row in run.metrics()], fit.history[name], rtol=1e-5)
    (of_fit,) = [values for name, values in fit.history.items() if name not in ("loss", "val_loss") and "val_" in name]
    np.testing.assert_allclose([row[f"val_{metric}"] for row in run.metrics()], of_fit, rtol=1e-5)
