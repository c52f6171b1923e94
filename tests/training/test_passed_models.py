"""Models that are functions passed in Python: named with their source, continued when passed again, sent to workers."""

import functools
import json
import os
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from training.series import SMALL, write_series

import raysq
from raysq.cli import main
from raysq.errors import UsageError
from raysq.inference.predictor import load
from raysq.training import passed_models
from raysq.training.backends.driver_context import DriverContext
from raysq.training.passed_models import PASSED, model_name

SETTINGS = {**SMALL, "epochs": 1, "steps_per_epoch": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves", rows=600).directory


@pytest.fixture(autouse=True)
def forgotten():
    """Functions that a test passes are forgotten afterwards, as by another process."""
    yield
    PASSED.clear()


def builder(units: int = 4, activation: str = "relu"):
    """A function inside of a function, as those of a notebook are known to its process alone."""

    def layer():
        return keras.layers.Dense(units, activation)

    def build(inputs, *, outer: bool = False):
        return keras.Sequential(
            [keras.Input(inputs.shape), keras.layers.Flatten(), layer(), keras.layers.Dense(inputs.outputs)]
        )

    return build


def of_no_file():
    names = {"__name__": "__main__"}
    exec("def build(inputs): pass", names)
    return names["build"]


def importable(inputs):
    return keras.Sequential([keras.Input(inputs.shape), keras.layers.Flatten(), keras.layers.Dense(inputs.outputs)])


def test_a_run_has_the_source_and_is_found_again(data):
    run = raysq.train("jena", data=data, model=builder(), settings=SETTINGS)
    assert run.config.model == "<python>:build" and run.name.startswith("jena-build-")
    source = (run.directory / "model_source.py").read_text()
    assert "def build(inputs, *, outer: bool = False):" in source and "def layer():" in source
    assert "units = 4" in source and "activation = 'relu'" in source
    assert run.config.source_digest == json.loads((run.directory / "config.json").read_text())["source_digest"] != ""
    assert raysq.train("jena", data=data, model=builder(), settings=SETTINGS).directory == run.directory
    for changed in (builder(5), builder(activation="tanh")):
        assert raysq.train("jena", data=data, model=changed, settings=SETTINGS).directory != run.directory


def test_a_run_predicts_and_is_evaluated_without_the_function(data):
    run = raysq.train("jena", data=data, model=builder(), settings=SETTINGS)
    x = np.linspace(0, 1, 24 * 14).reshape(1, 24, 14)[:, ::2].astype(np.float32)
    before = load(run).model(x).numpy()
    figures = raysq.evaluate(run.directory)
    PASSED.clear()
    assert np.array_equal(load(run.directory).model(x).numpy(), before)
    assert raysq.evaluate(run.directory) == figures


def test_an_interrupted_run_goes_on_when_the_function_is_passed_again(data, capsys):
    run = raysq.train("jena", data=data, model=builder(), settings=SETTINGS)
    result = run.result()["metrics"]
    for name in ("result.json", "model.keras"):
        (run.directory / name).unlink()
    PASSED.clear()
    arguments = ["train", "jena", "--data", str(data), "--model", "<python>:build"]
    assert main(arguments) == 2
    assert "was passed in Python: pass it again, as in raysq.train(TASK, model=build)" in capsys.readouterr().err
    with pytest.raises(UsageError, match="pass it again"):
        raysq.evaluate(run.directory)
    again = raysq.train("jena", data=data, model=builder(), settings=SETTINGS)
    assert again.directory == run.directory and again.result()["metrics"] == result


def test_a_function_of_a_module_has_the_name_of_the_command_line():
    assert model_name(importable) == f"{__name__}:importable" and not PASSED


def test_processes_of_ray_receive_the_function():
    name = model_name(builder(7))
    digest = PASSED[name].spec.digest
    context = DriverContext.current()
    PASSED.clear()
    context.enter()
    assert PASSED[name].spec.digest == digest
    model = PASSED[name].spec.build(raysq.InputSpec((3, 2), 1))
    assert model.layers[1].units == 7


def test_a_process_without_keras_receives_a_function_that_uses_a_module_of_it():
    def build(inputs):
        return keras.optimizers.SGD

    model_name(build)
    context = DriverContext.current()
    code = (
        "import pickle, sys; context = pickle.load(sys.stdin.buffer); assert 'keras' not in sys.modules; "
        "context.enter(); from raysq.training.passed_models import PASSED; "
        "print(PASSED['<python>:build'].spec.build(None).__name__)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(context), capture_output=True, env=environment
    )
    assert done.stdout.split()[-1:] == [b"SGD"], done.stderr.decode()[-2000:]


def test_constants_and_arrays_are_part_of_the_source():
    def of(values, matrix):
        def build(inputs):
            return values, matrix, np

        return PASSED[model_name(build)].source

    first = of([1, 2], np.arange(3))
    assert "values = [1, 2]" in first and "matrix = ...  # ndarray, sha256 " in first and "numpy" not in first
    assert of([1, 2], np.arange(3)) == first
    assert of([1, 3], np.arange(3)) != first != of([1, 2], np.arange(3.0))


def of_parts(**parts):
    """The source of a function that uses parts in all the ways in which a name may be used."""

    class Block(keras.layers.Layer):
        @property
        def units(self):
            return parts_of_property

        @staticmethod
        def make(default=parts["default"]):
            return parts_of_static_method

    parts_of_property, parts_of_static_method = parts["property"], parts["static method"]
    listed, objects, called = parts["listed"], parts["objects"], parts["called"]

    def build(inputs):
        return Block, listed, objects, called, inputs.shape

    return PASSED[model_name(build)].source


def first(x):
    return x + 1


def second(x):
    return x + 2


PARTS = {
    "property": 1,
    "static method": 1,
    "default": 1,
    "listed": [first, second],
    "objects": keras.initializers.RandomNormal(stddev=0.1),
    "called": functools.partial(first, y=1),
}


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("property", 2),
        ("static method", 2),
        ("default", 2),
        ("listed", [second, first]),
        ("objects", keras.initializers.RandomNormal(stddev=0.2)),
        ("called", functools.partial(first, y=2)),
        ("called", functools.partial(second, y=1)),
    ],
)
def test_all_that_a_function_uses_is_part_of_the_source(part, value):
    before = of_parts(**PARTS)
    assert "return x + 1" in before and "return x + 2" in before
    assert of_parts(**{**PARTS, "objects": keras.initializers.RandomNormal(stddev=0.1)}) == before, "but no seeds"
    assert of_parts(**{**PARTS, part: value}) != before


def test_modules_of_the_user_are_part_of_the_source(tmp_path, monkeypatch):
    (tmp_path / "blocks_of_mine.py").write_text("def block(): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import blocks_of_mine

    block = blocks_of_mine.block

    def by_module(inputs):
        return blocks_of_mine.block(), keras.layers.Dense

    def by_name(inputs):
        return block()

    before = [PASSED[model_name(build)].source for build in (by_module, by_name)]
    (tmp_path / "blocks_of_mine.py").write_text("def block(): return 2\n")
    after = [PASSED[model_name(build)].source for build in (by_module, by_name)]
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_names_of_attributes_are_no_globals():
    names = {"__name__": "notebook", "shape": object(), "keras": keras}
    exec("def build(inputs): return inputs.shape, keras.Input", names)
    assert [name for name, _ in passed_models._names(names["build"])] == ["keras"]


def test_a_set_has_one_source():
    sets = [{f"{n}" for n in numbers} for numbers in (range(9), reversed(range(9)))]

    def of(values):
        def build(inputs):
            return values

        return PASSED[model_name(build)].source

    assert of(sets[0]) == of(sets[1]) and "values = ...  # set, sha256 " in of(sets[0])


def test_a_layer_of_outside_is_refused():
    shared = keras.layers.Dense(3)

    def build(inputs):
        return keras.Sequential([keras.Input(inputs.shape), shared])

    with pytest.raises(UsageError, match="uses shared, a Dense of outside, which all models .* make it inside"):
        model_name(build)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda inputs: None, "model is a lambda, which has no name"),
        (3, "must be a name, or a function .* received 3"),
        (of_no_file(), "source of build cannot be read"),
    ],
)
def test_what_has_no_name_or_source_is_refused(model, message):
    with pytest.raises(UsageError, match=message):
        passed_models.model_name(model)
    assert not PASSED


def test_classes_that_a_script_registers_with_keras_are_known_to_other_processes(tmp_path):
    script = """
import pickle
import sys

import keras

from raysq.training.backends.driver_context import DriverContext
from raysq.training.passed_models import model_name


@keras.saving.register_keras_serializable("mine")
class Double(keras.layers.Layer):
    def call(self, x):
        return 2 * x


@keras.saving.register_keras_serializable()
def half(x):
    return x / 2


def build(inputs):
    return keras.Sequential([keras.Input((2,)), Double(), keras.layers.Dense(1, activation=half)])


model_name(build)
pickle.dump(DriverContext.current(), open(sys.argv[1], "wb"))
"""
    other = """
import pickle
import sys

pickle.load(open(sys.argv[1], "rb")).enter()
import keras

from raysq.training.passed_models import PASSED

model = PASSED["<python>:build"].spec.build(None)
model.save(sys.argv[2])
loaded = keras.models.load_model(sys.argv[2])
assert type(loaded.layers[0]) is type(model.layers[0]) and loaded.layers[1].activation is model.layers[1].activation
for part in (type(model.layers[0]), loaded.layers[1].activation):
    print(keras.saving.get_registered_name(part))
"""
    (tmp_path / "script.py").write_text(script)
    (tmp_path / "other.py").write_text(other)
    files = [str(tmp_path / "context"), str(tmp_path / "m.keras")]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    for name in ("script.py", "other.py"):
        done = subprocess.run(
            [sys.executable, str(tmp_path / name), *files], env=environment, capture_output=True, text=True, timeout=300
        )
        assert not done.returncode, done.stderr[-2000:]
    assert done.stdout.split() == ["mine>Double", "Custom>half"]
