"""A model that could not be loaded once it is trained is refused before the first step."""

import os
import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from training import own_classes as own
from training.series import SMALL, write_series

import raysq
from raysq.errors import UsageError
from raysq.inference.predictor import load
from raysq.training.run import Run
from raysq.training.saved import check_saveable

TESTS = Path(__file__).parents[1]


def sequential(*parts):
    return keras.Sequential([keras.Input((4, 2)), *parts, layers.Flatten(), layers.Dense(1)])


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (own.Bare, r"Keras does not know its class Bare: put @keras.saving.register_keras_serializable\(\) above it"),
        (lambda: layers.Dense(2, activation=own.halved), "Keras does not know its function halved"),
        (lambda: own.Callable(own.halved), "class Callable takes arguments that Keras cannot write"),
        (lambda: layers.Lambda(lambda x: x), "a lambda in it is Python code"),
        (own.within, "class Inner stands inside a function"),
    ],
)
def test_what_keras_could_not_load_is_named(part, message):
    with pytest.raises(UsageError, match=message) as caught:
        check_saveable(sequential(part()), "own:model")
    text = str(caught.value)
    assert text.startswith("model 'own:model' could not be loaded once it is trained") and "\n" not in text
    assert len(text) < 400


def test_a_model_that_forgets_its_arguments_is_named():
    model = own.Forgetful(2)
    model(np.zeros((1, 4, 2), np.float32))
    with pytest.raises(
        UsageError, match=r"it has 2 weights of shapes \(8, 1\), \(1,\) instead of .*\(8, 2\), \(2,\); get_"
    ):
        check_saveable(model, "own:model")


def test_the_check_leaves_model_and_seeds_alone():
    models = [sequential(own.Scale(), layers.Dropout(0.5)), own.Whole(2)]
    models[1](np.zeros((1, 4, 2), np.float32))
    models[0].compile("sgd", own.loss_of_ones_own)  # predictions need none
    state = random.getstate()
    for model in models:
        before = [np.array(variable) for variable in model.variables]
        check_saveable(model, "own:model")
        assert all(np.array_equal(old, new) for old, new in zip(before, model.variables, strict=True))
    assert random.getstate() == state


def test_a_model_with_classes_of_its_own_is_loaded_by_a_process_that_has_not_imported_them(tmp_path):
    data = write_series(tmp_path / "waves", rows=600).directory
    settings = {**SMALL, "epochs": 1, "steps_per_epoch": 2}
    with pytest.raises(UsageError, match="its class Bare"):
        raysq.train("jena", data=data, model="training.own_classes:bare", settings=settings, name="bare")
    assert Run.open("bare").state() == "new"
    run = raysq.train("jena", data=data, model="training.own_classes:scaled", settings=settings)
    x = np.linspace(0, 1, 12 * 14, dtype=np.float32).reshape(1, 12, 14)
    program = (
        "import sys, numpy, raysq; x = numpy.linspace(0, 1, 12 * 14, dtype='float32').reshape(1, 12, 14)\n"
        "print(float(raysq.load(sys.argv[1]).model(x).numpy().ravel()[0]))"
    )
    # Elsewhere than where it was trained.
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    made = subprocess.run(
        [sys.executable, "-c", program, str(run.directory)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    assert float(made.stdout) == pytest.approx(float(load(run).model(x).numpy().ravel()[0]), rel=1e-6)
