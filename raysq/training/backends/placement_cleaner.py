"""Removal of a worker group's placement group where the actor that created it, such as a trial, was killed.

Ray Train's own cleaner asks the state API whether the actor lives, which is part of the dashboard. The clusters that
raysq starts have none, and a placement group that stays holds its CPUs, for which the next group would wait.
"""

import contextlib
import queue
from typing import Any

import ray
from ray._common.constants import HEAD_NODE_RESOURCE_NAME
from ray._private.state import actors
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.controller.placement_group_cleaner import PlacementGroupCleaner
from ray.util.placement_group import PlacementGroup

_CHECK_SECONDS = 1.0
_STOP_SECONDS = 3.0


class Cleaner(PlacementGroupCleaner):
    """Ray Train's cleaner, which asks Ray's head itself whether the actor lives."""

    def _monitor_loop(self) -> None:
        group: PlacementGroup | None = None
        while not self._stop_event.is_set():
            with contextlib.suppress(queue.Empty):
                group = self._pg_queue.get(timeout=self._check_interval_s)
            if not is_alive(self._controller_actor_id):
                while not self._pg_queue.empty():
                    group = self._pg_queue.get()
                self._cleanup_placement_group(group)
                ray.kill(ray.get_runtime_context().current_actor)  # a thread cannot exit the actor otherwise
                return


class CleanerCallback(PlacementGroupCleanerCallback):
    """Ray Train's callback, with the cleaner of this module."""

    def __init__(self) -> None:
        super().__init__(check_interval_s=_CHECK_SECONDS, stop_timeout=_STOP_SECONDS)

    def after_controller_start(self, train_run_context: Any) -> None:
        """Start the cleaner of a group that this actor creates."""
        self._controller_actor_id = ray.get_runtime_context().get_actor_id()
        self._cleaner = start_cleaner(self._controller_actor_id)


def start_cleaner(actor_id: str) -> Any:
    """Return a new cleaner of an actor's placement groups, which outlives the actor."""
    options = {"lifetime": "detached", "resources": {HEAD_NODE_RESOURCE_NAME: 0.001}, "scheduling_strategy": "DEFAULT"}
    cleaner = (
        ray.remote(num_cpus=0)(Cleaner)
        .options(**options)
        .remote(
            controller_actor_id=actor_id,
            check_interval_s=_CHECK_SECONDS,
            get_actor_timeout_s=_CHECK_SECONDS,
            stop_timeout=_STOP_SECONDS,
        )
    )
    cleaner.start_monitoring.remote()
    return cleaner


def is_alive(actor_id: str) -> bool:
    """Return whether an actor lives; True where Ray's head does not answer."""
    try:
        return bool(actors(actor_id).get("State") != "DEAD")
    except Exception:  # whatever the connection raises; the next call asks again
        return True
