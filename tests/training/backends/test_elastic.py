"""A worker group of changing size on Ray ends with the bits of one worker in the exact mode."""

import os
import signal
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from training.backends.test_ray_train import group_processes
from training.series import SMALL, write_series
from training.workers import Job, timeless, train_apart

from raysq.training import checkpoint, train
from raysq.training.goodput import read_attempts
from raysq.training.run import Run
from raysq.training.run_config import resolve_config

SETTINGS = {**SMALL, "epochs": 4, "steps_per_epoch": 3000, "exact": 8, "checkpoint_steps": 100}
CPUS = 6  # of the fixture


@contextmanager
def held(cpus):
    """CPUs that other work holds within the block."""
    from ray.util.placement_group import placement_group, remove_placement_group

    group = placement_group([{"CPU": 1}] * cpus)
    assert group.wait(60)
    try:
        yield
    finally:
        remove_placement_group(group)


def wait_for(condition, seconds=200):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.cluster
def test_one_worker_then_two_then_one_then_two_end_with_the_bits_of_one(cluster, tmp_path, monkeypatch, capsys):
    from ray.util.placement_group import placement_group, remove_placement_group

    monkeypatch.setenv("RAYSQ_REPLACEMENT_TIMEOUT", "3")
    monkeypatch.setenv("RAYSQ_KEEP_WORKERS", "0")
    data = write_series(tmp_path / "waves")
    config = resolve_config("jena", "dense", data, 0, SETTINGS)
    one = train_apart(tmp_path, {"one": Job(tmp_path, {"run": config})})["one"]["run"]
    run = Run.create(config, name="elastic")
    sizes = lambda: [attempt.replicas for attempt in read_attempts(run)]  # noqa: E731
    errors = []

    def disturb():
        try:
            wait_for(lambda: sizes() == [1] and checkpoint.reached(run.directory))
            free()
            wait_for(lambda: sizes() == [1, 2] and read_attempts(run)[-1].step > read_attempts(run)[-1].first_step)
            # Asked for first, it gets the place that a lost worker leaves.
            other = placement_group([{"CPU": 1}] * (CPUS - 1))
            os.kill(group_processes()[0], signal.SIGKILL)
            wait_for(lambda: len(sizes()) == 3 and read_attempts(run)[-1].step)
            remove_placement_group(other)
        except BaseException as error:
            errors.append(error)

    with held(CPUS - 1):
        pass
    holder = held(CPUS - 1)
    holder.__enter__()
    free = lambda: holder.__exit__(None, None, None)  # noqa: E731
    thread = threading.Thread(target=disturb)
    thread.start()
    trained = train.train(
        "jena", data=data.directory, model="dense", settings=SETTINGS, workers=(1, 2), threads=1, name="elastic"
    )
    thread.join()
    assert not errors, errors
    assert trained.directory == run.directory and trained.result()["replicas"] == [1, 2, 1, 2]
    print(capsys.readouterr().err)
    assert timeless(one) == timeless(run)
    mine, theirs = (checkpoint.load(one_run.last).variables for one_run in (one, run))
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
