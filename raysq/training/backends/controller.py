"""Ray Train's trainer with its controller in this process, and without actors that the group does not need.

Ray Train starts one actor each for the controller, Ray Data's shards, requests to the autoscaler, notices of
preemption, and cleaning up after a killed controller. Each actor is a process that imports Ray, which takes a second
of a core. Here the controller runs in the calling process, so that there is no controller to lose, and the others are
left out where they have nothing to do.
"""

import asyncio
import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray._private import worker as _worker
from ray.exceptions import RayActorError
from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
from ray.train.backend import Backend, BackendConfig
from ray.train.v2._internal.callbacks import DatasetsCallback, WorkingDirectorySetupCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.callbacks.preemption_callback import PreemptionCallback
from ray.train.v2._internal.exceptions import WorkerGroupStartupFailedError
from ray.train.v2._internal.execution.callback import WorkerGroupCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.controller.controller import TrainControllerLoopIterationResult
from ray.train.v2._internal.execution.controller.state import (
    AbortedState,
    InitializingState,
    ShuttingDownState,
    TrainControllerState,
)
from ray.train.v2._internal.execution.scaling_policy import ResizeDecision
from ray.train.v2._internal.execution.worker_group import WorkerGroup
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from raysq.distributed.cluster import is_alone
from raysq.training.backends import tf_config
from raysq.training.backends.group_events import GroupEvents
from raysq.training.backends.group_size import GroupSize
from raysq.training.backends.placement_cleaner import CleanerCallback
from raysq.training.backends.worker_actor import RayTrainWorker, serve
from raysq.training.worker_range import WorkerRange

# For Ray to place the workers of a group for which there is room. A busy machine may take a while.
_START_SECONDS = 180.0
# Where the room may be that of a node which was lost a moment ago, without Ray's head knowing it yet.
_SHORT_START_SECONDS = 30.0


def make_trainer(
    workers: WorkerRange,
    gpu: float,
    max_failures: int,
    hosts: tuple[str, ...],
    *,
    events: GroupEvents,
    on_start: Callable[[list[Any]], None],
    on_poll: Callable[[list[Any], bool], None],
) -> "Trainer":
    """Return a trainer whose workers run `worker_actor.serve`.

    Args:
        workers: numbers of workers that the group may have.
        gpu: GPUs of each worker.
        max_failures: number of restarts.
        hosts: further hosts that may connect to the workers.
        events: record of the group's processes and restarts.
        on_start: called with the actors of each new or restarted group.
        on_poll: called with the statuses of all workers, and whether one has failed, after each poll.
    """
    start_seconds = _SHORT_START_SECONDS if workers.is_elastic or not is_alone() else _START_SECONDS
    # The end of a run waits for the controller's next poll. Ray's default of two seconds suits groups of a hundred
    # workers.
    poll_seconds = min(2.0, max(0.2, workers.most / 50))
    environment = os.environ.get
    return Trainer(
        serve,
        workers=workers,
        events=events,
        callbacks=[_GroupCallback(on_start, on_poll)],
        train_loop_config={},
        backend_config=GroupConfig(
            float(environment("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", start_seconds)),
            float(environment("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", poll_seconds)),
            hosts,
        ),
        scaling_config=ScalingConfig(
            num_workers=workers.most, use_gpu=gpu > 0, resources_per_worker={"CPU": 1, **({"GPU": gpu} if gpu else {})}
        ),
        run_config=RunConfig(
            # Ray Train writes checkpoints here, of which there are none.
            storage_path=str(Path(_worker._global_node.get_session_dir_path()) / "raysq"),
            name=f"group-{uuid.uuid4().hex}",
            failure_config=FailureConfig(max_failures=max_failures, controller_failure_limit=-1),  # see GroupSize
            logging_config=LoggingConfig(log_level="CRITICAL"),  # of the terminal; Ray's log files have all
        ),
    )


@dataclass
class GroupConfig(BackendConfig):
    """Settings of a worker group.

    Attributes:
        start_seconds: time for Ray to place the workers.
        poll_seconds: interval at which the controller polls the workers.
        hosts: further hosts that may connect to the workers.
    """

    start_seconds: float
    poll_seconds: float
    hosts: tuple[str, ...]

    @property
    def backend_cls(self) -> type[Backend]:
        """The backend that sets TF_CONFIG."""
        return _TFConfigBackend


class _TFConfigBackend(Backend):
    """Ray Train backend that sets TF_CONFIG on each worker.

    Ray's own TensorFlow backend imports TensorFlow in the driver, and switches the workers to legacy Keras.
    """

    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        tf_config.set_on_workers(worker_group, backend_config.hosts)


class _GroupCallback(WorkerGroupCallback):
    """Callback that passes the start and the polls of a group on."""

    def __init__(self, on_start: Callable[[list[Any]], None], on_poll: Callable[[list[Any], bool], None]):
        self._on_start, self._on_poll = on_start, on_poll

    def after_worker_group_start(self, worker_group: Any) -> None:
        self._on_start([worker.actor for worker in worker_group.get_workers()])

    def after_worker_group_poll_status(self, worker_group_status: Any) -> None:
        self._on_poll(list(worker_group_status.worker_statuses.values()), bool(worker_group_status.errors))


class Trainer(DataParallelTrainer):
    """Trainer that runs its controller in the calling thread. `backend_config` must be a `GroupConfig`.

    Args:
        workers: numbers of workers that the group may have.
        events: record of the group.
        callbacks: further callbacks of the controller. Those of `run_config` are sent to the workers as well.
    """

    def __init__(
        self,
        *arguments: Any,
        workers: WorkerRange,
        events: GroupEvents,
        callbacks: list[WorkerGroupCallback],
        **options: Any,
    ):
        super().__init__(*arguments, **options)
        self._workers = workers
        self._events = events
        self._callbacks = [events, *callbacks]
        self._stop = threading.Event()

    def stop(self) -> None:
        """Let `fit` end the workers and return. It can be called in any thread."""
        self._stop.set()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def _create_default_callbacks(self) -> list[Any]:
        unused = (DatasetsCallback, WorkingDirectorySetupCallback, PlacementGroupCleanerCallback)
        callbacks = [callback for callback in super()._create_default_callbacks() if type(callback) not in unused]
        # The placement group ends with the job. That of an actor, such as a trial, would outlive the actor.
        cleaners = [] if ray.get_runtime_context().get_actor_id() is None else [CleanerCallback()]
        return [*callbacks, *cleaners, *self._callbacks]

    def _initialize_and_run_controller(self, **arguments: Any) -> Any:
        size = GroupSize(self.scaling_config, self._workers, self._events, alone=is_alone())
        controller = _Controller(self._stop, **{**arguments, "scaling_policy": size})
        asyncio.run(controller.run())
        return controller.get_result()


class _WorkerGroup(WorkerGroup):
    """Ray Train's worker group, whose controller is no actor."""

    _worker_cls = RayTrainWorker

    def __init__(self, train_run_context: Any, *arguments: Any, **options: Any):
        super().__init__(train_run_context, *arguments, **options)
        self._worker_group_start_timeout_s = train_run_context.backend_config.start_seconds

    def _start(self) -> None:
        try:
            super()._start()
        except Exception as error:
            # A worker that ends after the others have their contexts leaves Ray Train with a group that it neither
            # keeps nor ends, and whose CPUs no later group would get.
            if self.has_started():
                self._worker_group_state.shutdown()
                self._clear_state()
            if isinstance(error, RayActorError) or isinstance(error.__cause__, RayActorError):
                raise WorkerGroupStartupFailedError("a worker ended while the group started") from error
            raise

    def _create_placement_group(self, *arguments: Any, **options: Any) -> Any:
        handle = super()._create_placement_group(*arguments, **options)
        for callback in self._callbacks:
            if isinstance(callback, GroupEvents):
                callback.placement_groups.append(handle.placement_group)
        return handle

    @staticmethod
    def _get_worker_runtime_env(custom_runtime_env: Any) -> Any:
        # Ray starts a process without a runtime environment beforehand, and one with an environment only when it is
        # needed, even if the environment has no variables.
        environment = WorkerGroup._get_worker_runtime_env(custom_runtime_env)
        return {name: value for name, value in environment.items() if value}

    def _init_train_context_on_workers(self, workers: Any, sync_actor: Any, arguments: Any) -> None:
        contexts = [
            worker.actor.init_train_context.remote(
                train_run_context=self._train_run_context,
                distributed_context=worker.distributed_context,
                synchronization_actor=sync_actor,
                storage_context=self._storage_context,
                worker_callbacks=self._worker_callbacks_to_propagate,
                controller_actor=None,
                **{name: values[index] for name, values in arguments.items()},
            )
            for index, worker in enumerate(workers)
        ]
        ray.get(contexts)


class _Controller(TrainController):
    """Ray Train's controller, run in a thread of the driver.

    Args:
        stop: event after which the controller ends its workers.
    """

    worker_group_cls = _WorkerGroup

    def __init__(self, stop: threading.Event, **arguments: Any):
        super().__init__(**arguments)
        # `GroupSize` looks for the notices itself. Ray's watcher is an actor, and needs workers that return.
        callbacks: list[Any] = self._worker_group_callbacks_to_propagate
        callbacks[:] = [callback for callback in callbacks if not isinstance(callback, PreemptionCallback)]
        self._stop = stop
        self._session = _session()
        self._health_check_interval_s = self._train_run_context.backend_config.poll_seconds

    async def _run_control_loop_iteration(self) -> None:
        if _session() != self._session:
            # The workers ended with `ray.shutdown`. Ray would start a new cluster for any further call.
            self._state = AbortedState()
            return
        if not self._stop.is_set():
            await super()._run_control_loop_iteration()
        if self._stop.is_set() and not self.get_state().is_terminal():
            self._set_state(ShuttingDownState(next_state=AbortedState()))
            await super()._run_control_loop_iteration()

    def _execute_resize_decision(self, decision: ResizeDecision) -> TrainControllerLoopIterationResult:
        if decision.num_workers:
            return super()._execute_resize_decision(decision)
        # All workers have paused.
        return TrainControllerLoopIterationResult(self._get_run_attempt_id(), self._state, InitializingState())

    def _make_and_handle_scaling_decision_for_non_running_worker_group(
        self, controller_state: TrainControllerState
    ) -> TrainControllerLoopIterationResult:
        # What is left of a group holds places, for which `GroupSize` looks.
        if self._worker_group:
            self._shutdown_worker_group()
        return super()._make_and_handle_scaling_decision_for_non_running_worker_group(controller_state)


def _session() -> str | None:
    """Return the id of this process in the cluster it is connected to, or None."""
    return ray.get_runtime_context().get_worker_id() if ray.is_initialized() else None
