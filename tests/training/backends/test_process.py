"""Training in one process: numbers that repeat, exact resume, early stopping, errors."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from training.series import SMALL, write_series

from raysq.data.dataset import Dataset
from raysq.errors import DataError, Interrupted, RaysqError, TrainingError, UsageError
from raysq.inference.predictor import load
from raysq.training import checkpoint, train
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.config_differences import describe_differences
from raysq.training.evaluation import evaluate
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


def config_of(data, model="gru", seed=0, **settings):
    units = {} if model == "baseline" else {"units": 4}
    return resolve_config("jena", model, data, seed, {**SMALL, "epochs": 2, **units, **settings})


def run_of(config, name, folder=None, **hooks):
    """Trains a configuration here, with hooks of the test's; without its figures on the test split and its model."""
    run = Run.create(config, name=name, folder=folder)
    configure(config.train_settings(), config.seed, gpu=False)
    run_worker(run, None, TrainingCallbacks(**{"export_model": lambda: False, "tensorboard": False, **hooks}))
    return run


# All that draws at random and all that is kept from step to step; compiled where a test is of that.
MASKED = {"dropout": 0.3, "recurrent_dropout": 0.3, "optimizer": "adam", "checkpoint_steps": 5, "epochs": 3}


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    """The run that others must equal, whatever happens to them."""
    return run_of(config_of(data, **MASKED, xla="false"), "uninterrupted", tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run with a model. Its batch size does not divide the windows: padding must weigh nothing."""
    config = config_of(data, eval_batch_size=37, xla="false")
    return run_of(config, "whole", tmp_path_factory.mktemp("runs"), export_model=lambda: True)


def same(first: Run, second: Run) -> bool:
    """Whether two runs ended with the same bits and the same records but for the time."""
    a, b = checkpoint.load(first.last)[0], checkpoint.load(second.last)[0]
    timeless = [[{**record, "seconds": 0} for record in run.metrics()] for run in (first, second)]
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a) and timeless[0] == timeless[1]


def test_train_leaves_a_whole_run(data):
    run = train.train("jena", data=data.directory, model="gru", settings={**SMALL, "epochs": 3, "units": 8})
    assert {path.name for path in run.directory.iterdir()} >= {
        "config.json",
        "metrics.jsonl",
        "checkpoints",
        "model.keras",
        "history.png",
        "result.json",
        "tensorboard",
    }
    records = run.metrics()
    assert [record["epoch"] for record in records] == [1, 2, 3]
    assert [record["step"] for record in records] == [12, 24, 36]
    assert records[-1]["loss"] < records[0]["loss"]
    result = run.result()
    best = min(records, key=lambda record: record["val_loss"])
    assert result["metrics"]["val_mae"] == best["val_mae"]
    std = data.statistics("T (degC)", 0, 600)[1]
    assert result["metrics"]["test_mae_original"] == pytest.approx(result["metrics"]["test_mae"] * std)
    # The same command shows the finished run: nothing is trained again.
    before = (run.directory / "result.json").stat().st_mtime_ns
    again = train.train("jena", data=data.directory, model="gru", settings={**SMALL, "epochs": 3, "units": 8})
    assert again.directory == run.directory and (run.directory / "result.json").stat().st_mtime_ns == before


def test_a_compiled_run_repeats_bit_for_bit(data):
    config = config_of(data, **MASKED, schedule="cosine", xla="true")
    assert same(run_of(config, "one"), run_of(config, "two"))


def test_a_seed_decides_the_first_weights_and_the_order(data, monkeypatch):
    zero, one = (config_of(data, "dense", seed=seed, epochs=1) for seed in (0, 1))
    first = run_of(one, "one")
    draw = keras.utils.set_random_seed
    monkeypatch.setattr("keras.utils.set_random_seed", lambda seed: draw(0))
    same_weights = run_of(one, "same-weights")
    assert not same(first, same_weights)
    assert not same(same_weights, run_of(zero, "same-order"))


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("gru", None),
        ("dense", {"dropout": 0.2, "schedule": "plateau", "plateau_patience": 1, "clipnorm": 0.5, "epochs": 4}),
        ("training.own_models:normalized", {"units": 4}),
    ],
)
def test_resume_at_random_steps_is_exact(data, uninterrupted, model, settings):
    config = uninterrupted.config if settings is None else config_of(data, model, **settings)
    whole = uninterrupted if settings is None else run_of(config, "whole")
    random = np.random.RandomState(len(model))
    last = config.settings["training"]["epochs"] * 12
    stops = sorted(random.choice(np.arange(1, last), 3, replace=False).tolist())
    reached = []

    def should_stop():
        return bool(stops) and reached[-1] >= stops[0]

    def on_train_batch_end(state, loss, steps_per_epoch):
        reached.append(state.step)

    while True:
        try:
            parts = run_of(config, "parts", on_train_batch_end=on_train_batch_end, should_stop=should_stop)
            break
        except Interrupted:
            assert checkpoint.load(Run.open("parts").last)[1]["step"] == reached[-1]
            while stops and stops[0] <= reached[-1]:
                stops.pop(0)
    assert len(reached) > 3
    assert same(whole, parts)
    assert whole.result()["metrics"] == parts.result()["metrics"]


def test_sigterm_saves_and_the_same_command_continues(data, tmp_path):
    # It cannot end before it is stopped: its epochs are short, there are many.
    settings = {**SMALL, "epochs": 20_000, "steps_per_epoch": 40, "units": 4}
    arguments = ["--model", "dense", *(f"--set={key}={value}" for key, value in settings.items())]
    command = [sys.executable, "-m", "raysq", "train", "jena", "--data", str(data.directory), "--name", "stopped"]
    process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True)
    run = Path(os.environ["RAYSQ_HOME"]) / "runs" / "stopped"
    try:
        deadline = time.monotonic() + 600
        while not (run / "metrics.jsonl").exists():
            assert process.poll() is None and time.monotonic() < deadline, "it did not come so far in time"
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        error = process.communicate(timeout=600)[1]
    finally:
        process.kill()
    assert process.returncode == 130, error
    assert "the same command continues" in error.splitlines()[-1]
    assert Run.open("stopped").state() == "interrupted"
    step = checkpoint.load(run / "checkpoints" / "last")[1]["step"]
    assert step >= 40
    # Continued for one more epoch's worth of checking, in this process.
    config = Run.open("stopped").config
    seen = []

    def should_stop():
        return bool(seen)

    with pytest.raises(Interrupted):
        run_of(config, "stopped", on_train_batch_end=lambda state, *_: seen.append(state.step), should_stop=should_stop)
    assert seen[0] == step + 1


def test_a_crash_between_metrics_and_checkpoint_repeats_the_epoch(uninterrupted):
    config = uninterrupted.config

    def crash(record):
        if record["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_of(config, "crashed", on_epoch_end=crash)
    crashed = Run.open("crashed")
    # As if the third epoch's line had been written, half of it, and its checkpoint not.
    with open(crashed.directory / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 3, "val_lo')
    assert same(uninterrupted, run_of(config, "crashed"))


def test_early_stopping_and_best_checkpoint(data):
    run = run_of(config_of(data, "dense", epochs=30, patience=2, learning_rate=0.1, optimizer="sgd"), "early")
    records = run.metrics()
    best = min(range(len(records)), key=lambda number: records[number]["val_loss"])
    assert len(records) == best + 3 < 30
    assert run.result()["best_epoch"] == best + 1
    assert checkpoint.load(run.best)[1]["epoch"] == best + 1


def test_gathering_on_the_host_gives_the_same_bits(uninterrupted, monkeypatch):
    monkeypatch.setattr("raysq.training.replica_batches.HOST_BYTES", 0)
    assert same(uninterrupted, run_of(uninterrupted.config, "host"))


def test_the_baseline_is_a_model_like_any_other(data):
    run = run_of(config_of(data, "baseline"), "baseline")
    begin, end = 600, 900
    series = data.column("T (degC)").slice(0, 1200).astype(float)
    rows = np.arange(begin + SMALL["data.lookback"], end - SMALL["data.delay"])
    last = rows - SMALL["data.step"]
    mae = np.abs(series[rows + SMALL["data.delay"]] - series[last]).mean()
    assert run.result()["metrics"]["val_mae_original"] == pytest.approx(mae, rel=1e-5)
    assert run.result()["steps"] == 0


def test_evaluate_shows_the_baseline_beside_and_is_exact(data, whole):
    even = evaluate(whole)
    assert even["gru"]["val_mae"] == pytest.approx(whole.result()["metrics"]["val_mae"], rel=1e-6)
    assert even["baseline"]["test_mae"] > 0
    predictor = load(whole)
    frame = {name: data.column(name).slice(600, 900) for name in data.columns}
    out = predictor.predict(frame)
    truth = data.column("T (degC)").slice(600, 900)
    rows = np.array(out["row"])
    inside = rows < 300
    error = np.abs(np.array(out["T (degC)"])[inside] - truth[rows[inside]]).mean()
    assert error == pytest.approx(even["gru"]["val_mae_original"], rel=1e-5)
    assert inside.sum() == 300 - SMALL["data.lookback"] - SMALL["data.delay"]


def test_predict_names_what_is_wrong(data, whole):
    predictor = load(whole)
    frame = {name: data.column(name).slice(0, 100) for name in data.columns}
    with pytest.raises(DataError, match="lacks columns 'p \\(mbar\\)'"):
        predictor.predict({name: values for name, values in frame.items() if name != "p (mbar)"})
    with pytest.raises(DataError, match="needs 24 rows of history"):
        predictor.predict({name: values[:5] for name, values in frame.items()})
    with pytest.raises(UsageError, match="received list"):
        predictor.predict([1, 2])


def test_own_compiled_model_brings_loss_optimizer_and_metrics(data):
    run = run_of(config_of(data, "training.own_models:compiled"), "own")
    record = run.metrics()[-1]
    assert record["val_mean_absolute_error"] > 0 and "val_mae" not in record
    assert record["val_loss"] != pytest.approx(record["val_mean_absolute_error"]), "the loss is not its own (mse)"
    assert record["learning_rate"] == pytest.approx(0.05)


def test_a_loss_that_is_not_finite_is_one_line(data):
    with pytest.raises(TrainingError, match="lower learning_rate"):
        run_of(config_of(data, "dense", optimizer="sgd", learning_rate=1e30), "nan")


def test_a_changed_data_set_is_noticed(data, tmp_path):
    other = write_series(tmp_path / "other", seed=1)
    run = run_of(config_of(other, "baseline"), "changed")
    manifest = json.loads((other.directory / "manifest.json").read_text())
    del manifest["checksum"]  # which is of another one
    (other.directory / "manifest.json").write_text(json.dumps({**manifest, "fingerprint": "another"}))
    with pytest.raises(DataError, match="has changed"):
        evaluate(run)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unitz": 3}, "did you mean unit or units"),
        ({"units": "many"}, "units must be a whole number, received 'many'"),
        ({"schedule": "cosin"}, "one of constant, cosine"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"step": 100}, "must not be larger than lookback"),
        ({"split": "a/b"}, "split must be rows or shares"),
    ],
)
def test_wrong_settings_are_named(data, settings, message):
    with pytest.raises(UsageError, match=message):
        config_of(data, **settings)


def test_the_seed_is_named_where_it_is_set_like_a_setting(data):
    with pytest.raises(UsageError, match="give --seed NUMBER"):
        train.train("jena", data=data.directory, model="baseline", settings={"seed": 1})


def test_a_window_longer_than_a_split_is_an_error(data):
    with pytest.raises(DataError, match="no window fits"):
        config_of(data, lookback=400).make_problem().splits(Dataset.open(data.directory))


def test_a_name_is_free_until_a_step_is_trained(data, whole):
    Run.create(config_of(data), name="named")
    other = config_of(data, units=5)
    assert Run.create(other, name="named").config == other
    shutil.copytree(whole.directory / "checkpoints", Run.open("named").directory / "checkpoints")
    with pytest.raises(UsageError, match=r"exists with other settings \(units 5, now 4\): choose another --name"):
        Run.create(config_of(data), name="named")
    settings = {**other.settings, "training": {**other.settings["training"], "epochs": 99}}
    changed = dataclasses.replace(other, fingerprint="other", settings=settings, seed=3)
    assert (
        describe_differences(other, changed)
        == f"the data have changed; epochs {other.settings['training']['epochs']}, now 99; seed 0, now 3"
    )


def test_two_processes_cannot_train_one_run(data):
    run = Run.create(config_of(data), name="held")
    with run.lock(), pytest.raises(RaysqError, match="being trained by another process"), Run.open("held").lock():
        pass


def test_checkpoints_and_runs_of_a_newer_raysq_are_refused(whole, raysq_home):
    run = Run.open(shutil.copytree(whole.directory, raysq_home / "runs" / "mine"))
    state = json.loads((run.last / "state.json").read_text())
    (run.last / "state.json").write_text(json.dumps({**state, "format_version": 99}))
    with pytest.raises(DataError, match="format_version 99, this raysq reads up to 3"):
        checkpoint.load(run.last)
    config = json.loads((run.directory / "config.json").read_text())
    (run.directory / "config.json").write_text(json.dumps({**config, "format_version": 99}))
    with pytest.raises(DataError, match="format_version 99"):
        Run.open("mine")


def test_mixed_precision_and_clipping_train(data):
    run = run_of(config_of(data, "dense", precision="mixed_bfloat16", clipnorm=0.1, epochs=2), "mixed")
    assert run.metrics()[-1]["loss"] < run.metrics()[0]["loss"]
    run = run_of(config_of(data, "dense", precision="mixed_float16", epochs=2), "mixed16")
    assert run.metrics()[-1]["loss"] < run.metrics()[0]["loss"]
