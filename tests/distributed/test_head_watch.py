"""A process whose cluster no longer answers is ended with a line, and no other."""

import subprocess
import sys
import threading

import pytest
from ray._private import worker

from raysq.distributed import head_watch, own_cluster

PROGRAM = """
from ray._private import worker
from raysq.distributed import cluster_values, head_watch, own_cluster
import threading
worker._global_node = object()
own_cluster.remember = lambda: None
own_cluster.lost_server = lambda: None
own_cluster.options = lambda: None
cluster_values.get = lambda key: threading.Event().wait()  # as Ray waits for a lost head
head_watch.SILENCE_SECONDS, head_watch._INTERVAL = 0.2, 0.05
head_watch.start()
threading.Event().wait()
"""


def test_a_process_that_waits_for_a_lost_head_is_ended():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    line = (
        "raysq: the head of the Ray cluster has not answered for 0.2 s; once it runs again, the same command continues"
    )
    assert (done.returncode, done.stderr.splitlines()) == (1, [line])


@pytest.mark.parametrize("answers", [True, False])
def test_a_cluster_that_answers_or_was_left_ends_nothing(answers, monkeypatch):
    ended, enough, asked = [], threading.Event(), []

    def ask(key):
        asked.append(key)
        if len(asked) > 20 or not answers:
            monkeypatch.setattr(worker, "_global_node", None)
            enough.set()

    monkeypatch.setattr(worker, "_global_node", object())
    monkeypatch.setattr(own_cluster, "remember", lambda: None)
    monkeypatch.setattr(own_cluster, "lost_server", lambda: None if answers else "raylet")
    monkeypatch.setattr(head_watch.cluster_values, "get", ask)
    monkeypatch.setattr(head_watch, "_INTERVAL", 0.02)
    monkeypatch.setattr(head_watch, "SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(head_watch, "_end_process", lambda: ended.append(True))
    watch = head_watch._Watch(worker._global_node)
    watch.start()
    assert enough.wait(10)
    watch.join(10)
    assert not watch.is_alive() and not ended


def test_own_ray_without_its_raylet_does_not_answer(monkeypatch):
    monkeypatch.setattr(worker, "_global_node", object())
    monkeypatch.setattr(own_cluster, "remember", lambda: None)
    monkeypatch.setattr(own_cluster, "lost_server", lambda: "raylet")
    monkeypatch.setattr(head_watch.cluster_values, "get", lambda key: None)
    monkeypatch.setattr(head_watch, "_INTERVAL", 0.01)
    monkeypatch.setattr(head_watch, "SILENCE_SECONDS", 0.1)
    ended = threading.Event()

    def end():
        ended.set()
        monkeypatch.setattr(worker, "_global_node", None)

    monkeypatch.setattr(head_watch, "_end_process", end)
    head_watch._Watch(worker._global_node).start()
    assert ended.wait(10)
