"""Worker groups of Ray Train that train one run after another, and are kept for a while after a run.

Starting a group takes seconds, most of them for processes and for imports. TensorFlow makes the distribution strategy
of a process once, so only runs with the same workers, threads and kind of device can share a group. A process keeps at
most one idle group.
"""

import atexit
import math
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raysq.distributed.cluster import is_alone
from raysq.distributed.idle import on_release
from raysq.environment import environment_seconds
from raysq.errors import Interrupted
from raysq.training.backends.driver_context import DriverContext
from raysq.training.backends.group_log import Event
from raysq.training.backends.group_losses import GroupLost, HeadLost, OwnClusterLost
from raysq.training.worker_range import WorkerRange

_KEEP_SECONDS = 60.0
_STOP_SECONDS = 10.0
_EXIT_SECONDS = 2.0
_WAIT_SECONDS = 0.2


@dataclass(frozen=True)
class GroupKey:
    """Properties that runs must share to be trained by the same processes.

    Attributes:
        workers: numbers of workers that the group may have.
        gpu: GPUs of each worker.
        threads: TensorFlow's threads in each worker, or None.
        max_failures: restarts of the group.
        deterministic: whether operations are deterministic, which cannot be switched off again.
        exact: whether operations have one thread each, which cannot change.
        source: module and source digest of a user's own model, since importing it may change a process. Empty for
            raysq's models.
        hosts: further hosts that may connect to the workers.
        driver: context of the driver.
        session: id of the driver in its Ray cluster.
    """

    workers: WorkerRange
    gpu: float
    threads: int | None
    max_failures: int
    deterministic: bool
    exact: bool
    source: tuple[str, str]
    hosts: tuple[str, ...]
    driver: DriverContext
    session: str


class GroupEnded(Exception):
    """Raised where a group ends before its job is done.

    Attributes:
        reason: Ray Train's error; this error itself if the group was stopped.
    """

    def __init__(self, reason: Exception | None):
        super().__init__("the worker group ended")
        self.reason = reason or self


class WorkerGroup:
    """A worker group of Ray Train, controlled by a thread of this process.

    Attributes:
        key: properties of its runs.
        jobs: number of jobs that were submitted.
    """

    def __init__(self, key: GroupKey):
        from raysq.training.backends.controller import make_trainer
        from raysq.training.backends.group_events import GroupEvents

        self.key = key
        self.jobs = 0
        self._finished = 0
        self._job: tuple[Callable[[Any], None], Any] | None = None
        self._workers: list[Any] = []
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._events = GroupEvents()
        self._trainer = make_trainer(
            key.workers,
            key.gpu,
            key.max_failures,
            key.hosts,
            events=self._events,
            on_start=self._on_start,
            on_poll=self._on_poll,
        )
        self._thread = threading.Thread(target=self._fit, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the group takes further jobs."""
        return self._thread.is_alive() and not self._trainer.is_stopped

    def run(
        self,
        function: Callable[[Any], None],
        arguments: Any,
        on_event: Callable[[Event], None] = lambda event: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Call a function on every worker, and again on the workers of a restarted group, until all have returned.

        Args:
            function: function of a module.
            arguments: its argument.
            on_event: called with what happens to the group.
            should_stop: asked some times a second. If it returns True, the call ends with an error.

        Raises:
            GroupEnded: the group ended before.
            OwnClusterLost: Ray on this machine was lost, and this group with it.
            GroupLost: the group cannot be started again, and is ended.
            HeadLost: the head of the cluster does not answer.
            Interrupted: `should_stop` returned True.
        """
        from raysq.training.backends.group_monitor import GroupMonitor

        with GroupMonitor(self._events, on_event, self._trainer.backend_config.start_seconds) as monitor:
            try:
                self._run(function, arguments, monitor.check, should_stop)
            except (OwnClusterLost, HeadLost):
                _groups.discard(self)
                self._trainer.stop()
                raise
            except GroupLost:
                left = monitor.members()  # the end of the group empties its own list
                self.stop()
                monitor.clear_away(left)
                raise

    def _run(
        self,
        function: Callable[[Any], None],
        arguments: Any,
        check: Callable[[], None],
        should_stop: Callable[[], bool],
    ) -> None:
        with self._changed:
            self.jobs += 1
            self._job = (function, arguments)
            workers = self._workers  # later ones get the job from `_on_start`
        try:
            _send(workers, self.jobs, function, arguments)
            while not self._has_finished():
                # Outside of the lock: these may take long, and the controller's thread goes on meanwhile.
                check()
                if not self._thread.is_alive():
                    raise GroupEnded(self._error)
                if should_stop():
                    raise Interrupted("stopped; the same command continues from the last checkpoint")
        finally:
            with self._changed:
                self._job = None  # a group that is still starting must not begin it later

    def _has_finished(self) -> bool:
        """Return whether all workers have finished the present job, after waiting for news for a moment."""
        with self._changed:
            if self._finished < self.jobs:
                self._changed.wait(_WAIT_SECONDS)
            return self._finished >= self.jobs

    def stop(self, seconds: float = _STOP_SECONDS) -> None:
        """End the workers, and wait until their resources are free.

        Args:
            seconds: longest time to wait. A group that is still starting ends once it has started.
        """
        self._trainer.stop()
        self._thread.join(seconds)

    def _fit(self) -> None:
        try:
            self._trainer.fit()
        except Exception as error:
            self._error = error
        with self._changed:
            self._changed.notify_all()

    def _on_start(self, workers: list[Any]) -> None:
        """Send the present job to the workers of a new or restarted group."""
        with self._changed:
            self._workers, number, job = workers, self.jobs, self._job
        if job is not None:
            _send(workers, number, *job)

    def _on_poll(self, statuses: list[Any], failed: bool) -> None:
        """Note the last job that all workers have finished. An idle group that failed is not started again."""
        with self._changed:
            self._finished = max(self._finished, min(getattr(status, "finished_job", 0) for status in statuses))
            self._changed.notify_all()
            if failed and self._finished == self.jobs:
                self._trainer.stop()


def _send(workers: list[Any], number: int, function: Callable[[Any], None], arguments: Any) -> None:
    from ray import cloudpickle

    job = cloudpickle.dumps((function, arguments))
    for worker in workers:
        # A lost worker is noticed by the controller, which starts the group again.
        worker.accept_job.remote(number, job)


_lock = threading.Lock()
_groups: "weakref.WeakSet[WorkerGroup]" = weakref.WeakSet()
_kept: WorkerGroup | None = None
_timer: threading.Timer | None = None


def take(key: GroupKey) -> WorkerGroup:
    """Return the idle group that this process keeps, if it has the same key, else a new one.

    A group with another key is ended first.
    """
    group = _take_kept()
    if group is not None and group.is_alive and group.key == key:
        return group
    if group is not None:
        group.stop()
    atexit.unregister(_stop_all)
    atexit.register(_stop_all)  # runs before the exit handlers of Ray, which is imported by now
    group = WorkerGroup(key)
    _groups.add(group)
    return group


def keep(group: WorkerGroup) -> None:
    """Keep an idle group for RAYSQ_KEEP_WORKERS seconds, in place of one kept before."""
    global _kept, _timer
    seconds = keep_seconds()
    if not seconds:
        group.stop()
        return
    end_kept()
    on_release(end_kept)
    with _lock:
        _kept = group
        _timer = threading.Timer(seconds, end_kept)
        _timer.daemon = True
        _timer.start()


def end_kept() -> None:
    """End the idle group that this process keeps."""
    if group := _take_kept():
        group.stop()


def keep_seconds() -> float:
    """Return the seconds for which an idle group is kept, from RAYSQ_KEEP_WORKERS.

    The default is 60 seconds where Ray runs on this machine only. A shared cluster has other users: there it is 0.

    Raises:
        UsageError: the value is not a number of seconds.
    """
    if not os.environ.get("RAYSQ_KEEP_WORKERS"):
        return _KEEP_SECONDS if is_alone() else 0.0
    return environment_seconds("RAYSQ_KEEP_WORKERS", 0.0, lambda seconds: 0 <= seconds < math.inf, ", 0 for none")


def _take_kept() -> WorkerGroup | None:
    global _kept, _timer
    with _lock:
        group, _kept = _kept, None
        if _timer is not None:
            _timer.cancel()
            _timer = None
    return group


def _stop_all() -> None:
    """End all groups at the exit of this process, before Ray is shut down."""
    from ray._private import auto_init_hook

    # A group that is still starting would start Ray again after its shutdown.
    auto_init_hook.enable_auto_connect = False
    for group in list(_groups):
        group.stop(_EXIT_SECONDS)
