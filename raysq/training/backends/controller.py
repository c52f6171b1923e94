"""Ray Train's trainer with its controller in this process, and without actors that the group does not need.

Ray Train starts one actor each for the controller, Ray Data's shards, requests to the autoscaler, notices of
preemption, and cleaning up after a killed controller. Each actor is a process that imports Ray, which takes a second
of a core. Here the controller runs in the calling process, so that there is no controller to lose, and the others are
left out where they have nothing to do.
"""

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import ray
from ray.train.backend import BackendConfig
from ray.train.v2._internal.callbacks import DatasetsCallback, WorkingDirectorySetupCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.callbacks.preemption_callback import PreemptionCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.controller.state import AbortedState
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from raysq.distributed.cluster import is_alone
from raysq.training.backends.worker_actor import RayTrainWorker


@dataclass
class GroupConfig(BackendConfig):
    """Settings of a worker group.

    Attributes:
        start_seconds: time for the workers to start.
        poll_seconds: interval at which the controller polls the workers.
    """

    start_seconds: float
    poll_seconds: float


class Trainer(DataParallelTrainer):
    """Trainer that runs its controller in the calling thread. `backend_config` must be a `GroupConfig`."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self._stop = threading.Event()

    def stop(self) -> None:
        """Let `fit` end the workers and return. It can be called in any thread."""
        self._stop.set()

    def _create_default_callbacks(self) -> list[Any]:
        unused: list[type] = [DatasetsCallback, WorkingDirectorySetupCallback]
        if ray.get_runtime_context().get_actor_id() is None:
            # The placement group ends with the job. That of an actor, such as a trial, would outlive the actor.
            unused.append(PlacementGroupCleanerCallback)
        callbacks = [callback for callback in super()._create_default_callbacks() if type(callback) not in unused]
        return [_quick_cleaner(callback) for callback in callbacks]

    def _initialize_and_run_controller(self, **arguments: Any) -> Any:
        controller = _Controller(self._stop, is_alone(), **arguments)
        asyncio.run(controller.run())
        return controller.get_result()


def _quick_cleaner(callback: Any) -> Any:
    """Give Ray's placement group cleaner one second for the state API, for which it would wait 10 s at the end."""
    if type(callback) is PlacementGroupCleanerCallback:
        return PlacementGroupCleanerCallback(get_actor_timeout_s=1, stop_timeout=3)
    return callback


class _WorkerGroup(WorkerGroup):
    """Ray Train's worker group, whose controller is no actor."""

    _worker_cls = RayTrainWorker

    def __init__(self, train_run_context: Any, *arguments: Any, **options: Any):
        super().__init__(train_run_context, *arguments, **options)
        self._worker_group_start_timeout_s = train_run_context.backend_config.start_seconds

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


class _FixedSize(FixedScalingPolicy):
    """Fixed number of workers on a cluster that has no autoscaler to ask for nodes."""

    def after_controller_start(self, train_run_context: Any) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass


class _Controller(TrainController):
    """Ray Train's controller, run in a thread of the driver.

    Args:
        stop: event after which the controller ends its workers.
        alone: whether the cluster is this machine, with no autoscaler, so that no node can come or be taken away.
    """

    worker_group_cls = _WorkerGroup

    def __init__(self, stop: threading.Event, alone: bool, **arguments: Any):
        policy = arguments["scaling_policy"]
        if alone and type(policy) is FixedScalingPolicy:
            arguments["scaling_policy"] = _FixedSize(policy.scaling_config)
        super().__init__(**arguments)
        if alone:
            callbacks: list[Any] = self._worker_group_callbacks_to_propagate
            callbacks[:] = [callback for callback in callbacks if not isinstance(callback, PreemptionCallback)]
        self._stop = stop
        self._health_check_interval_s = self._train_run_context.backend_config.poll_seconds

    async def _run_control_loop_iteration(self) -> None:
        if not self._stop.is_set():
            await super()._run_control_loop_iteration()
        if self._stop.is_set() and not self.get_state().is_terminal():
            if self._worker_group:
                self._shutdown_worker_group()
            await self._controller_callback_manager.async_invoke("before_controller_shutdown")
            self._set_state(AbortedState())
