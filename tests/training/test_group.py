"""Training on a Ray Train worker group: equal to one process, and to itself when a worker is killed."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from training.series import SMALL, write_series

from raysq.errors import ResourceError, TrainingError
from raysq.training import api, checkpoint, group
from raysq.training.config import plan
from raysq.training.run import Run

# More steps than a call of compiled steps takes, in an epoch that it does not divide.
SETTINGS = {**SMALL, "epochs": 6, "steps_per_epoch": 75, "batch_size": 13, "optimizer": "sgd", "learning_rate": 0.02}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


def weights(run: Run) -> list[np.ndarray]:
    values = checkpoint.load(run.last)[0]
    return [values[key] for key in sorted(values) if key.startswith("model/")]


def descendants(pid: int) -> list[int]:
    """All processes under one; Ray's are under the process that started the local cluster."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended meanwhile
            parents.setdefault(parent, []).append(int(entry.name))
    found = list(parents.get(pid, []))
    for child in found:
        found += parents.get(child, [])
    return found


def kill_a_worker(run: Run, killed: list[int]) -> None:
    """Waits for the second epoch and kills one worker of the group outright."""
    deadline = time.monotonic() + 150
    while len(run.metrics()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in descendants(os.getpid()):
        try:
            name = Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            continue
        if name.startswith("ray::RayTrainWorker"):
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            return


def test_two_ray_workers_equal_one_process_and_survive_sigkill(cluster, data):
    one = api.train("jena", data=data.directory, model="dense", settings=SETTINGS, name="one")
    two = api.train("jena", data=data.directory, model="dense", settings=SETTINGS, name="two", workers=2)
    for mine, theirs in zip(weights(one), weights(two), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)
    assert [record["step"] for record in two.metrics()] == [75 * epoch for epoch in range(1, 7)]
    assert two.result()["metrics"]["test_mae"] == pytest.approx(one.result()["metrics"]["test_mae"], rel=1e-4)
    assert (two.directory / "model.keras").exists()

    config = plan("jena", "dense", data, 0, SETTINGS)
    hurt = Run.create(config, name="hurt")
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(hurt, killed))
    killer.start()
    api.train("jena", data=data.directory, model="dense", settings=SETTINGS, name="hurt", workers=2)
    killer.join()
    assert killed, "no worker was killed"
    for mine, theirs in zip(weights(two), weights(hurt), strict=True):
        assert np.array_equal(mine, theirs)
    timeless = [[{**record, "seconds": 0} for record in run.metrics()] for run in (two, hurt)]
    assert timeless[0] == timeless[1]


def test_a_loss_that_is_not_finite_ends_the_group_at_once(cluster, data):
    with pytest.raises(TrainingError, match="lower learning_rate"):
        settings = {**SETTINGS, "learning_rate": 1e30}
        api.train("jena", data=data.directory, model="dense", settings=settings, name="nan", workers=2)


@pytest.mark.parametrize(("gpu", "message"), [(False, "99 workers need 99 CPUs, the Ray cluster has 6"), (True, "GPU")])
def test_too_few_resources_are_an_error_at_once(cluster, data, gpu, message):
    started = time.monotonic()
    with pytest.raises(ResourceError, match=message):
        api.train("jena", data=data.directory, model="dense", settings=SETTINGS, workers=2 if gpu else 99, gpu=gpu)
    assert time.monotonic() - started < 5


def test_gpus_are_asked_of_ray(cluster):
    # Enough CPUs, no GPU: the numbers of both are in the message.
    with pytest.raises(ResourceError, match="2 workers need 2 GPUs, the Ray cluster has 0"):
        group.check_resources({"CPU": 1, "GPU": 1}, "a worker", 2)
