"""Training on a Ray Train worker group: equal to other workers and to one process, though a worker is killed."""

import os
import re
import signal
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from processes import descendants
from training.series import SMALL, write_series
from training.workers import close, timeless, weights

from raysq.errors import LostError, ResourceError, TrainingError, UsageError
from raysq.storage.atomic import write_json
from raysq.training import checkpoint, failures, train
from raysq.training.backends import ray_train, worker_groups
from raysq.training.backends.driver_context import DriverContext
from raysq.training.backends.group_losses import GroupLost, HeadLost, NoRoom, OwnClusterLost
from raysq.training.backends.worker_groups import GroupEnded
from raysq.training.evaluation import evaluate
from raysq.training.goodput import read_attempts
from raysq.training.progress import TrainProgress
from raysq.training.run import Run
from raysq.training.run_config import resolve_config

SETTINGS = {**SMALL, "epochs": 2, "optimizer": "sgd", "learning_rate": 0.02}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


def kill_a_worker(run: Run, killed: list[int]) -> None:
    """Waits for the second epoch and kills one worker of the group outright."""
    deadline = time.monotonic() + 900
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


def group_processes() -> list[int]:
    """The workers of groups that run now."""
    named = [(pid, Path(f"/proc/{pid}/cmdline")) for pid in descendants(os.getpid())]
    return sorted(pid for pid, path in named if path.exists() and path.read_text().startswith("ray::RayTrainWorker"))


def test_two_ray_workers_equal_one_process_survive_sigkill_and_serve_the_next_run(cluster, by_workers):
    one, two = by_workers["1"]["text"], by_workers["2"]["text"]
    config = two.config
    hurt = Run.create(config, name="hurt")
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(hurt, killed))
    killer.start()
    given = config.settings
    run = train.train(
        "classify", data=config.data, model="embedding", settings=given, name="hurt", workers=2, threads=1
    )
    killer.join()
    assert killed, "no worker was killed"
    assert run.directory == hurt.directory
    assert [record["step"] for record in hurt.metrics()] == [20 * epoch for epoch in range(1, 9)]
    # To the bit what the same workers give that Ray has not started, and nobody has killed.
    for mine, theirs in zip(weights(two), weights(hurt), strict=True):
        assert np.array_equal(mine, theirs)
    assert timeless(two) == timeless(hurt)
    close(one, hurt)
    attempts = read_attempts(hurt)
    assert len(attempts) == len(killed) + 1 and {attempt.replicas for attempt in attempts} == {2}
    assert len({attempt.command for attempt in attempts}) == 1 and attempts[-1].reason == "finished"
    assert hurt.result()["goodput"]["restarting"] > 0 and hurt.result()["goodput"]["stopped"] == 0
    # The figures on the test split are those of the model that is left.
    result = hurt.result()["metrics"]
    assert evaluate(hurt, ("test",))["embedding"]["test_loss"] == pytest.approx(result["test_loss"], rel=1e-4)
    assert (hurt.directory / "model.keras").exists()

    # Another run in the same processes, to the bit what workers without that history give.
    processes, two = group_processes(), by_workers["2"]["dropout"]
    asked = {"data": two.config.data, "model": "dense", "workers": 2, "threads": 1}
    again = train.train("jena", settings=two.config.settings, **asked)
    assert group_processes() == processes and len(processes) == 2
    for mine, theirs in zip(weights(two), weights(again), strict=True):
        assert np.array_equal(mine, theirs)
    assert timeless(two) == timeless(again)
    # One that fails says so, and takes the processes with it.
    with pytest.raises(TrainingError, match="^the loss is .* lower learning_rate"):
        train.train("jena", settings=by_workers["2"]["diverging"].config.settings, **asked)
    deadline = time.monotonic() + 30
    while group_processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not group_processes()


DIVERGING = {**SETTINGS, "learning_rate": 1e30}


@pytest.fixture
def only_worker(monkeypatch):
    """A function that trains a run as the only worker of a group, without one."""
    context = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 1)
    monkeypatch.setattr("ray.train.get_context", lambda: context)

    def train_worker(run):
        arguments = {"run": run, "data": None, "gpu": 0, "threads": None, "command": None, "callbacks": b""}
        ray_train._train_worker({**arguments, "driver": DriverContext.current()})

    return train_worker


def test_a_loss_that_is_not_finite_is_what_a_group_says(data, only_worker):
    """That several end together is tested without Ray."""
    run = Run.create(resolve_config("jena", "dense", data, 0, DIVERGING), name="nan")
    only_worker(run)  # ends as if all were well: a worker that raises would be started again, to no end
    error = failures.read(run.directory)
    assert (
        type(error) is TrainingError and str(error).startswith("the loss is ") and "lower learning_rate" in str(error)
    )


def test_a_builder_that_fails_is_what_a_group_says(data, only_worker):
    run = Run.create(resolve_config("jena", "training.own_models:raises", data, 0, SMALL), name="raises")
    only_worker(run)
    said = r"^model .*:raises. cannot be built: RuntimeError: the table of sizes is missing \(.*own_models.py"
    error = failures.read(run.directory)
    assert type(error) is UsageError and re.search(said, str(error)) and "Traceback" in "".join(error.__notes__)


def test_code_that_workers_cannot_import_is_what_a_group_says(data, only_worker, monkeypatch):
    def enter(self):
        raise ModuleNotFoundError("No module named 'tasks_of_mine'")

    monkeypatch.setattr(DriverContext, "enter", enter)
    run = Run.create(resolve_config("jena", "dense", data, 0, SMALL), name="imports")
    only_worker(run)
    error = failures.read(run.directory)
    message = "a worker cannot train the run: ModuleNotFoundError: No module named 'tasks_of_mine'"
    assert type(error) is TrainingError and str(error) == message


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True])
def test_a_builder_that_fails_is_not_tried_again(cluster, data, tmp_path, alone):
    """Also where one worker alone meets the error, for which the others would wait."""
    built = tmp_path / "built"
    settings = {**SMALL, "built": str(built), "alone": alone}
    with pytest.raises(UsageError, match="cannot be built: RuntimeError: no table"):
        train.train("jena", data=data.directory, model="training.own_models:counts", settings=settings, workers=2)
    assert built.read_text() == "built\n" * 2


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_the_group_at_once(cluster, data):
    with pytest.raises(TrainingError, match="lower learning_rate"):
        train.train("jena", data=data.directory, model="dense", settings=DIVERGING, name="nan", workers=2)


@pytest.mark.parametrize(("gpu", "message"), [(False, "99 workers need 99 CPUs, the Ray cluster has 6"), (True, "GPU")])
def test_too_few_resources_are_an_error_at_once(cluster, data, gpu, message, monkeypatch):
    monkeypatch.setattr(worker_groups, "take", lambda key: pytest.fail("a group was started"))
    with pytest.raises(ResourceError, match=message):
        train.train("jena", data=data.directory, model="dense", settings=SETTINGS, workers=2 if gpu else 99, gpu=gpu)


@pytest.mark.parametrize("ends", [True, False])
def test_a_group_is_started_again_as_often_as_it_is_lost_and_gets_further(cluster, data, monkeypatch, ends):
    run = Run.create(resolve_config("jena", "dense", data, 0, SETTINGS), name="lost")
    steps, fits = 0, 0

    def lose(*_):
        nonlocal steps, fits
        fits += 1
        steps = min(fits, 20)
        if not ends or fits < 20:
            raise LostError("workers were lost again and again")

    monkeypatch.setattr(worker_groups, "take", lambda key: SimpleNamespace(jobs=0))
    monkeypatch.setattr(ray_train, "_train_group", lose)
    monkeypatch.setattr(checkpoint, "reached", lambda directory: steps)
    with nullcontext() if ends else pytest.raises(LostError):
        ray_train.train(run, 2, quiet=True)
    assert fits == (20 if ends else 21)


def test_what_a_group_says_is_a_loss_where_no_worker_failed_by_itself(data, tmp_path):
    from ray.exceptions import ActorDiedError
    from ray.train import WorkerGroupError
    from ray.train.v2._internal.exceptions import UserExceptionWithTraceback

    run = Run.create(resolve_config("jena", "dense", data, 0, SETTINGS), name="told")
    lost = {0: UserExceptionWithTraceback(LostError("a worker of the group was lost"), "..."), 1: ActorDiedError()}
    assert type(ray_train._explain(WorkerGroupError("two", lost), run)) is LostError
    failed = {0: UserExceptionWithTraceback(KeyError("units"), "KeyError: 'units'"), 1: lost[0]}
    error = ray_train._explain(WorkerGroupError("two", failed), run)
    assert type(error) is TrainingError and "the worker group failed: KeyError: 'units' (all of it" in str(error)


def test_an_error_that_causes_itself_is_explained(data):
    from ray.train import WorkerGroupError

    run = Run.create(resolve_config("jena", "dense", data, 0, SETTINGS), name="circle")
    error = KeyError("units")
    error.__cause__ = error
    assert type(ray_train._explain(WorkerGroupError("one", {0: error}), run)) is TrainingError


def test_an_error_of_a_group_is_raised_as_it_is_unless_a_worker_recorded_one(data):
    run = Run.create(resolve_config("jena", "dense", data, 0, SETTINGS), name="raised")

    def stop(*_):
        raise UsageError("stopped")

    group = SimpleNamespace(run=stop, stop=lambda seconds: None)
    with pytest.raises(UsageError, match="stopped") as raised:
        ray_train._train_group(run, group, {}, print, bool)
    assert raised.value.__cause__ is None
    failures.record(run.directory, 0, 1, TrainingError("the loss is not finite"))
    with pytest.raises(TrainingError, match="not finite") as raised:
        ray_train._train_group(run, group, {}, print, bool)
    assert type(raised.value.__cause__) is UsageError


@pytest.mark.parametrize(
    "loss", [GroupEnded(NoRoom("no room")), GroupLost("not replaced"), HeadLost("no head"), OwnClusterLost("no Ray")]
)
def test_a_loss_after_the_end_of_a_run_is_none(data, monkeypatch, loss):
    run = Run.create(resolve_config("jena", "dense", data, 0, SETTINGS), name="ended", fresh=True)
    ended = []
    monkeypatch.setattr(ray_train.own_cluster, "shut_down", lambda: ended.append("Ray"))
    monkeypatch.setattr(worker_groups, "keep", lambda group: pytest.fail("the group is lost"))

    def lose(*_):
        raise loss

    group = SimpleNamespace(run=lose)
    with pytest.raises(LostError):
        ray_train._train_group(run, group, {}, print, bool)
    metrics = {"val_loss": 0.5}
    run.finish({"metrics": metrics, "steps": 1, "seconds": 1, "best_epoch": 1, "epochs": 0, "parameters": 9})
    ray_train._train_group(run, group, {}, print, bool)
    assert ended == (["Ray"] if isinstance(loss, OwnClusterLost) else [])


def test_the_driver_says_once_that_more_workers_do_not_help(data, tmp_path, capsys):
    run = Run.create(resolve_config("jena", "dense", data, 0, SMALL), folder=tmp_path)
    cost = run.directory / ray_train._STEP_COST
    cost.write_text("[2, 1.0, 9.0]")  # of an earlier attempt
    with TrainProgress(1) as progress, ray_train._Watcher(run, progress):
        write_json(run.directory / "progress.json", [0, 1, 0.5, 12])
        write_json(cost, [2, 0.0002, 0.0006])
        time.sleep(1.2)  # it looks twice a second
    lines = [line for line in capsys.readouterr().err.splitlines() if "communicates" in line]
    assert len(lines) == 1 and lines[0].startswith(
        "a step computes for 0.2 ms and communicates for 0.6 ms: --workers 1"
    )


def test_gpus_are_asked_of_ray(cluster):
    # Enough CPUs, no GPU: the numbers of both are in the message.
    with pytest.raises(ResourceError, match="2 workers need 2 GPUs, the Ray cluster has 0"):
        ray_train.check_resources({"CPU": 1, "GPU": 1}, "a worker", 2)
