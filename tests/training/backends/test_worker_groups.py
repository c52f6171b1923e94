"""Groups that are kept after a run: for whom, for how long, and what they give way to (with Ray: test_ray_train.py)."""

import importlib
import pickle
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from raysq import problems
from raysq.distributed import idle
from raysq.errors import Interrupted, UsageError
from raysq.training.backends import controller, worker_groups
from raysq.training.backends.driver_context import DriverContext
from raysq.training.backends.group_events import GroupEvents
from raysq.training.backends.worker_groups import GroupKey, WorkerGroup
from raysq.training.worker_range import WorkerRange

DRIVER = DriverContext("/folder", (), "/home", b"", "")
WORKER_GROUP = WorkerGroup  # the fixture replaces it
KEY = GroupKey(WorkerRange(2, 2), 0, 1, 3, True, False, ("", ""), (), DRIVER, "session")


class Group:
    """Stands for a group of Ray Train."""

    def __init__(self, key):
        self.key, self.is_alive = key, True

    def stop(self):
        self.is_alive = False


@pytest.fixture(autouse=True)
def groups(monkeypatch):
    """Groups without processes, none of which is left at the end."""
    monkeypatch.setattr(worker_groups, "WorkerGroup", Group)
    monkeypatch.setenv("RAYSQ_KEEP_WORKERS", "60")
    yield
    worker_groups.end_kept()


def kept(key=KEY):
    group = worker_groups.take(key)
    worker_groups.keep(group)
    return group


def test_a_kept_group_serves_one_further_run_at_a_time():
    group = kept()
    assert worker_groups.take(KEY) is group
    assert worker_groups.take(KEY) is not group


@pytest.mark.parametrize(
    "other",
    [
        {"workers": WorkerRange(2, 3)},
        {"threads": 2},
        {"deterministic": False},
        {"source": ("model", "edited")},
        {"session": "after ray.shutdown()"},
        {"driver": replace(DRIVER, registered=b"another problem")},
        {"driver": replace(DRIVER, sources="edited")},
    ],
)
def test_a_run_that_does_not_fit_ends_the_kept_group_first(other):
    group = kept()
    assert worker_groups.take(replace(KEY, **other)) is not group
    assert not group.is_alive


def test_an_edit_of_a_registered_problem_or_of_its_imports_makes_another_key(tmp_path, monkeypatch):
    """Classes of modules are pickled by reference, which an edit does not change."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "edited_part.py").write_text("SIZE = 1\n")
    (tmp_path / "edited_problem.py").write_text("from edited_part import SIZE\n\nclass Mine:\n    size = SIZE\n")
    monkeypatch.setitem(problems.REGISTRY.registered, "mine", importlib.import_module("edited_problem").Mine)
    try:
        before = DriverContext.current()
        assert DriverContext.current() == before
        (tmp_path / "edited_part.py").write_text("SIZE = 2\n")
        assert DriverContext.current() == replace(before, sources=DriverContext.current().sources) != before
    finally:
        for name in ("edited_problem", "edited_part"):
            sys.modules.pop(name, None)


def test_a_group_that_has_ended_is_not_used():
    group = kept()
    group.stop()
    assert worker_groups.take(KEY) is not group


def test_a_second_kept_group_takes_the_place_of_the_first():
    first, second = worker_groups.take(KEY), worker_groups.take(KEY)
    worker_groups.keep(first)
    worker_groups.keep(second)
    assert not first.is_alive and worker_groups.take(KEY) is second


def test_other_work_ends_the_kept_group():
    group = kept()
    idle.release_idle()
    assert not group.is_alive


def test_a_group_ends_after_its_time(monkeypatch):
    monkeypatch.setenv("RAYSQ_KEEP_WORKERS", "0.05")
    group = kept()
    assert group.is_alive
    deadline = time.monotonic() + 10
    while group.is_alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not group.is_alive
    monkeypatch.setenv("RAYSQ_KEEP_WORKERS", "0")
    assert not kept().is_alive


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_a_time_that_is_none_is_refused(value, monkeypatch):
    monkeypatch.setenv("RAYSQ_KEEP_WORKERS", value)
    with pytest.raises(UsageError, match=f"RAYSQ_KEEP_WORKERS must be a number of seconds, .* received '{value}'"):
        worker_groups.keep_seconds()


@pytest.mark.parametrize(("alone", "seconds"), [(True, 60), (False, 0)])
def test_groups_are_kept_by_default_where_nobody_else_waits(alone, seconds, monkeypatch):
    monkeypatch.delenv("RAYSQ_KEEP_WORKERS")
    monkeypatch.setattr(worker_groups, "is_alone", lambda: alone)
    assert worker_groups.keep_seconds() == seconds


class Worker:
    """Stands for the actor of a worker."""

    def __init__(self):
        self.jobs = []
        self.accept_job = SimpleNamespace(remote=lambda *job: self.jobs.append(job))


def test_a_job_is_sent_to_later_workers_until_it_is_stopped(monkeypatch):
    end = threading.Event()
    trainer = SimpleNamespace(fit=end.wait, stop=end.set, is_stopped=False)
    monkeypatch.setattr(controller, "make_trainer", lambda *_, **__: trainer)
    group = WorkerGroup(KEY)
    early, late = Worker(), Worker()

    def check():
        """The controller's thread goes on while the group is checked."""
        thread = threading.Thread(target=group._on_start, args=([early],))
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    with pytest.raises(Interrupted):
        group._run(print, "arguments", check, lambda: True)
    ((number, job),) = early.jobs
    assert number == 1 and pickle.loads(job) == (print, "arguments")
    group._on_start([late])
    assert not late.jobs
    group.stop()


@pytest.mark.usefixtures("cluster")
def test_a_group_gives_its_cpus_back_where_a_worker_ends_before_it_gets_its_function(monkeypatch):
    """Ray Train would neither keep nor end such a group."""
    import ray
    from ray.train.v2._internal.execution.callback import WorkerGroupCallback
    from ray.util.placement_group import placement_group, remove_placement_group

    started = []

    class Killer(GroupEvents, WorkerGroupCallback):
        def after_worker_group_start(self, worker_group):
            started.append(worker_group)
            if len(started) == 1:
                ray.kill(worker_group.get_workers()[0].actor, no_restart=True)

    monkeypatch.setattr("raysq.training.backends.group_events.GroupEvents", Killer)
    others = placement_group([{"CPU": ray.available_resources()["CPU"] - 2}])
    assert others.wait(60)
    group = WORKER_GROUP(replace(KEY, session=ray.get_runtime_context().get_worker_id()))
    try:
        group.run(bool, None)  # of no test module: an installed package may be called `tests` too
    finally:
        group.stop()
        remove_placement_group(others)
    assert len(started) == 2
