"""Processes of a group are ended, and no others; beats that tell one from another."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from raysq.distributed import cluster_values, own_cluster, processes
from raysq.training.backends import end_processes, group_monitor, heartbeat
from raysq.training.backends.group_events import GroupEvents, Member

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")


@pytest.fixture
def child():
    """A process whose command line is that of a worker of Ray, stopped."""
    with subprocess.Popen(["ray::worker", "60"], executable="/bin/sleep") as child:
        os.kill(child.pid, signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while not processes.is_stopped(processes.find(child.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield child
        child.kill()


def test_a_stopped_worker_ends(child):
    end_processes.end_here({child.pid: processes.find(child.pid).started})
    assert child.wait(10) == -signal.SIGKILL


def test_stopped_workers_are_found_and_no_others(child, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(get_node_id=lambda: "own"))
    stopped = Member(0, "own", child.pid)
    later = Member(2, "own", child.pid)
    with subprocess.Popen(["ray::worker", "60"], executable="/bin/sleep") as running:
        members = {stopped: processes.find(child.pid).started, Member(1, "own", running.pid): 0}
        found = end_processes.stopped(members)
        running.kill()
    assert found == [stopped]
    assert end_processes.stopped({later: processes.find(child.pid).started - 1}) == []


def test_a_worker_of_the_own_ray_that_is_stopped_before_it_is_a_member_ends(child, monkeypatch):
    with subprocess.Popen(["ray::worker", "60"], executable="/bin/sleep") as running:
        own = [processes.find(process.pid) for process in (child, running)]
        monkeypatch.setattr(own_cluster, "workers", lambda: own)
        end_processes.end_stopped_starts()
        assert child.wait(10) == -signal.SIGKILL and running.poll() is None
        running.kill()


def test_a_later_process_with_the_number_of_a_worker_is_spared(child):
    with subprocess.Popen(["sleep", "60"]) as other:
        end_processes.end_here({child.pid: processes.find(child.pid).started - 1, other.pid: 0, os.getpid(): 0})
        assert child.poll() is None and other.poll() is None
        other.kill()
    end_processes.end_here({child.pid: 0})
    assert child.wait(10) == -signal.SIGKILL


def test_a_task_on_a_node_that_does_not_answer_is_cancelled(monkeypatch):
    """It would run once the node is back, when the numbers may be those of others."""
    import ray

    sent, cancelled = [], []
    context = SimpleNamespace(get_node_id=lambda: "own")
    task = SimpleNamespace(remote=lambda pids: sent.append(pids) or "task")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(ray, "remote", lambda **options: lambda function: task)
    monkeypatch.setattr(ray, "wait", lambda tasks, num_returns, timeout: ([], tasks))
    monkeypatch.setattr(ray, "cancel", cancelled.append)
    end_processes.end({Member(0, "ab" * 28, 10): 5, Member(1, "ab" * 28, 11): 0})
    assert sent == [{10: 5, 11: 0}] and cancelled == ["task"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of the thread that is ended
@pytest.mark.usefixtures("cluster")
def test_beats_reach_the_monitor_and_go_with_the_group(monkeypatch):
    import ray

    monkeypatch.setattr(heartbeat, "INTERVAL", 0.01)
    own = processes.find(os.getpid())
    member = Member(0, ray.get_runtime_context().get_node_id(), own.pid)
    assert group_monitor._read_beat(member) is None
    end = threading.Event()
    put = cluster_values.put

    def put_until_end(key, value):
        if end.is_set():
            raise SystemExit  # ends the thread
        put(key, value)

    monkeypatch.setattr(cluster_values, "put", put_until_end)
    thread = heartbeat.Heartbeat()
    with thread.new_log().call("train"):
        thread.start()
        deadline = time.monotonic() + 10
        while (beat := group_monitor._read_beat(member)) is None or beat.count < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert (beat.calls, beat.longest, beat.is_ready, beat.started) == (0, 0.0, False, own.started)
    end.set()
    thread.join(10)
    key = heartbeat.key(member.node, member.pid)
    assert key == f"heartbeat/{ray.get_runtime_context().get_job_id()}/{member.node}/{member.pid}"

    events = GroupEvents()
    events.members = [member]
    events.before_worker_group_shutdown(None)
    events.after_worker_group_shutdown(None)
    assert key not in cluster_values.keys("heartbeat/")
