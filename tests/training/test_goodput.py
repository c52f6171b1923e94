"""Goodput: the time of a run by cause, over attempts that were interrupted, killed and restarted."""

import errno
import os
import sys
import time
from dataclasses import asdict

import pytest
from training.series import SMALL, write_series

from raysq.errors import DamagedError, Interrupted
from raysq.storage.atomic import write_json
from raysq.training import checkpoint, goodput
from raysq.training.callbacks import Paused, TrainingCallbacks
from raysq.training.goodput import Attempt, GoodputRecorder, read_attempts, summarize
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.run_files import RunFiles
from raysq.training.runtime import configure
from raysq.training.state import TrainState
from raysq.training.worker import run_worker


def attempt(command, began, ended, seconds_before, seconds, **values):
    defaults = {"first_call": 2.0, "starting": 6.0}
    return Attempt(command, began, ended, 1, 0, 0, seconds_before, seconds, **{**defaults, **values})


def test_one_attempt_is_start_training_and_end():
    whole = summarize([attempt(100, 101, 160, 0, 42, checkpoints=3.0, finishing=5.0)])
    # 1 s from the command to the worker, 6 s of start with 2 s of `seconds` in the first call.
    expected = {"total": 60, "training": 40, "starting": 7, "checkpoints": 3, "finishing": 5, "other": 5}
    assert {cause: seconds for cause, seconds in whole.to_json().items() if seconds} == expected
    assert whole.share == pytest.approx(40 / 60)


def test_an_interruption_is_time_between_commands_and_loses_no_step():
    whole = summarize([attempt(0, 0, 50, 0, 40), attempt(1000, 1001, 1050, 40, 80)])
    assert (whole.training, whole.repeated, whole.stopped, whole.restarting) == (76, 0, 950, 0)
    assert whole.starting == 13 and whole.total == 1050


def test_steps_after_the_checkpoint_of_a_killed_attempt_are_repeated():
    """The group was lost at 40 s of training; the next continued from 30 s, under the same command."""
    whole = summarize([attempt(0, 3, 50, 0, 40), attempt(0, 62, 120, 30, 80)])
    assert (whole.repeated, whole.restarting, whole.stopped) == (10, 12, 0)
    assert whole.training == 28 + 48


def test_an_attempt_that_reached_no_checkpoint_is_repeated_whole():
    whole = summarize([attempt(0, 0, 50, 0, 40), attempt(60, 60, 99, 0, 30), attempt(100, 100, 150, 20, 60)])
    # The first lost all of its 38 s after the first call, the second 10 of 28.
    assert whole.repeated == 38 + 10 and whole.training == 18 + 38


def test_a_damaged_last_checkpoint_repeats_what_earlier_attempts_trained():
    whole = summarize([attempt(0, 0, 50, 0, 40), attempt(60, 60, 99, 40, 70), attempt(100, 100, 150, 25, 90)])
    assert whole.repeated == 15 + 28 and whole.training == 23 + 0 + 63


def test_causes_add_up_to_the_total_whatever_the_clocks_say():
    attempts = [attempt(10, 9, 50, 0, 40), attempt(45, 44, 80, 40, 60), attempt(45, 70, 71, 60, 90)]
    values = summarize(attempts).to_json()
    assert min(values.values()) >= 0
    assert values.pop("total") == pytest.approx(sum(values.values()))


def test_a_killed_attempt_counts_up_to_the_checkpoint_where_that_is_newer_than_its_record(tmp_path):
    run = RunFiles(tmp_path)
    with GoodputRecorder(run, None, chief=True, on_message=pytest.fail) as killed:
        killed.begin(TrainState(), 1)
    with GoodputRecorder(run, None, chief=True, on_message=pytest.fail) as following:
        following.begin(TrainState(step=20, seconds=5.0), 1)
    first, second = read_attempts(run)
    assert (first.step, first.seconds, second.first_step, second.seconds_before) == (20, 5.0, 20, 5.0)


def test_validation_before_the_first_call_counts_and_is_no_start(tmp_path):
    """The checkpoint was of an epoch's last step: validation comes first."""
    with GoodputRecorder(RunFiles(tmp_path), None, chief=True, on_message=pytest.fail) as recorder:
        recorder.begin(TrainState(step=12, seconds=5.0), 1)
        time.sleep(0.2)
        recorder.on_epoch_end(TrainState(step=12, epoch=1, seconds=5.2))
        time.sleep(0.1)
        recorder.on_train_batch_end(TrainState(step=13, epoch=1, seconds=5.3))
    (attempt,) = recorder.attempts
    assert attempt.first_call == pytest.approx(0.1) and 0.1 <= attempt.starting < 0.2
    assert summarize([attempt]).training == pytest.approx(0.2)


def test_what_goes_on_when_an_attempt_is_killed_is_recorded(tmp_path, monkeypatch):
    """A long first call, validation or checkpoint is no time between two commands."""
    monkeypatch.setattr(goodput, "_WRITE_SECONDS", 0.02)
    run, killed = RunFiles(tmp_path), []

    def work():
        time.sleep(0.3)
        killed.extend(read_attempts(run))

    with GoodputRecorder(run, None, chief=True, on_message=pytest.fail) as recorder:
        recorder.begin(TrainState(), 1)
        work()
        recorder.on_train_batch_end(TrainState(step=1, seconds=0.3))
        work()
        recorder.on_train_batch_end(TrainState(step=2, seconds=0.6))
        with recorder.checkpoint():
            work()
    assert not recorder._thread.is_alive()
    began = recorder.attempts[0].began
    for number, (one, cause) in enumerate(zip(killed, ("starting", "repeated", "checkpoints"), strict=True)):
        now = began + 0.3 * (number + 1)
        whole = summarize([one, attempt(now, now, now, 0, 0, first_call=0, starting=0)])
        assert getattr(whole, cause) > 0.2 and whole.stopped < 0.15 and whole.other < 0.15, cause


def test_only_the_chief_writes(tmp_path):
    with GoodputRecorder(RunFiles(tmp_path), None, chief=False, on_message=pytest.fail) as recorder:
        recorder.begin(TrainState(), 2)
    assert not read_attempts(RunFiles(tmp_path)) and len(recorder.attempts) == 1


def test_the_error_of_a_full_disk_is_that_of_the_checkpoint(tmp_path, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")

    def replace(*_):
        raise full

    with (
        pytest.raises(OSError, match="No space left") as raised,
        GoodputRecorder(RunFiles(tmp_path), None, chief=True, on_message=pytest.fail) as recorder,
    ):
        recorder.begin(TrainState(), 1)
        monkeypatch.setattr(os, "replace", replace)
        raise full
    assert raised.value is full


def test_a_damaged_record_is_begun_anew_with_a_message(tmp_path):
    (tmp_path / "goodput.json").write_text("[{")
    with pytest.raises(DamagedError, match="remove it: nothing but the times"):
        read_attempts(RunFiles(tmp_path))
    messages = []
    with GoodputRecorder(RunFiles(tmp_path), None, chief=True, on_message=messages.append) as recorder:
        recorder.begin(TrainState(), 1)
    assert "the times of earlier attempts are lost" in messages[0] and len(read_attempts(RunFiles(tmp_path))) == 1


def test_a_run_without_the_record_is_one_of_an_older_raysq(tmp_path):
    run = RunFiles(tmp_path)
    result = {"metrics": {}, "steps": 1, "seconds": 1.0, "best_epoch": 1, "epochs": 1, "parameters": 1}
    run.finish(result)
    assert run.result() == result and read_attempts(run) == []
    write_json(tmp_path / "result.json", {**result, "goodput": {"total": "long"}})
    with pytest.raises(DamagedError, match=r"goodput.total: expected a number"):
        run.result()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


@pytest.fixture(scope="module")
def config(data):
    return resolve_config("jena", "dense", data, 0, {**SMALL, "epochs": 3, "units": 4, "xla": "false"})


def test_a_run_records_its_attempts_and_its_result_the_causes(config, tmp_path, monkeypatch):
    monkeypatch.setattr(goodput, "_WRITE_SECONDS", 0.01)
    run = Run.create(config, name="run", folder=tmp_path)
    steps, killed_at = [], []

    def train(**hooks):
        configure(config.train_settings(), config.seed, gpu=False)
        run_worker(run, None, TrainingCallbacks(**hooks, export_model=lambda: False, tensorboard=False))

    def kill(state, *_):
        if state.step > 24:
            killed_at.append(state.step)
            raise SystemExit

    with pytest.raises(Interrupted):
        train(on_train_batch_end=lambda state, *_: steps.append(state.step), should_stop=lambda: steps[-1] > 13)
    with pytest.raises(SystemExit):
        train(on_train_batch_end=kill)
    train()
    attempts = read_attempts(run)
    assert [one.reason for one in attempts] == ["interrupted", "failed", "finished"]
    assert [one.first_step for one in attempts] == [0, steps[-1], 24]
    assert [one.step for one in attempts] == [steps[-1], killed_at[0], 36]
    saved = checkpoint.load(run.last).state["seconds"]
    result = run.result()
    values = dict(result["goodput"])
    total = values.pop("total")
    assert total == pytest.approx(sum(values.values()), abs=0.01) and total >= result["seconds"]
    assert 0 < values["training"] < saved and values["repeated"] > 0 and values["stopped"] > 0
    assert all(one.checkpoints > 0 for one in attempts) and attempts[2].finishing > 0
    assert [asdict(one)["replicas"] for one in attempts] == [1, 1, 1]
    # Training that counts, and the first calls, which are part of the starts, are all of `seconds`.
    kept = values["training"] + sum(one.first_call for one in attempts)
    assert kept == pytest.approx(saved, abs=0.01)


def test_a_paused_run_has_lost_no_step_and_goes_on_with_the_same_bits(config, tmp_path):
    def train(run, **hooks):
        configure(config.train_settings(), config.seed, gpu=False)
        run_worker(run, None, TrainingCallbacks(**hooks, export_model=lambda: False, tensorboard=False))

    whole, run = (Run.create(config, folder=tmp_path / name) for name in ("whole", "paused"))
    steps = [0]
    with pytest.raises(Paused, match=r"paused at step \d+ of 36"):
        train(run, on_train_batch_end=lambda state, *_: steps.append(state.step), should_pause=lambda: steps[-1] > 13)
    assert checkpoint.reached(run.directory) == steps[-1] < 36
    for each in (run, whole):
        train(each)
    attempts = read_attempts(run)
    assert [(one.first_step, one.step, one.reason) for one in attempts] == [
        (0, steps[-1], "paused"),
        (steps[-1], 36, "finished"),
    ]
    assert run.result()["replicas"] == [1, 1]
    # No step is repeated (above); what the clock saw from the checkpoint to the pause may be.
    assert run.result()["goodput"]["repeated"] < 0.1
    mine, theirs = (checkpoint.load(each.last).variables for each in (run, whole))
    assert all(mine[name].tobytes() == theirs[name].tobytes() for name in theirs)


def test_a_run_that_is_stopped_early_is_exported_with_its_goodput_or_without(config, tmp_path, monkeypatch, capsys):
    from raysq.training import finalize

    for name in ("measure_best", "export_model"):
        monkeypatch.setattr(finalize, name, lambda *_, **__: ({}, 1, {}))
    run = Run.create(config, name="run", folder=tmp_path)
    configure(config.train_settings(), 0, gpu=False)
    with pytest.raises(SystemExit):
        run_worker(run, None, TrainingCallbacks(on_epoch_end=lambda record: sys.exit(), tensorboard=False))
    finalize.finalize(run, ended="stopped early")
    assert run.result()["goodput"]["training"] > 0 and run.result()["ended"] == "stopped early"
    assert run.result()["still_improving"] is False  # it was not its epochs that ended it
    (run.directory / "goodput.json").write_text("[{")
    finalize.finalize(run, ended="stopped early")
    assert "goodput" not in run.result() and "the goodput is left out" in capsys.readouterr().err


def test_a_model_without_weights_is_measured_and_has_no_first_call(data, tmp_path):
    baseline = resolve_config("jena", "baseline", data, 0, {**SMALL, "epochs": 2})
    run = Run.create(baseline, name="baseline", folder=tmp_path)
    configure(baseline.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks(export_model=lambda: False, tensorboard=False))
    values = run.result()["goodput"]
    assert values["training"] == pytest.approx(run.result()["seconds"], abs=0.01)
