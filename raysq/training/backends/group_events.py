"""Callback of Ray Train's controller that keeps the processes of a worker group, and the log of its restarts."""

import contextlib
from dataclasses import dataclass
from typing import Any

from ray.exceptions import RayActorError
from ray.train.v2._internal.execution.callback import ControllerCallback, WorkerGroupCallback
from ray.train.v2._internal.execution.controller.state import ReschedulingState, RestartingState

from raysq.distributed import cluster_values
from raysq.distributed.lost_work import is_loss
from raysq.training.backends import heartbeat
from raysq.training.backends.group_log import Event


@dataclass(frozen=True)
class Member:
    """A worker of a group.

    Attributes:
        rank: its rank.
        node: hex id of its Ray node.
        pid: number of its process there.
    """

    rank: int
    node: str
    pid: int

    def __str__(self) -> str:
        return f"worker {self.rank} (process {self.pid})"


class GroupEvents(ControllerCallback, WorkerGroupCallback):
    """What has become of a group. One thread writes, others may read.

    Attributes:
        starts: number of attempts to start the group.
        members: its workers; empty from each attempt on until their processes run.
        log: what has happened to the group.
        is_waiting: whether the group waits for room.
        placement_groups: placement groups of all attempts.
    """

    def __init__(self) -> None:
        self.starts = 0
        self.members: list[Member] = []
        self.log: list[Event] = []
        self.is_waiting = False
        self.placement_groups: list[Any] = []
        self._ending: list[Member] = []

    def before_worker_group_start(self, worker_group_context: Any) -> None:
        self.starts += 1
        self.members = []

    def before_init_train_context(self, workers: list[Any]) -> dict[str, list[Any]]:
        self.members = [Member(rank, w.metadata.node_id, w.metadata.pid) for rank, w in enumerate(workers)]
        return {}

    def before_worker_group_shutdown(self, worker_group: Any) -> None:
        self._ending, self.members = self.members, []

    def after_worker_group_shutdown(self, worker_group_context: Any) -> None:
        """Remove the beats of the workers, which have ended."""
        for member in self._ending:
            with contextlib.suppress(Exception):  # Ray was lost or left, and the beats with it
                cluster_values.remove(heartbeat.key(member.node, member.pid))
        self._ending = []

    def after_controller_state_update(self, previous_state: Any, current_state: Any) -> None:
        # A group restarts after it ran, and is rescheduled if it did not start. While it waits, its state stays.
        if current_state is not previous_state and isinstance(current_state, RestartingState | ReschedulingState):
            error = current_state.training_failed_error
            if not is_lack_of_room(error):
                self.log.append(Event(_reason(error, self.members)))


def is_lack_of_room(error: Any) -> bool:
    """Whether a start failed since Ray had no room for the workers in time."""
    return type(getattr(error, "controller_failure", None)).__name__ == "WorkerGroupStartupTimeoutError"


def _reason(error: Any, members: list[Member]) -> str:
    """Return why a group is started again, from Ray Train's error."""
    failures: dict[int, Any] = getattr(error, "worker_failures", None) or {}
    died = [rank for rank, failure in sorted(failures.items()) if isinstance(_inner(failure), RayActorError)]
    if died:
        return f"{', '.join(_name(rank, members) for rank in died)} {'was' if len(died) == 1 else 'were'} lost"
    failed = [rank for rank, failure in sorted(failures.items()) if not is_loss(failure)]
    if failed:
        return f"{_name(failed[0], members)} failed ({_last_line(_inner(failures[failed[0]]))})"
    if failures:
        return "a worker no longer answered the others"
    return f"the workers did not start ({_last_line(getattr(error, 'controller_failure', error))})"


def _inner(failure: Any) -> Any:
    """Return the error of a worker that Ray Train has wrapped."""
    for name in ("health_check_failure", "_base_exc"):
        failure = getattr(failure, name, failure)
    return failure


def _name(rank: int, members: list[Member]) -> str:
    return str(members[rank]) if rank < len(members) else f"worker {rank}"


def _last_line(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
