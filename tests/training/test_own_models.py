"""A user's own model is trained as Keras's `fit` trains it, or refused in one line before the first step."""

import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from training.series import SMALL, write_series

from raysq.data import shuffle
from raysq.errors import UsageError
from raysq.problems.specs import Objective
from raysq.training import checkpoint
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.open_trainer import ignored_settings, open_trainer
from raysq.training.own_compilation import compilation_of
from raysq.training.own_losses import own_loss
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.settings import OPTIMIZER_SETTINGS
from raysq.training.worker import run_worker

# 37 does not divide the windows to validate on: the last batch is shorter, and must not be filled up.
BASE = {**SMALL, "epochs": 2, "training.eval_batch_size": 37}
SGD = {"optimizer": "sgd", "training.learning_rate": 0.05}
OWN = "training.own_models:"
PLAIN = ("unbuilt", "weighing", "subclassed")  # do not come compiled


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


def config_of(data, model, **settings):
    return resolve_config("jena", OWN + model, data, 0, {**BASE, **(SGD if model in PLAIN else {}), **settings})


def train(data, tmp_path, model, **settings):
    config = config_of(data, model, **settings)
    run = Run.create(config, name="run", folder=tmp_path)
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks(export_model=lambda: False, tensorboard=False))
    values = checkpoint.load(run.last)[0]
    return run, [values[key] for key in sorted(values, key=lambda key: (len(key), key)) if key.startswith("model/")]


def examples(config, data, split, rows=None):
    found = config.make_problem().splits(data)[split]
    rows = np.arange(len(found)) if rows is None else rows
    return found.gather(rows, found.mapped(), lambda array, at: array.take(at))


def fit(data, model):
    """The same by Keras: the same batches in the same order, then its own evaluation."""
    config = config_of(data, model)
    configure(config.train_settings(), 0, gpu=False)
    made = config.build(data)
    if not made.compiled:
        made.compile(keras.optimizers.SGD(0.05), "mae", metrics=["mae"])
    settings, count = config.train_settings(), len(config.make_problem().splits(data)["train"])
    for rows in shuffle.batch_order(0, count, settings.batch_size, 0, 24):
        made.train_on_batch(*examples(config, data, "train", rows))
    made.reset_metrics()
    x, y = examples(config, data, "val")
    return made, made.evaluate(x, y, batch_size=37, verbose=0, return_dict=True)


@pytest.mark.parametrize("model", ["unbuilt", "weighing", "measured", "clipping"])
def test_it_is_trained_and_measured_as_by_keras(data, tmp_path, model):
    run, weights = train(data, tmp_path, model)
    made, wanted = fit(data, model)
    for mine, theirs in zip(weights, made.variables, strict=True):
        np.testing.assert_allclose(mine, np.asarray(theirs), rtol=1e-4, atol=1e-6)
    record = run.metrics()[-1]
    assert {f"val_{name}" for name in wanted} <= record.keys()
    for name, value in wanted.items():
        if name != "batch_error":  # Keras takes each batch for one, raysq each row
            assert record[f"val_{name}"] == pytest.approx(value, rel=1e-4), name
    assert record["step"] == 24


def test_dropout_in_a_subclassed_model_drops(data, tmp_path):
    run, _ = train(data, tmp_path, "subclassed", learning_rate=1e-9)
    x, y = examples(run.config, data, "train")
    without = np.abs(x.reshape(len(x), -1).sum(1) - y[:, 0]).mean()
    # A weight of 1 for each value, of which 0.9 are dropped and the others are ten times as large.
    assert run.metrics()[0]["loss"] > 1.5 * without


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("weighing", "compute_loss of its class gives one number .* exact only .* divide over the 2 workers"),
        ("worst", "metric Worst is not exact for 2 workers .* no sum over examples"),
        ("counting", "metric Count is not exact for 2 workers .* does not apply sample_weight"),
        ("scalar_metric", "metric batch_error that takes no weights"),
        ("accumulating", "gradient_accumulation_steps are for one worker"),
    ],
)
def test_what_several_workers_cannot_put_together_is_refused(data, model, message):
    config = config_of(data, model)
    found = config.make_problem().splits(data)
    made = config.build(data)
    aim, settings = Objective("mae", {"mae": "mae"}), config.train_settings()
    compilation_of(made, OWN + model, aim, settings, 24, found, replicas=1)
    with pytest.raises(UsageError, match=message):
        compilation_of(made, OWN + model, aim, settings, 24, found, replicas=2)


def test_penalties_on_activations_are_not_filled_up(data):
    config = config_of(data, "active")
    splits, made = config.make_problem().splits(data), config.build(data)
    for size, refused in ((16, False), (15, True)):
        settings = dataclasses.replace(config.train_settings(), batch_size=size)
        what = (made, OWN + "active", Objective("mae", {}), settings, 24, splits, 2)
        with pytest.raises(UsageError, match="where batch_size divides over") if refused else nullcontext():
            compilation_of(*what)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("weighing", "compute_loss of its class Weighing .* not exact for data with targets that were not observed"),
        ("worst", "metric Worst is not exact for data with targets that were not observed"),
        ("mixing", "loss mixed is no mean over outputs"),
        ("sums", None),
    ],
)
def test_what_cannot_leave_out_what_was_not_observed_is_refused(data, model, message):
    config = config_of(data, model, delay=[6, 12])
    masked = SimpleNamespace(shares=np.array([0.5, 1.0]))
    splits = {"train": config.make_problem().splits(data)["train"], "val": masked}
    made = config.build(data)
    what = (made, OWN + model, Objective("mae", {"mae": "mae"}), config.train_settings(), 24, splits, 1)
    with pytest.raises(UsageError, match=message) if message else nullcontext():
        assert not compilation_of(*what).whole_batches


def test_what_several_workers_can_put_together_is_not_refused(data):
    config = config_of(data, "sums")
    found = config.make_problem().splits(data)
    made = config.build(data)
    aim, settings = Objective("mae", {"mae": "mae"}), config.train_settings()
    assert len(compilation_of(made, OWN + "sums", aim, settings, 24, found, replicas=2).metrics) == 5


def test_metrics_of_one_output_are_of_that_output_beside_a_loss_of_ones_own(data, tmp_path):
    run, _ = train(data, tmp_path, "weighing", delay=[6, 40], epochs=1)
    record = run.metrics()[0]
    each = [value for name, value in record.items() if name.startswith("val_mae_")]
    assert len(each) == 2 and abs(each[0] - each[1]) > 1e-3
    assert record["val_mae"] == pytest.approx(np.mean(each), rel=1e-5)


REFUSED = {
    "raises": r"raises' cannot be built: RuntimeError: the table of sizes is missing \(.*own_models.py:\d+, in raises",
    "nothing": "must return a Keras model, its function returns nothing",
    "text": "must return a Keras model, its function returns str: a model",
    "fails_in_call": r"cannot be called with a batch: .*own_models.py:\d+, in call",
    "two_inputs": "has 2 inputs",
    "other_input": r"takes inputs of shape \(7,\), and an example of this data has shape \(12, 14\)",
    "two_outputs": r"gives 2 outputs, and here it must give one tensor, of shape \(4, 1\)",
    "dictionary": "gives its output in a dict",
    "leaves": r"leaves. cannot be built: SystemExit: enough \(.*own_models.py",
    "stateful": "keeps a state from batch to batch",
    "ragged": "takes ragged or sparse inputs",
    "fixed_batch": r"has a batch size of its own \(16\)",
    "every_row": r"it gives \(4, 12, 1\), and what is predicted has shape \(4, 1\)",
    "no_axis": r"it gives \(4,\), and what is predicted has shape \(4, 1\)",
    "frozen": "no trainable weights",
    "weightless": "no trainable weights",
    "own_train_step": r"its class Stepping has a train_step of its own, .*\(a GAN\) have no such loss",
    "own_tracker": r"updates metrics itself \(tracker\)",
    "several_losses": "compiled with loss of 2 entries, and has one output: give it by itself",
    "sum_loss": "has reduction='sum'",
    "one_number_loss": r"its loss batch_error gives values of shape \(\) for 4 examples",
    "no_loss": "compiled without a loss",
    "averaging": "use_ema",
    "failing_metric": r"fails in its metric broken_metric: KeyError: 'no such column' \(.*own_models.py:\d+",
    "vector_metric": r"metric R2Score gives values of shape \(1,\)",
    "twice_the_metric": "has a metric named 'mae', which is the name of something else",
    "taken_name": "has a metric named 'seconds'",
}


@pytest.mark.parametrize("model", REFUSED)
def test_what_cannot_be_trained_is_one_line(data, tmp_path, model):
    run = Run.create(config_of(data, model), folder=tmp_path)
    with pytest.raises(UsageError, match=REFUSED[model]) as raised:
        open_trainer(run, data)
    assert len(str(raised.value)) < 600 and "\n" not in str(raised.value)


def test_a_mean_over_weights_is_refused_where_examples_have_weights():
    loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    values = keras.ops.zeros((4, 1))
    own_loss(loss, OWN + "mean", values, values, unobserved=False, weighted=False)
    with pytest.raises(UsageError, match="has reduction='mean_with_sample_weight'"):
        own_loss(loss, OWN + "mean", values, values, unobserved=False, weighted=True)


def test_a_loss_that_relates_examples_is_refused_where_workers_see_parts_of_a_batch():
    def contrast(y, prediction):
        return keras.ops.square(y - prediction + keras.ops.mean(prediction))

    y, prediction = keras.ops.zeros((4, 1)), keras.ops.arange(4, dtype="float32")[:, None]
    arguments = {"unobserved": False, "weighted": False}
    own_loss(contrast, OWN + "contrast", y, prediction, **arguments)
    own_loss("mse", OWN + "contrast", y, prediction, **arguments, divided=True)
    with pytest.raises(UsageError, match="its loss contrast of an example depends on the others of its batch"):
        own_loss(contrast, OWN + "contrast", y, prediction, **arguments, divided=True)


def plain(data, model, **settings):
    return resolve_config("jena", OWN + model, data, 0, {"data.lookback": 24, "step": 2, "delay": 6, **settings})


@pytest.mark.parametrize("setting", [{"learning_rate": 0.001}, {"schedule": "plateau"}, {"optimizer": "adam"}])
def test_settings_that_a_compiled_model_decides_are_refused(data, tmp_path, setting):
    """Also where they are given with their default."""
    config = plain(data, "clipping", **setting)
    with pytest.raises(UsageError, match=f"its own optimizer decides {next(iter(setting))}: leave it out"):
        open_trainer(Run.create(config, folder=tmp_path), data)
    assert config.id != plain(data, "clipping").id
    # They act on a model that does not come compiled.
    open_trainer(Run.create(plain(data, "unbuilt", **setting), folder=tmp_path), data)


def test_settings_that_a_compiled_model_decides_are_named(data):
    assert ignored_settings(plain(data, "clipping"), data) == OPTIMIZER_SETTINGS
    assert ignored_settings(plain(data, "unbuilt"), data) == ()
    assert ignored_settings(plain(data, "with_settings"), data) == OPTIMIZER_SETTINGS
    assert ignored_settings(resolve_config("jena", "dense", data, 0, {}), data) == ()
    # A search may bring settings with which it can be built, and windows that fit.
    assert ignored_settings(plain(data, "raises"), data) == ()
    assert ignored_settings(plain(data, "clipping", **{"data.lookback": 720}), data) == OPTIMIZER_SETTINGS
    # What a search writes of its best trial can be trained.
    config = plain(data, "clipping", clipnorm=0.5)
    assert resolve_config("jena", config.model, data, 0, config.overrides()) == config


def test_a_keyword_with_the_name_of_another_sections_setting_is_a_setting_of_its_own(data):
    settings = {"step": 2, "delay": 6, "data.lookback": 24, "model.learning_rate": 0.5, "training.batch_size": "32"}
    config = resolve_config("jena", OWN + "with_settings", data, 0, settings)
    assert config.settings["model"] == {"learning_rate": 0.5, "batch_size": 8, "lookback": 10, "units": 4}
    assert config.settings["training"]["batch_size"] == 32 and config.settings["data"]["lookback"] == 24
    assert float(config.build(data).optimizer.learning_rate) == pytest.approx(0.5)
    nested = {"data": {"step": 2, "delay": 6, "lookback": 24}, "model": {"learning_rate": 0.5}}
    assert resolve_config("jena", config.model, data, 0, {**nested, "training": {"batch_size": 32}}) == config
    # Without a section it could be either, and neither is taken unnoticed.
    for name, sections in (("batch_size", ("model", "training")), ("lookback", ("data", "model"))):
        ways = " or ".join(f"{section}.{name}" for section in sections)
        with pytest.raises(UsageError, match=f"setting '{name}' is in 2 sections: write {ways}"):
            resolve_config("jena", config.model, data, 0, {name: 1})


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("model.untis", r"no setting 'model.untis': did you mean units or dense_units\?"),
        ("training.units", r"no setting 'training.units': did you mean model.units\?"),
        ("modl.units", r"unknown section 'modl': did you mean model\?"),
        (".units", "unknown section ''"),
        ("model.", "no setting 'model.'"),
    ],
)
def test_a_wrong_section_or_name_is_an_error_that_names_the_nearest(data, key, message):
    with pytest.raises(UsageError, match=message):
        resolve_config("jena", "gru", data, 0, {key: 1})


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("unbuilt", {"neurons": 5}, "has no setting 'neurons'"),
        ("positional", {"units": 5}, r"write it after a `\*` .* build\(inputs, \*, units=...\)"),
        ("without_default", {}, "needs a value for units: --set units=VALUE"),
        ("annotated_wrongly", {}, "arguments of its function cannot be read: NameError"),
        ("with_settings", {"model.batch_size": "many"}, "batch_size must be a whole number, received 'many'"),
    ],
)
def test_settings_that_a_function_does_not_take_are_refused(data, model, settings, message):
    with pytest.raises(UsageError, match=message):
        plain(data, model, **settings)
