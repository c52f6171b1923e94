"""Size of a worker group: how many workers it starts with, and when it is paused to be started with others.

A group starts with the most workers that have room. After a loss it waits some seconds for the lost places to come
back, and goes on with fewer if they do not. It is paused, which writes a checkpoint, where a node of its workers is
about to be taken away, or where there is room for more workers.
"""

import time
from typing import Any

import ray
from ray.train.v2._internal.execution.controller.state import ReschedulingState
from ray.train.v2._internal.execution.scaling_policy import (
    NoopDecision,
    ResizeDecision,
    ScalingDecision,
    ScalingPolicy,
)

from raysq.distributed.cluster import nodes_timeout
from raysq.distributed.places import Places, find_places, replacement_timeout
from raysq.errors import LostError
from raysq.training.backends.group_events import GroupEvents, is_lack_of_room
from raysq.training.backends.group_log import Event
from raysq.training.backends.group_losses import NoRoom, unreachable_errors
from raysq.training.worker_range import WorkerRange

# For places of an earlier group, or of other work that ends just now, to become free.
_SETTLE_SECONDS = 5.0
_LOOK_SECONDS = 0.5  # while the group waits
_WATCH_SECONDS = 2.0  # while it runs
# Room for more workers counts after this time without a break: other work may be starting again just now.
_STABLE_SECONDS = 6.0
_WAIT_MESSAGE_SECONDS = 10.0
_MOST_FAILED_STARTS = 3


class GroupSize(ScalingPolicy):
    """Scaling policy of Ray Train's controller.

    Args:
        scaling_config: Ray Train's configuration, with the most workers.
        workers: numbers of workers that the group may have.
        events: record of the group, which gets the changes of size.
        alone: whether the cluster is this machine, so that no node can come or be taken away.
    """

    def __init__(self, scaling_config: Any, workers: WorkerRange, events: GroupEvents, *, alone: bool):
        super().__init__(scaling_config)
        self._workers = workers
        self._events = events
        self._alone = alone
        self._needs = scaling_config._resources_per_worker_not_none
        self._size: int | None = None  # of the present group, or of the one before it
        self._has_run = False
        self._waits_since: float | None = None
        self._told_waiting = False
        self._lacked_room = False  # in a start since the last running group
        self._failed_starts = 0
        self._failure: Any = None
        self._pause: str | None = None  # why the running group is to be paused
        self._looked = float("-inf")
        self._room_since: float | None = None

    # ---- Ray's autoscaler

    def after_controller_start(self, train_run_context: Any) -> None:
        if not self._alone:
            super().after_controller_start(train_run_context)

    def _get_num_workers_for_resource_request(self) -> int:
        return self._workers.most

    def _request_nodes(self) -> None:
        if not self._alone:
            self._maybe_send_resource_request()

    # ---- start

    def after_controller_state_update(self, previous_state: Any, current_state: Any) -> None:
        """Record why a start failed."""
        if current_state is not previous_state and isinstance(current_state, ReschedulingState):
            self._failure = current_state.training_failed_error
            self._lacked_room |= is_lack_of_room(self._failure)
            self._failed_starts += not is_lack_of_room(self._failure)

    def make_decision_for_non_running_worker_group(self) -> ScalingDecision:
        """Decide on the size of the group that is about to start, or wait for room.

        Raises:
            NoRoom: there was no room in time.
            LostError: several starts have failed.
        """
        if self._failed_starts >= _MOST_FAILED_STARTS:
            reason = getattr(self._failure, "controller_failure", self._failure)
            raise LostError(
                f"the workers did not start {_MOST_FAILED_STARTS} times in a row ({reason}); the same command continues"
                " from the last checkpoint"
            )
        self._request_nodes()
        now = time.monotonic()
        if self._waits_since is None:
            self._waits_since = now
        size = self._choose(now - self._waits_since)
        self._events.is_waiting = size is None
        if size is None:
            time.sleep(_LOOK_SECONDS)
            return NoopDecision()
        self._tell_size(size)
        return ResizeDecision(num_workers=size, resources_per_worker=self._needs)

    def _choose(self, waited: float) -> int | None:
        """Return the size to start with, or None to wait for room."""
        fixed = not self._workers.is_elastic
        if fixed and self._alone and not self._lacked_room:
            return self._workers.most
        places = self._look()
        if places is None:
            return None
        # Ray keeps a fixed group waiting until other work ends. An elastic one needs places that are free.
        room = min(places.total if fixed else places.free, self._workers.most)
        if waited > nodes_timeout() and (room < self._workers.least or self._lacked_room):
            raise NoRoom(
                f"the Ray cluster did not give {self._workers.least} workers {_text(self._needs)} each in "
                f"{nodes_timeout():g} s: nodes were lost, or other work holds them (`ray status`); the same command "
                "continues from the last checkpoint"
            )
        if room < self._workers.least:
            if waited > _WAIT_MESSAGE_SECONDS:
                self._tell_waiting(room, "nodes")
            return None
        if self._lacked_room and places.free < self._workers.least:
            self._tell_waiting(places.free, "other work to end")
        return room if waited > self._patience() or room >= self._expected(places) else None

    def _tell_waiting(self, room: int, what: str) -> None:
        if not self._told_waiting:
            self._told_waiting = True
            reason = f"{self._pause}: " if self._pause else ""
            text = f"{reason}{_room(room, self._workers.least)}, waiting up to {nodes_timeout():g} s for {what}"
            self._events.log.append(Event(text, is_loss=False, is_waiting=True))

    def _expected(self, places: Places) -> int:
        """Return the number of workers for which the start waits a while."""
        if self._size is None or self._pause:
            return min(places.total, self._workers.most)
        return self._size

    def _patience(self) -> float:
        return _SETTLE_SECONDS if self._size is None or self._pause else replacement_timeout()

    def _tell_size(self, size: int) -> None:
        """Record a change of size, and the reason of a pause."""
        before, reason = self._size, self._pause
        changed = size if size != (self._workers.most if before is None else before) else None
        if reason is None and changed:
            left = self._has_run and before is not None and size < before
            reason = f"{size} of {before} workers left" if left else _room(size, self._workers.most)
        if reason is not None:
            self._events.log.append(Event(reason, changed, is_loss=False))
        self._size, self._pause = size, None

    # ---- run

    def make_decision_for_running_worker_group(
        self, worker_group_state: Any, worker_group_status: Any
    ) -> ScalingDecision:
        """Pause the group where its size or its nodes are about to change, and end it once all workers have paused."""
        self._waits_since, self._lacked_room, self._failed_starts, self._told_waiting = None, False, 0, False
        self._has_run = True
        self._request_nodes()
        if all(getattr(status, "is_paused", False) for status in worker_group_status.worker_statuses.values()):
            # The controller ends the group, and asks for the size of the next one.
            return ResizeDecision(num_workers=0, resources_per_worker=self._needs)
        if self._pause is None and (self._workers.is_elastic or not self._alone):
            self._pause = self._reason_to_pause(worker_group_state.workers)
            if self._pause is not None:
                for worker in worker_group_state.workers:
                    worker.actor.pause.remote()
        return NoopDecision()

    def before_controller_execute_failure_decision(self, failure_decision: Any) -> None:
        """Forget a pause that the workers have not come to."""
        self._pause = self._room_since = None

    def _reason_to_pause(self, workers: list[Any]) -> str | None:
        now = time.monotonic()
        if now - self._looked < _WATCH_SECONDS:
            return None
        self._looked = now
        places = self._look()
        if places is None:
            return None
        leaving = [rank for rank, worker in enumerate(workers) if worker.metadata.node_id in places.draining]
        if leaving:
            names = ", ".join(map(str, leaving))
            return f"the node of worker{'s' if len(leaving) > 1 else ''} {names} is about to be taken away"
        room = min(len(workers) + places.free, self._workers.most)
        if room == len(workers):
            self._room_since = None
        elif self._room_since is None:
            self._room_since = now
        elif now - self._room_since >= _STABLE_SECONDS:
            self._room_since = None
            return _room(room, self._workers.most)
        return None

    def _look(self) -> Places | None:
        """Return the present places, or None while the head does not answer."""
        if not ray.is_initialized():
            return None
        try:
            return find_places(self._needs)
        except unreachable_errors():
            return None


def _room(room: int, workers: int) -> str:
    return f"the cluster has room for {room} of {workers} workers"


def _text(needs: dict[str, float]) -> str:
    return " and ".join(f"{value:g} {name}" for name, value in needs.items() if value)
