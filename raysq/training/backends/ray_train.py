"""Training backend on a Ray Train worker group, under MultiWorkerMirroredStrategy."""

import json
import os
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysq.data.dataset import Dataset
from raysq.distributed import placement
from raysq.distributed.cluster import can_grow, check_resources, ensure_ray, nodes_timeout
from raysq.distributed.lost_work import is_loss
from raysq.distributed.socket_filter import own_addresses, resolve
from raysq.errors import DamagedError, Interrupted, LostError, RaysqError, ResourceError, TrainingError, UsageError
from raysq.storage.atomic import write_json
from raysq.storage.json_files import read_json
from raysq.training import checkpoint, failures, group_server
from raysq.training.backends.driver_context import DriverContext
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.progress import TrainProgress
from raysq.training.run import Run
from raysq.training.runtime import configure, make_strategy
from raysq.training.state import TrainState
from raysq.training.worker import run_worker

_START_SECONDS = 180.0
_STOP_SECONDS = 5.0


def train(
    run: Run,
    workers: int,
    *,
    gpu: float = 0,
    threads: int | None = None,
    quiet: bool = False,
    max_failures: int = 3,
    data: placement.DatasetRef | None = None,
) -> None:
    """Train a run to its end on a Ray Train worker group, on one node or several.

    Each worker has one CPU and `gpu` GPUs. A lost worker or node is replaced, and the group continues from the last
    checkpoint. The number of restarts is unlimited as long as training progresses between them; `max_failures` limits
    restarts without progress. The function may be called in a thread, and inside a Ray actor such as a trial. The
    group ends with the calling process.

    Args:
        run: the run. All nodes must see its directory; they need not see its data set.
        workers: number of workers.
        gpu: GPUs of each worker. Defaults to 0.
        threads: TensorFlow's threads in each worker. Defaults to all cores.
        quiet: whether to hide progress. Defaults to False.
        max_failures: maximum number of consecutive restarts without progress. Defaults to 3.
        data: reference to the data set from `raysq.distributed.placement.broadcast`. Defaults to a new one.

    Raises:
        ResourceError: there are too few CPUs or GPUs, or a node does not see the run's directory.
        LostError: workers were lost repeatedly without progress.
        TrainingError: the loss is not finite, or workers failed for another reason.
        UsageError: the model cannot be built or trained. Training is not retried.
        Interrupted: Ctrl-C stopped training. The same call continues it.
    """
    ensure_ray()
    check_resources({"CPU": 1, "GPU": gpu}, "a worker", workers)
    placement.validate_shared_runs(run.directory)
    failures.clear(run.directory)
    arguments = {
        "run": run.resolved(),
        "data": data or placement.broadcast(Dataset.open(run.config.data)),
        "gpu": bool(gpu),
        "threads": threads,
        "driver": DriverContext.current(),
    }
    with TrainProgress(run.config.train_settings().epochs, quiet) as progress, _Watcher(run, progress):
        while True:
            step = checkpoint.reached(run.directory)
            try:
                _fit(run, arguments, workers, gpu, max_failures)
                break
            except LostError:
                # Ray Train counts all failures of one fit, but failures after progress should not count.
                if checkpoint.reached(run.directory) <= step:
                    raise


def _fit(run: Run, arguments: dict[str, Any], workers: int, gpu: float, max_failures: int) -> None:
    """Train with one Ray Train controller, which restarts the group up to `max_failures` times.

    Raises:
        RaysqError: the group failed; a `LostError` if workers were lost.
    """
    trainer = _trainer(arguments, workers, gpu, max_failures)
    errors: list[Exception] = []

    def fit() -> None:
        try:
            trainer.fit()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=fit, daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException as error:
        trainer.stop()
        thread.join(_STOP_SECONDS)
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted("stopped; the same command continues from the last checkpoint") from None
        raise
    if errors:
        raise failures.read(run.directory) or _explain(errors[0], run, workers, gpu) from errors[0]
    if recorded := failures.read(run.directory):
        raise recorded


def _trainer(arguments: dict[str, Any], workers: int, gpu: float, max_failures: int) -> Any:
    import ray
    from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig

    from raysq.training.backends.controller import Trainer

    return Trainer(
        _train_worker,
        train_loop_config=arguments,
        backend_config=_backend_config(workers),
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=gpu > 0, resources_per_worker={"CPU": 1, **({"GPU": gpu} if gpu else {})}
        ),
        run_config=RunConfig(
            # Ray Train writes checkpoints here, of which there are none.
            storage_path=str(Path(ray._private.worker._global_node.get_session_dir_path()) / "raysq"),
            name=f"group-{uuid.uuid4().hex}",
            failure_config=FailureConfig(max_failures=max_failures, controller_failure_limit=2),
            logging_config=LoggingConfig(log_level="CRITICAL"),  # of the terminal; Ray's log files have all
        ),
    )


def _backend_config(workers: int) -> Any:
    # Ray's own TensorFlow backend imports TensorFlow in the driver, and switches the workers to legacy Keras.
    from ray.train.backend import Backend

    from raysq.training.backends.controller import GroupConfig

    class TFConfigBackend(Backend):
        """Ray Train backend that sets TF_CONFIG on each worker."""

        def on_start(self, worker_group: Any, backend_config: Any) -> None:
            from ray._common.network_utils import build_address
            from ray.train._internal.utils import get_address_and_port

            addresses = [build_address(*pair) for pair in worker_group.execute(get_address_and_port)]
            hosts = sorted(
                {*backend_config.hosts, *(host for own in worker_group.execute(own_addresses) for host in own)}
            )
            for index in range(len(addresses)):
                worker_group.execute_single(index, _set_tf_config, addresses, index, hosts)

    @dataclass
    class TFConfig(GroupConfig):
        hosts: tuple[str, ...] = ()

        @property
        def backend_cls(self) -> type:
            return TFConfigBackend

    # On an autoscaling cluster, wait for a replacement node as long as for the first nodes, in three attempts. On
    # other clusters, Ray's default of one minute is too short for a busy machine to start the processes.
    start_seconds = max(_START_SECONDS, nodes_timeout() / 3 if can_grow() else 0.0)
    # The end of training waits for the controller's next poll. Ray's default of two seconds suits groups of a hundred
    # workers.
    poll_seconds = min(2.0, max(0.2, workers / 50))
    environment = os.environ.get
    return TFConfig(
        float(environment("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", start_seconds)),
        float(environment("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", poll_seconds)),
        _allowed_hosts(),
    )


def _allowed_hosts() -> tuple[str, ...]:
    """Return the further hosts and networks that may connect to workers, from RAYSQ_ALLOWED_HOSTS.

    Raises:
        UsageError: one has no address.
    """
    hosts = tuple(host.strip() for host in os.environ.get("RAYSQ_ALLOWED_HOSTS", "").split(",") if host.strip())
    try:
        resolve(hosts)
    except OSError as error:
        raise UsageError(
            f"RAYSQ_ALLOWED_HOSTS must be hosts or networks such as 10.0.0.0/8, separated by commas, received "
            f"{','.join(hosts)!r} ({error})"
        ) from None
    return hosts


def _set_tf_config(addresses: list[str], index: int, hosts: list[str]) -> None:
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    os.environ["TF_CONFIG"] = json.dumps(config)
    os.environ[group_server.HOSTS] = json.dumps(hosts)


def _train_worker(arguments: dict[str, Any]) -> None:
    """Train on one worker of the group."""
    import ray.train

    context = ray.train.get_context()
    chief = context.get_world_rank() == 0
    arguments["driver"].enter()
    run: Run = arguments["run"]
    if not (run.directory / "config.json").exists():
        raise ResourceError(
            f"node {os.uname().nodename} does not see {run.directory}: put RAYSQ_HOME on storage that all nodes share"
        )
    if failures.is_recorded(run.directory):
        return  # only some workers recorded an error, and the group was restarted
    workers = max(1, context.get_world_size())
    if workers == 1:
        os.environ.pop("TF_CONFIG", None)
        os.environ.pop(group_server.HOSTS, None)
    last_written = 0.0

    def on_train_batch_end(state: TrainState, loss: float, steps_per_epoch: int) -> None:
        nonlocal last_written
        if chief and time.monotonic() - last_written > 0.5:
            last_written = time.monotonic()
            write_json(run.directory / "progress.json", [state.epoch, state.step, loss, steps_per_epoch], durable=False)

    try:
        dataset = placement.open_dataset(run.config.data, arguments["data"])
        configure(run.config.train_settings(), run.config.seed, gpu=arguments["gpu"], threads=arguments["threads"])
        try:
            strategy = make_strategy(workers, arguments["gpu"])
            run_worker(run, strategy, TrainingCallbacks(on_train_batch_end), chief=chief, dataset=dataset)
        except _peer_errors() as error:
            raise LostError(f"a worker of the group was lost ({str(error).splitlines()[0]})") from error
    except (Interrupted, LostError):
        raise
    except RaysqError as error:
        if not failures.record(run.directory, context.get_world_rank(), workers, error):
            raise


def _peer_errors() -> tuple[type[Exception], ...]:
    """Return the errors of a collective operation in which another worker no longer takes part."""
    from tensorflow import errors

    return (errors.UnavailableError, errors.AbortedError, errors.CancelledError, errors.DeadlineExceededError)


class _Watcher:
    """Context manager that displays the progress files of the chief while the group trains."""

    def __init__(self, run: Run, progress: TrainProgress):
        self.run, self.progress = run, progress
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._shown = len(run.metrics())

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(5)
        self._show()
        (self.run.directory / "progress.json").unlink(missing_ok=True)

    def _loop(self) -> None:
        while not self._end.wait(0.5):
            self._show()

    def _show(self) -> None:
        try:
            for record in self.run.metrics()[self._shown :]:
                self._shown += 1
                self.progress.on_epoch_end(record)
            values = read_json(self.run.directory / "progress.json", tuple[int, int, float, int], "")
            self.progress.show(*values)
        except DamagedError:
            pass  # not written yet; shown next time


def _explain(error: Exception, run: Run, workers: int, gpu: float) -> RaysqError:
    """Return a one-line error from Ray Train's nested errors."""
    if type(getattr(error, "controller_failure", None)).__name__ == "WorkerGroupStartupTimeoutError":
        needs = "a CPU" + (f" and {gpu:g} GPU" if gpu else "")
        return LostError(
            f"the Ray cluster did not give {workers} workers {needs} each in time: nodes were lost, or other work "
            f"holds them (`ray status`); the same command continues from the last checkpoint"
        )
    worker_failures = getattr(error, "worker_failures", None) or {}
    for failure in worker_failures.values():
        cause = failure
        while cause is not None:
            if isinstance(cause, RaysqError):
                return cause
            cause = getattr(cause, "cause", None) or cause.__cause__
    detail = next(iter(worker_failures.values()), error)
    lines = [line.strip() for line in str(detail).splitlines() if line.strip()] or [repr(error)]
    log = run.directory / "failure.log"
    Path(log).write_text(f"{error}\n")
    # If one worker fails by itself, the others report its loss, so the group was lost only if all report a loss.
    if all(is_loss(failure) for failure in worker_failures.values() or [error]):
        return LostError(
            f"workers were lost again and again ({lines[-1]}; all of it in {log}): the "
            "same command continues from the last checkpoint"
        )
    return TrainingError(f"the worker group failed: {lines[-1]} (all of it in {log})")
