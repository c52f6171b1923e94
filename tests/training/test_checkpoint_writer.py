"""Checkpoints written beside training: what is on disk at every moment of a run continues it to the same bits."""

import errno
import itertools
import os
import shutil
import threading

import numpy as np
import pytest
from training.series import SMALL, write_series

from raysq.errors import Interrupted
from raysq.training import checkpoint
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.checkpoint_writer import CheckpointWriter
from raysq.training.compiled_cache import CompiledCache
from raysq.training.open_trainer import open_trainer
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.state import TrainState
from raysq.training.worker import run_worker

SETTINGS = {
    **SMALL,
    "epochs": 2,
    "units": 4,
    "dropout": 0.2,
    "optimizer": "adam",
    "checkpoint_steps": 8,
    "xla": "false",
}


@pytest.fixture
def held(monkeypatch):
    """Checkpoints are written only once the returned event is set."""
    event, save = threading.Event(), checkpoint.save

    def wait_and_save(*arguments):
        assert event.wait(60)
        save(*arguments)

    monkeypatch.setattr(checkpoint, "save", wait_and_save)
    yield event
    event.set()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


@pytest.fixture(scope="module")
def config(data):
    return resolve_config("jena", "dense", data, 0, SETTINGS)


@pytest.fixture(scope="module")
def trainers():
    """Trainers that the runs of this file share, so that nothing is compiled again."""
    return CompiledCache()


def train(config, trainers, folder, **callbacks):
    run = Run.create(config, name="run", folder=folder)
    configure(config.train_settings(), config.seed, gpu=False)
    hooks = TrainingCallbacks(**{"export_model": lambda: False, "tensorboard": False, **callbacks})
    run_worker(run, None, hooks, open_trainer=trainers.open)
    return run


def outcome(run):
    values, state, _ = checkpoint.load(run.last)
    return {key: value.tobytes() for key, value in values.items()}, {**state, "seconds": 0}, timeless(run)


def timeless(run):
    return [{**record, "seconds": 0} for record in run.metrics()], run.result()["metrics"]


def test_values_that_change_in_place_are_those_of_their_step(tmp_path, held):
    values = {"model/0": np.zeros(1000)}
    with CheckpointWriter() as writer:
        writer.save([tmp_path / "best", tmp_path / "last"], values, TrainState(step=1).to_json())
        values["model/0"][:] = 1
        held.set()
    for name in ("best", "last"):
        assert not checkpoint.load(tmp_path / name).variables["model/0"].any()


@pytest.mark.parametrize("xla", ["true", "false"])
def test_steps_after_a_snapshot_do_not_reach_it(data, tmp_path, held, xla):
    run = Run.create(resolve_config("jena", "dense", data, 0, {**SETTINGS, "xla": xla}), folder=tmp_path)
    configure(run.config.train_settings(), 0, gpu=False)
    trainer = open_trainer(run, data)
    trainer.train(0, 2)
    with CheckpointWriter() as writer:
        writer.save([run.last], trainer.snapshot(), TrainState(step=2).to_json())
        kept = {key: value.copy() for key, value in trainer.snapshot().items()}
        trainer.train(2, 3)
        changed = trainer.snapshot()
        held.set()
    saved = checkpoint.load(run.last).variables
    assert all(np.array_equal(saved[key], kept[key]) for key in kept)
    assert not all(np.array_equal(saved[key], changed[key]) for key in changed)


def test_at_most_one_checkpoint_is_behind(tmp_path, held):
    saved = []
    with CheckpointWriter() as writer:

        def save_both():
            for step in (1, 2):
                writer.save([tmp_path / "last"], {"a": np.full(3, step)}, TrainState(step=step).to_json())
                saved.append(step)

        thread = threading.Thread(target=save_both)
        thread.start()
        thread.join(0.3)
        assert saved == [1] and thread.is_alive(), "the second waits for the first"
        held.set()
        thread.join(60)
    assert saved == [1, 2] and checkpoint.load(tmp_path / "last").state["step"] == 2


def fail(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/variables.npz")


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("moment", ["save", "wait", "end"])
def test_a_full_disk_is_raised_where_training_goes_on(tmp_path, monkeypatch, moment, background):
    monkeypatch.setattr(checkpoint, "save", fail)
    arguments = [tmp_path / "last"], {"a": np.zeros(3)}, TrainState().to_json()
    with pytest.raises(OSError, match="No space left"), CheckpointWriter(background=background) as writer:
        writer.save(*arguments)
        if moment == "save":
            writer.save(*arguments)
            pytest.fail("the second save raises")
        if moment == "wait":
            writer.wait()
            pytest.fail("waiting raises")


def test_the_block_s_own_error_is_raised_after_the_write_has_ended(tmp_path, held):
    threading.Timer(0.3, held.set).start()
    with pytest.raises(KeyboardInterrupt), CheckpointWriter() as writer:
        writer.save([tmp_path / "last"], {"a": np.zeros(3)}, TrainState(step=7).to_json())
        raise KeyboardInterrupt
    assert checkpoint.load(tmp_path / "last").state["step"] == 7


def test_training_ends_with_the_error_of_a_full_disk(config, trainers, tmp_path, monkeypatch):
    count, save = itertools.count(), checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *arguments: (save if next(count) < 3 else fail)(*arguments))
    with pytest.raises(OSError, match="No space left"):
        train(config, trainers, tmp_path)
    monkeypatch.setattr(checkpoint, "save", save)
    train(config, trainers, tmp_path / "whole")
    assert outcome(train(config, trainers, tmp_path)) == outcome(Run.open(tmp_path / "whole" / "run"))


def test_an_interrupted_run_has_saved_the_step_that_it_names(config, trainers, tmp_path, held):
    threading.Timer(0.5, held.set).start()
    steps = []
    with pytest.raises(Interrupted, match="stopped at step .* of 24"):
        train(
            config,
            trainers,
            tmp_path,
            on_train_batch_end=lambda state, loss, size: steps.append(state.step),
            should_stop=lambda: steps[-1] >= 5,
        )
    assert checkpoint.load(tmp_path / "run" / "checkpoints" / "last").state["step"] == steps[-1] >= 5


def test_a_kill_at_any_moment_loses_nothing_but_time(config, trainers, tmp_path, monkeypatch):
    """The run's files are copied before each of their renames: what a process leaves that is killed there."""
    moments, directory = [], tmp_path / "run"
    folders = str(directory), str(directory / "checkpoints")

    def killable(rename):
        def copy_and_rename(source, target):
            if os.path.dirname(target) in folders and os.path.basename(target) not in ("result.json", "goodput.json"):
                moments.append(tmp_path / f"moment {len(moments)}" / "run")
                shutil.copytree(directory, moments[-1])
            rename(source, target)

        return copy_and_rename

    Run.create(config, name="run", folder=tmp_path)
    with monkeypatch.context() as patch:
        for name in ("rename", "replace"):
            patch.setattr(os, name, killable(getattr(os, name)))
        expected = outcome(train(config, trainers, tmp_path))
    states = []
    for moment in moments:
        saved = checkpoint.load_last(run := Run.open(moment))
        states.append((saved.state["epoch"], saved.state["step"]) if saved else (0, 0))
        assert 0 <= len(run.metrics()) - states[-1][0] <= 1, "records are at most one epoch ahead, never behind"
        assert outcome(train(config, trainers, moment.parent)) == expected
    assert states == sorted(states) and set(states) == {(0, 0), (0, 8), (1, 12), (1, 16), (1, 24)}
