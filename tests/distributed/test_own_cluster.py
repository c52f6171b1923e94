"""This process's own Ray: its processes, and its end."""

from types import SimpleNamespace

import pytest
import ray
from ray._private import auto_init_hook, worker

from raysq.distributed import own_cluster, processes
from raysq.distributed.processes import Process


class Node:
    """Stands for the node of `ray.init`."""

    def __init__(self):
        self.dead: list[tuple[str, object]] = []
        server = SimpleNamespace(process=SimpleNamespace(pid=10))
        self.all_processes = {"raylet": [server]}

    def dead_processes(self):
        return self.dead


@pytest.fixture
def node(monkeypatch):
    """A node of this process's own, with a raylet and one worker below it; what is ended is in `node.ended`."""
    node = Node()
    node.ended = []
    monkeypatch.setattr(worker, "_global_node", node)
    monkeypatch.setattr(own_cluster, "_started", None)
    monkeypatch.setattr(own_cluster, "_processes", [])
    monkeypatch.setattr(auto_init_hook, "enable_auto_connect", True)
    monkeypatch.setattr(processes, "find", lambda pid: Process(pid, 1))
    monkeypatch.setattr(processes, "descendants", lambda pids: [Process(11, 1)])
    monkeypatch.setattr(processes, "end", node.ended.extend)
    monkeypatch.setattr(ray, "shutdown", lambda: setattr(worker, "_global_node", None))
    own_cluster.record({"num_cpus": 2})
    return node


def test_workers_are_remembered_though_the_raylet_ends_during_the_search(node, monkeypatch):
    own_cluster.remember()

    def end_meanwhile(pids):
        node.dead.append(("raylet", None))
        return []

    monkeypatch.setattr(processes, "descendants", end_meanwhile)
    own_cluster.remember()
    assert own_cluster.lost_server() == "raylet"
    own_cluster.shut_down()
    assert node.ended == [Process(10, 1), Process(11, 1)]


def test_a_process_that_may_be_stopped_ends_before_ray_does(node):
    own_cluster.shut_down()
    assert node.ended[:2] == [Process(10, 1), Process(11, 1)] and own_cluster.options() is None


def test_ray_starts_by_itself_again_after_the_next_start_only(node):
    own_cluster.shut_down()
    own_cluster.shut_down()
    assert not auto_init_hook.enable_auto_connect
    own_cluster.record({})
    assert auto_init_hook.enable_auto_connect


def test_ray_that_was_joined_is_left_alone(node, monkeypatch):
    monkeypatch.setattr(worker, "_global_node", Node())
    assert own_cluster.options() is None and own_cluster.lost_server() is None


def test_ray_that_ended_without_a_trace_is_nobodys(node, monkeypatch):
    """`ray.init` left no node, or it was shut down since."""
    monkeypatch.setattr(worker, "_global_node", None)
    own_cluster.record({})
    assert own_cluster.options() is None
    monkeypatch.setattr(own_cluster, "options", dict)
    assert own_cluster.lost_server() is None
