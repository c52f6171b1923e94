"""Any number of workers gives the same bits with the setting `exact`."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from training.series import SMALL, write_series
from training.workers import timeless

import raysq
from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.training import checkpoint
from raysq.training.evaluation import evaluate
from raysq.training.exact_exchange import GatherGroup
from raysq.training.open_trainer import open_trainer
from raysq.training.packing import Packing
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.settings import TrainSettings

CASES = ("convolved", "lstm", "negatives")


@pytest.mark.parametrize("case", CASES)
def test_two_workers_then_three_end_with_the_bits_of_one(by_workers, case):
    one, several = by_workers["exact"][case], by_workers["3"][case]
    assert timeless(one) == timeless(several)
    assert one.metrics()[-1]["loss"] < one.metrics()[0]["loss"]
    (mine, state, _), (theirs, other, _) = (checkpoint.load(run.last) for run in (one, several))
    assert {**state, "seconds": 0} == {**other, "seconds": 0}
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        assert np.array_equal(value, theirs[name]), name
    assert one.result()["metrics"] == several.result()["metrics"]
    assert one.name == several.name, "the run's id depends on the number of workers"


def test_the_setting_is_part_of_the_id_where_it_is_on(tmp_path):
    series = write_series(tmp_path / "waves", rows=400)
    off, on = (resolve_config("jena", "dense", series, 0, {**SMALL, "exact": exact}) for exact in (0, 4))
    training = {name: value for name, value in off.settings["training"].items() if name != "exact"}
    before = replace(off, settings={**off.settings, "training": training})
    assert before.id == off.id != on.id


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"exact": 4, "deterministic": False}, "deterministic"),
        ({"exact": 9, "batch_size": 8}, "exact=9 with batch_size=8"),
    ],
)
def test_settings_that_cannot_be_exact_are_refused(settings, match):
    with pytest.raises(UsageError, match=match):
        TrainSettings(**settings)


def test_more_workers_than_canonical_replicas_are_refused():
    TrainSettings(exact=4).check_workers(4)
    TrainSettings().check_workers(99)
    with pytest.raises(UsageError, match="at most the setting exact, received 5 with exact=4"):
        TrainSettings(exact=4).check_workers(5)


def test_a_process_whose_operations_have_several_threads_is_refused(by_workers):
    """The fixture has trained here without the setting."""
    run = by_workers["exact"]["convolved"]
    configure(run.config.train_settings(), 0, gpu=False)
    with pytest.raises(UsageError, match="operations of one thread"):
        open_trainer(run, Dataset.open(run.config.data))


def test_an_exact_run_is_evaluated_in_a_process_of_any_threads(by_workers):
    run = by_workers["exact"]["convolved"]
    metrics = evaluate(run, ("val",))[run.config.model]
    assert metrics["val_loss"] == pytest.approx(run.result()["metrics"]["val_loss"], rel=1e-5)


def test_where_python_does_not_tell_a_process_its_cores_the_exact_mode_takes_all(monkeypatch):
    """As on macOS."""
    import tensorflow as tf

    threads = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *_: None)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", threads.append)
    monkeypatch.setattr(tf.config.threading, "set_inter_op_parallelism_threads", threads.append)
    configure(TrainSettings(exact=4), 0, gpu=False)
    assert threads == [1, os.cpu_count()]


def test_several_devices_of_a_worker_are_refused():
    strategy = SimpleNamespace(cluster_resolver=None, extended=SimpleNamespace(worker_devices=["GPU:0", "GPU:1"]))
    with pytest.raises(UsageError, match="one device for each worker, and a worker has 2"):
        GatherGroup.of(strategy)


def test_all_bits_pass_the_exchange():
    floats = np.array([[-0.0, 1e-42, np.nan], [np.inf, 1 / 3, -1e38]], np.float32)
    values = [floats, np.arange(3) + 2**40, np.array(1 / 3), np.array([2.5, -0.0], np.float16), np.array([-7], np.int8)]
    packing = Packing(values)
    vectors = packing.from_bits(packing.to_bits(packing.pack(values)))
    assert packing.dtypes == ["float32", "int64", "float64", "int32"]
    for value, received in zip(values, packing.unpack(vectors), strict=True):
        assert received.numpy().dtype == value.dtype and received.numpy().tobytes() == value.tobytes()


def test_an_exact_run_evaluates_batches_of_several_shapes():
    """Each shape is traced anew, by values of its own graph. Operations of one thread need a process of their own."""
    data = raysq.prepare("jena", source="sample:60d", quiet=True)
    settings = ("data.lookback=24", "training.exact=2", "epochs=2", "steps_per_epoch=20")
    command = [sys.executable, "-m", "raysq", "train", "jena", "--data", str(data.directory), "--model", "dense"]
    command += ["--threads", "1", "--json", "--name", "exact", *(f"--set={setting}" for setting in settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["metrics"]) >= {"val_loss", "test_loss"}
