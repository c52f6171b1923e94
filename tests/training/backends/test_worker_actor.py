"""Jobs of a worker: finished ones, one that is paused, and one that cannot be read."""

import pytest

from raysq.training.backends import worker_actor
from raysq.training.callbacks import Paused


def test_a_paused_job_is_not_finished(monkeypatch):
    for name, value in (("_finished", 0), ("_is_paused", False), ("_pause_requested", False)):
        monkeypatch.setattr(worker_actor, name, value)
    seen = []

    def job(action):
        seen.append((action, worker_actor._finished, worker_actor._is_paused))
        if action == "pause":
            raise Paused("paused at step 7")
        if action == "end":
            raise SystemExit

    monkeypatch.setattr(worker_actor.pickle, "loads", lambda job: job)  # `seen` is of this process
    for number, action in enumerate(("finish", "pause", "end"), 1):
        worker_actor._jobs.put((number, (job, action)))
    with pytest.raises(SystemExit):
        worker_actor.serve({})
    assert seen == [("finish", 0, False), ("pause", 1, False), ("end", 1, True)]


def test_a_job_that_a_worker_cannot_read_ends_its_group():
    """In a method of the actor the error would be lost, and the driver would wait forever."""
    worker_actor.RayTrainWorker.accept_job(None, 1, b"cabsent\nfunction\n.")  # a pickled name
    with pytest.raises(ModuleNotFoundError, match="absent"):
        worker_actor.serve({})
