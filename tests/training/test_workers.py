"""Several workers give what one gives: plain processes under TF_CONFIG, and once a Ray Train group."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training.series import SMALL, write_series

from raysq.training import checkpoint
from raysq.training.config import plan
from raysq.training.run import Run

SGD = {**SMALL, "epochs": 2, "optimizer": "sgd", "learning_rate": 0.05}
# RMSprop hides a wrong scale of the gradient: SGD. 13 rows do not divide over 2, 3 or 4 workers.
CASES = {
    "dense": ("dense", {**SGD, "batch_size": 13, "eval_batch_size": 37}),
    "gru": ("gru", {**SGD, "batch_size": 13, "units": 4}),
    "penalty": ("training.own_models:penalised", {**SGD, "batch_size": 13, "clipnorm": 0.3}),
    "host": ("dense", {**SGD, "batch_size": 7}),
    "dropout": ("gru", {**SMALL, "epochs": 1, "units": 4, "dropout": 0.3, "recurrent_dropout": 0.3}),
    "moving": ("training.own_models:normalised", {**SMALL, "epochs": 1, "units": 4}),
}
TESTS = Path(__file__).parents[1]


def free_addresses(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


EXACT = ("dense", "gru", "penalty", "host")
MASKED = ("dropout", "moving")


def train_all(home: Path, data, name: str, *, workers: int = 1, replicas: int = 1, cases=(*EXACT, *MASKED)):
    """Trains the cases and returns the runs by case."""
    os.environ["RAYSQ_HOME"] = str(home / name)
    runs = {case: Run.create(plan("jena", CASES[case][0], data, 0, CASES[case][1])) for case in cases}
    job = home / f"{name}.json"
    addresses = free_addresses(workers) if workers > 1 else []
    directories = [str(run.directory) for run in runs.values()]
    # One worker gathers in the graph what several gather on the host.
    host = [str(runs["host"].directory)] if "host" in runs and workers + replicas > 2 else []
    job.write_text(json.dumps({"addresses": addresses, "replicas": replicas, "runs": directories, "host": host}))
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, str(TESTS / "training" / "group_member.py"), str(job)]
    processes = [
        subprocess.Popen([*command, str(rank)], env=environment, stderr=subprocess.PIPE, text=True)
        for rank in range(workers)
    ]
    try:
        errors = [process.communicate(timeout=240)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert not any(process.returncode for process in processes), errors[0][-3000:]
    return runs


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


@pytest.fixture(scope="module")
def by_workers(data, tmp_path_factory):
    """The runs of every case for 1, 2 and 3 workers, and for 2 devices in one worker."""
    home = tmp_path_factory.mktemp("homes")
    before = os.environ.get("RAYSQ_HOME")
    found = {
        "1": train_all(home, data, "one"),
        "2": train_all(home, data, "two", workers=2),
        "2 again": train_all(home, data, "again", workers=2, cases=("penalty", *MASKED)),
        "3": train_all(home, data, "three", workers=3, cases=EXACT),
        "2 devices": train_all(home, data, "devices", replicas=2),
    }
    if before is not None:
        os.environ["RAYSQ_HOME"] = before
    return found


def weights(run: Run) -> list[np.ndarray]:
    values = checkpoint.load(run.last)[0]
    return [values[key] for key in sorted(values) if key.startswith("model/") and values[key].dtype == np.float32]


@pytest.mark.parametrize("case", EXACT)
@pytest.mark.parametrize("workers", ["2", "3", "2 devices"])
def test_workers_equal_one_to_float_rounding(by_workers, case, workers):
    one, several = by_workers["1"][case], by_workers[workers][case]
    for mine, theirs in zip(weights(one), weights(several), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-6)
    for mine, theirs in zip(one.metrics(), several.metrics(), strict=True):
        for name in ("loss", "mae", "val_loss", "val_mae"):
            assert mine[name] == pytest.approx(theirs[name], rel=2e-5), name
    assert one.name == several.name, "the run's id depends on the number of workers"


@pytest.mark.parametrize("case", ["penalty", *MASKED])
def test_two_workers_repeat_bit_for_bit(by_workers, case):
    for mine, theirs in zip(weights(by_workers["2"][case]), weights(by_workers["2 again"][case]), strict=True):
        assert np.array_equal(mine, theirs)


def test_replicas_draw_their_own_masks(by_workers):
    one, two = by_workers["1"]["dropout"], by_workers["2"]["dropout"]
    assert not np.allclose(weights(one)[0], weights(two)[0], rtol=1e-3)
    # Other masks, the same learning.
    assert one.metrics()[-1]["loss"] == pytest.approx(two.metrics()[-1]["loss"], rel=0.15)
