"""A run with callbacks that is interrupted and continued equals one that was not."""

import json
import shutil

import keras
import numpy as np
import pytest
from training.series import SMALL, write_series

from raysq.errors import Interrupted
from raysq.training import checkpoint
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.compiled_cache import CompiledCache
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker


class Counting(keras.callbacks.Callback):
    """Sets the learning rate from a count that its state keeps."""

    def __init__(self):
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        self.model.optimizer.learning_rate = 0.01 / self.batches

    def get_state(self):
        return {"batches": self.batches}

    def set_state(self, state):
        self.batches = state["batches"]


class Forgetting(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.last = epoch


def callbacks():
    return [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7),
        keras.callbacks.ReduceLROnPlateau(patience=1, min_delta=0.2, factor=0.3),
        keras.callbacks.EarlyStopping(patience=2, min_delta=0.2, monitor="val_mae", restore_best_weights=True),
        keras.callbacks.CSVLogger("log.csv"),
        keras.callbacks.ModelCheckpoint("best.keras", save_best_only=True, monitor="loss"),
    ]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    data = write_series(tmp_path_factory.mktemp("data") / "waves")
    settings = {**SMALL, "epochs": 7, "steps_per_execution": 3, "xla": "false", "learning_rate": 0.01}
    return resolve_config("jena", "dense", data, 0, settings)


@pytest.fixture(scope="module")
def trainers():
    return CompiledCache()


def train(config, trainers, folder, keras_callbacks, stop=None):
    """Trains a run of a folder until some call of steps, or to its end; returns what it prints too."""
    run = Run.create(config, name="run", folder=folder)
    configure(config.train_settings(), config.seed, gpu=False)
    reached = []
    options = {"export_model": lambda: False, "tensorboard": False, "keras_callbacks": keras_callbacks}
    options |= {"on_train_batch_end": lambda state, *_: reached.append(state.step)}
    options |= {"should_stop": lambda: stop is not None and reached[-1] >= stop}
    run_worker(run, None, TrainingCallbacks(**options), open_trainer=trainers.open)
    return run


def outcome(run):
    values = {name: checkpoint.load(path) for name, path in (("last", run.last), ("best", run.best))}
    arrays = {name: {key: array.tobytes() for key, array in saved.variables.items()} for name, saved in values.items()}
    states = {name: saved.callbacks.values for name, saved in values.items()}
    return arrays, states, [{**record, "seconds": 0} for record in run.metrics()], run.result()["metrics"]


@pytest.fixture(scope="module")
def undisturbed(config, trainers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return train(config, trainers, folder, [*callbacks(), Counting()])


def test_callbacks_decide(undisturbed):
    """Else the other tests compare nothing."""
    records = undisturbed.metrics()
    assert 2 < len(records) < 7 and len({record["learning_rate"] for record in records}) == len(records)
    saved = checkpoint.load(undisturbed.last)
    assert saved.callbacks.values["EarlyStopping/0"]["wait"] == 2 and saved.callbacks.arrays
    assert saved.callbacks.values["Counting/0"] == {"batches": 4 * len(records)}


@pytest.mark.parametrize("stops", [(5, 14), (12, 25), (24,)])
def test_the_bits_are_the_same(config, trainers, undisturbed, tmp_path, monkeypatch, stops):
    monkeypatch.chdir(tmp_path)
    for stop in stops:
        with pytest.raises(Interrupted):
            train(config, trainers, tmp_path, [*callbacks(), Counting()], stop)
    run = train(config, trainers, tmp_path, [*callbacks(), Counting()])
    assert outcome(run) == outcome(undisturbed)
    assert (tmp_path / "log.csv").read_bytes() == (undisturbed.directory.parent / "log.csv").read_bytes()
    models = [keras.models.load_model(folder / "best.keras") for folder in (tmp_path, undisturbed.directory.parent)]
    assert all(map(np.array_equal, *(model.get_weights() for model in models)))


def test_an_epoch_that_a_crash_repeats_has_one_row(config, trainers, undisturbed, tmp_path, monkeypatch):
    """An epoch is logged before its checkpoint is written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Interrupted):
        train(config, trainers, tmp_path, [*callbacks(), Counting()], 24)
    shutil.copytree("run", "before")
    with pytest.raises(Interrupted):
        train(config, trainers, tmp_path, [*callbacks(), Counting()], 36)
    shutil.rmtree("run")
    shutil.move("before", "run")
    run = train(config, trainers, tmp_path, [*callbacks(), Counting()])
    assert outcome(run) == outcome(undisturbed)
    assert (tmp_path / "log.csv").read_bytes() == (undisturbed.directory.parent / "log.csv").read_bytes()


def test_a_callback_without_state_starts_anew_with_a_line(config, trainers, tmp_path, capsys):
    history = keras.callbacks.History()
    with pytest.raises(Interrupted):
        train(config, trainers, tmp_path, [Forgetting()], 12)
    assert "anew" not in capsys.readouterr().err
    train(config, trainers, tmp_path, [Forgetting(), history])
    assert "callback Forgetting starts anew: it has no get_state and set_state" in capsys.readouterr().err
    assert history.epoch == [*range(7)] and len(history.history["val_mae"]) == 7


def test_checkpoints_without_callbacks_are_those_of_before(config, trainers, tmp_path):
    run = train(config, trainers, tmp_path, [])
    state = json.loads((run.last / "state.json").read_text())
    assert state["format_version"] == 2 and "callbacks" not in state
