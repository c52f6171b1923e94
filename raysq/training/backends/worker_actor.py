"""Ray Train's worker actor, which beats, runs jobs one after another, and imports TensorFlow while its group starts."""

import importlib
import pickle
import queue
import threading
from typing import Any

from ray.train.v2._internal.execution.worker_group import worker

from raysq import backend
from raysq.training.backends import heartbeat
from raysq.training.callbacks import Paused

# Jobs of this process as (number, pickled function and arguments), and the number of the last finished one.
_jobs: "queue.SimpleQueue[tuple[int, bytes]]" = queue.SimpleQueue()
_finished = 0
# Whether a pause was requested, and whether the job has ended with it. The process is ended then.
_pause_requested = False
_is_paused = False


class RayTrainWorker(worker.RayTrainWorker):
    """Worker of a group; see `ray.train.v2._internal.execution.worker_group.worker.RayTrainWorker`."""

    def __init__(self) -> None:
        super().__init__()
        heartbeat.start()
        threading.Thread(target=_import_early, daemon=True).start()

    def accept_job(self, number: int, job: bytes) -> None:
        """Queue a job for `serve`.

        Args:
            number: number of the job, above those of earlier jobs.
            job: pickled pair of a function and the argument that it is called with on every worker of the group.
        """
        _jobs.put((number, job))

    def pause(self) -> None:
        """Request that the group writes a checkpoint and ends the present job before it is finished."""
        global _pause_requested
        _pause_requested = True

    def poll_status(self) -> Any:
        """Return Ray Train's status of this worker.

        It has the number of the last finished job as `finished_job`, and whether a later one was paused as `is_paused`.
        """
        finished, is_paused = _finished, _is_paused  # before the status, whose error belongs to a later job
        status: Any = super().poll_status()
        status.finished_job, status.is_paused = finished, is_paused
        return status


def serve(_: Any) -> None:
    """Run jobs until the group is stopped or paused. This is the group's training function."""
    global _finished, _is_paused
    while True:
        number, job = _jobs.get()
        function, arguments = pickle.loads(job)  # here, where an error ends the group
        try:
            function(arguments)
        except Paused:
            _is_paused = True
        else:
            _finished = number


def is_pause_requested() -> bool:
    """Return whether the group is to write a checkpoint and end the present job."""
    return _pause_requested


def _import_early() -> None:
    """Import the modules that training needs, which takes seconds. An error is raised where they are used."""
    try:
        backend.load()
        for module in ("loop", "open_trainer", "trainer"):
            importlib.import_module(f"raysq.training.{module}")
    finally:
        heartbeat.set_ready()
