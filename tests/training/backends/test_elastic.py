"""A worker group of changing size on Ray, whose numbers are those of one worker in the exact mode."""

import os
import re
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from training.backends.test_ray_train import group_processes
from training.series import SMALL, write_series
from training.workers import Job, timeless, train_apart

from raysq.training import checkpoint, train
from raysq.training.backends import group_size, ray_train
from raysq.training.goodput import read_attempts
from raysq.training.run import Run
from raysq.training.run_config import resolve_config

# A checkpoint at each step slows the steps down to some milliseconds. The group must not finish before it has grown.
SETTINGS = {**SMALL, "epochs": 16, "steps_per_epoch": 300, "exact": 8, "checkpoint_steps": 1}
CPUS = 6  # of the fixture


class OtherWork:
    """Tasks that hold the CPUs of the cluster but for one until `end`. They take a CPU as soon as it is free."""

    def __init__(self, flag: Path):
        import ray

        def hold(flag):
            while not os.path.exists(flag):
                time.sleep(0.05)

        self._flag = flag
        self._tasks = [ray.remote(num_cpus=1, max_retries=0)(hold).remote(str(flag)) for _ in range(CPUS - 1)]

    def end(self):
        self._flag.touch()


def wait_for(condition, seconds=400):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.cluster
def test_one_worker_then_two_then_one_then_two_end_with_the_bits_of_one(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("RAYSQ_REPLACEMENT_TIMEOUT", "3")
    monkeypatch.setenv("RAYSQ_KEEP_WORKERS", "0")
    monkeypatch.setattr(group_size, "_STABLE_SECONDS", 1.0)
    lines: list[str] = []
    monkeypatch.setattr(ray_train, "print_message", lines.append)
    data = write_series(tmp_path / "waves")
    config = resolve_config("jena", "dense", data, 0, SETTINGS)
    one = train_apart(tmp_path, {"one": Job(tmp_path, {"run": config})})["one"]["run"]
    run = Run.create(config, name="elastic")
    errors = []

    def trains(*sizes):
        attempts = read_attempts(run)
        return [attempt.replicas for attempt in attempts] == [*sizes] and attempts[-1].step > attempts[-1].first_step

    def disturb():
        try:
            wait_for(lambda: trains(1))
            other.end()
            wait_for(lambda: trains(1, 2))
            another = OtherWork(tmp_path / "another")
            os.kill(group_processes()[0], signal.SIGKILL)
            wait_for(lambda: trains(1, 2, 1))
            another.end()
        except BaseException as error:
            errors.append(error)

    other = OtherWork(tmp_path / "other")
    thread = threading.Thread(target=disturb)
    thread.start()
    trained = train.train(
        "jena", data=data.directory, model="dense", settings=SETTINGS, workers=(1, 2), threads=1, name="elastic"
    )
    thread.join()
    assert not errors
    assert trained.directory == run.directory and trained.result()["replicas"] == [1, 2, 1, 2]
    changes = [re.match(r"(.*: training \w+ with \d+) from step ", line) for line in lines]
    sizes = [change[1] for change in changes if change]
    assert sizes == [
        "the cluster has room for 1 of 2 workers: training starts with 1",
        "the cluster has room for 2 of 2 workers: training continues with 2",
        "1 of 2 workers left: training continues with 1",
        "the cluster has room for 2 of 2 workers: training continues with 2",
    ]
    attempts = read_attempts(run)
    assert [attempt.reason for attempt in attempts] == ["paused", "", "paused", "finished"]
    assert all(attempts[n].step == attempts[n + 1].first_step for n in (0, 2)), "steps were lost"
    assert timeless(one) == timeless(run)
    mine, theirs = (checkpoint.load(each.last).variables for each in (one, run))
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
