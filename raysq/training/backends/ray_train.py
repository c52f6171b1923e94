"""Training backend on a Ray Train worker group, under MultiWorkerMirroredStrategy."""

import contextlib
import importlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from raysq import backend
from raysq.data.dataset import Dataset
from raysq.display.terminal import print_message
from raysq.distributed import own_cluster, placement
from raysq.distributed.cluster import check_resources, ensure_ray
from raysq.distributed.lost_work import Patience, is_loss, nested
from raysq.distributed.places import replacement_timeout
from raysq.errors import DamagedError, Interrupted, LostError, RaysqError, ResourceError, TrainingError
from raysq.storage.atomic import write_json
from raysq.storage.json_files import read_json
from raysq.training import checkpoint, failures, group_server
from raysq.training.backends import heartbeat, worker_groups
from raysq.training.backends.driver_context import DriverContext
from raysq.training.backends.group_log import Event
from raysq.training.backends.group_losses import GroupLost, HeadLost, NoRoom, OwnClusterLost
from raysq.training.backends.pickled_callbacks import load_callbacks
from raysq.training.backends.tf_config import allowed_hosts
from raysq.training.backends.worker_groups import GroupEnded, GroupKey, WorkerGroup
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.progress import TrainProgress
from raysq.training.run import Run
from raysq.training.runtime import configure, make_strategy
from raysq.training.scaling import StepCost
from raysq.training.state import TrainState
from raysq.training.user_code import is_own
from raysq.training.worker import run_worker
from raysq.training.worker_range import WorkerRange

# File of the measured cost of a step, in the run's directory.
_STEP_COST = "step_cost.json"
_INTERRUPT_SECONDS = 1.0
# One worker alone may meet an error, for which the others would wait in a collective operation.
_FAILURE_SECONDS = 2.0
# Errors of code, which repeat by nature. Others may come from a full disk or a busy device, and are tried again.
_PERMANENT = (ImportError, NameError, SyntaxError, AttributeError, TypeError, NotImplementedError)


def start_early() -> None:
    """Join or start Ray while another thread imports TensorFlow; both take seconds.

    Raises:
        ResourceError: Ray does not start.
    """

    def load() -> None:
        with contextlib.suppress(Exception):  # raised again where TensorFlow is used
            backend.load()

    thread = threading.Thread(target=load)  # no daemon: Python must not exit in the middle of an import
    thread.start()
    try:
        ensure_ray()
        importlib.import_module("raysq.training.backends.controller")
    finally:
        thread.join()  # standard error is closed until then


def train(
    run: Run,
    workers: int | tuple[int, int] | WorkerRange,
    *,
    gpu: float = 0,
    threads: int | None = None,
    quiet: bool = False,
    max_failures: int = 3,
    data: placement.DatasetRef | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    callbacks: bytes = b"",
) -> None:
    """Train a run to its end on a Ray Train worker group, on one node or several.

    Each worker has one CPU and `gpu` GPUs. A lost worker or node is replaced, and the group continues from the last
    checkpoint. With a range of workers, it continues with fewer where lost nodes do not come back, and with more where
    there is room. The number of restarts is unlimited as long as training progresses between them; `max_failures`
    limits restarts without progress. The function may be called in a thread, and inside a Ray actor such as a trial. A
    group whose run ended well is kept for the next run; see `worker_groups`. It ends with the calling process.

    Args:
        run: the run. All nodes must see its directory; they need not see its data set.
        workers: number of workers, or the least and the most.
        gpu: GPUs of each worker. Defaults to 0.
        threads: TensorFlow's threads in each worker. Defaults to all cores.
        quiet: whether to hide progress. Defaults to False.
        max_failures: maximum number of consecutive restarts without progress. Defaults to 3.
        data: reference to the data set from `raysq.distributed.placement.broadcast`. Defaults to a new one.
        should_stop: asked some times a second. If it returns True, training ends at once. Defaults to never.
        callbacks: Keras callbacks as `pickle_callbacks` returns them. Defaults to none.

    Raises:
        ResourceError: there are too few CPUs or GPUs, or a node does not see the run's directory.
        LostError: workers were lost repeatedly without progress.
        TrainingError: the loss is not finite, or workers failed for another reason.
        UsageError: the model cannot be built or trained. Training is not retried.
        Interrupted: Ctrl-C or `should_stop` stopped training. The same call continues it.
    """
    command = time.time()
    ensure_ray()
    numbers = WorkerRange.of(workers)
    check_resources({"CPU": 1, "GPU": gpu}, "a worker", numbers.least)
    placement.validate_shared_runs(run.directory)
    worker_groups.keep_seconds()  # an error of the setting is raised now, not after training
    replacement_timeout()
    failures.clear(run.directory)
    patience = Patience(max_failures + 1)

    def on_event(event: Event) -> None:
        print_message(event.line(checkpoint.reached(run.directory)))

    with TrainProgress(run.config.train_settings().epochs, quiet) as progress, _Watcher(run, progress):
        while True:
            step = checkpoint.reached(run.directory)
            key = _group_key(run, numbers, gpu, threads, max_failures)
            group = worker_groups.take(key)
            arguments = {
                "run": run.resolved(),
                "data": data or placement.broadcast(Dataset.open(run.config.data)),
                "gpu": gpu,
                "threads": threads,
                "driver": key.driver,
                "command": command,
                "callbacks": callbacks,
            }
            used_before = group.jobs > 0
            try:
                _train_group(run, group, arguments, on_event, should_stop)
                break
            except GroupLost as loss:
                patience.progress(checkpoint.reached(run.directory))
                if not patience.lose():
                    raise LostError(f"{loss}; the same command continues from the last checkpoint") from loss
                _recover(loss, on_event)
            except (HeadLost, NoRoom):
                raise
            except LostError:
                # Ray Train counts all failures of a group, but those of earlier runs or before progress should not
                # count.
                if checkpoint.reached(run.directory) <= step and not used_before:
                    raise


def _recover(loss: GroupLost, on_event: Callable[[Event], None]) -> None:
    """Report a loss, and start Ray anew if it was lost."""
    options = own_cluster.options()
    if isinstance(loss, OwnClusterLost):
        own_cluster.shut_down()
    on_event(Event(str(loss)))
    ensure_ray(**(options or {}))


def _train_group(
    run: Run,
    group: WorkerGroup,
    arguments: dict[str, Any],
    on_event: Callable[[Event], None],
    should_stop: Callable[[], bool],
) -> None:
    """Train with a group, which Ray Train restarts after failures, and keep the group if all went well.

    A loss after the chief has written the result changes nothing for the run.

    Raises:
        RaysqError: the group failed; a `LostError` if workers, the group or Ray were lost.
    """
    failed_at = None

    def ends() -> bool:
        nonlocal failed_at
        if failed_at is None and failures.is_recorded(run.directory):
            failed_at = time.monotonic()
        return should_stop() or (failed_at is not None and time.monotonic() - failed_at > _FAILURE_SECONDS)

    try:
        group.run(_train_worker, arguments, on_event, ends)
    except (GroupLost, HeadLost) as loss:
        if run.result() is None:
            raise
        if isinstance(loss, OwnClusterLost):
            own_cluster.shut_down()
        return
    except GroupEnded as ended:
        error = failures.read(run.directory) or _explain(ended.reason, run)
        if isinstance(error, LostError) and run.result() is not None:
            return
        raise error from ended
    except BaseException as error:
        group.stop(_INTERRUPT_SECONDS)
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted("stopped; the same command continues from the last checkpoint") from None
        if recorded := failures.read(run.directory):
            raise recorded from error
        raise
    if recorded := failures.read(run.directory):
        group.stop()
        raise recorded
    worker_groups.keep(group)


def _group_key(run: Run, workers: WorkerRange, gpu: float, threads: int | None, max_failures: int) -> GroupKey:
    import ray

    config = run.config
    return GroupKey(
        workers=workers,
        gpu=gpu,
        threads=threads,
        max_failures=max_failures,
        deterministic=config.train_settings().deterministic,
        exact=bool(config.train_settings().exact),
        source=(config.model.partition(":")[0], config.source_digest) if is_own(config.model) else ("", ""),
        hosts=allowed_hosts(),
        driver=DriverContext.current(),
        session=ray.get_runtime_context().get_worker_id(),
    )


def _train_worker(arguments: dict[str, Any]) -> None:
    """Train on one worker of the group."""
    import ray.train

    from raysq.training.backends.worker_actor import is_pause_requested

    context = ray.train.get_context()
    chief = context.get_world_rank() == 0
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

    def on_step_cost(cost: StepCost) -> None:
        if chief:
            write_json(run.directory / _STEP_COST, list(cost), durable=False)

    try:
        arguments["driver"].enter()
        dataset = placement.open_dataset(run.config.data, arguments["data"])
        configure(run.config.train_settings(), run.config.seed, gpu=arguments["gpu"] > 0, threads=arguments["threads"])
        try:
            run_worker(
                run,
                _strategy(workers, arguments["gpu"]),
                TrainingCallbacks(
                    on_train_batch_end,
                    on_step_cost=on_step_cost,
                    should_pause=is_pause_requested,
                    keras_callbacks=load_callbacks(arguments["callbacks"]),
                    calls=heartbeat.new_log(),
                ),
                chief=chief,
                dataset=dataset,
                command=arguments["command"],
            )
        except _peer_errors() as error:
            raise LostError(f"a worker of the group was lost ({str(error).splitlines()[0]})") from error
    except (Interrupted, LostError):
        raise
    except (RaysqError, *_PERMANENT) as error:
        if not failures.record(run.directory, context.get_world_rank(), workers, _as_raysq_error(error)):
            raise


def _as_raysq_error(error: Exception) -> RaysqError:
    """Return an error for the user in place of an error of code."""
    if isinstance(error, RaysqError):
        return error
    told = TrainingError(f"a worker cannot train the run: {type(error).__name__}: {error}")
    told.__cause__ = error  # its traceback is recorded too
    return told


# The strategy of this process: TensorFlow enables collective operations once.
_made: list[Any] = []


def _strategy(workers: int, gpu: float) -> Any:
    """Return this worker's distribution strategy, which all runs of its group share."""
    if not _made:
        _made.append(make_strategy(workers, gpu))
    return _made[0]


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
        self._showed_cost = False

    def __enter__(self) -> None:
        (self.run.directory / _STEP_COST).unlink(missing_ok=True)
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
            if not self._showed_cost:
                cost = StepCost(*read_json(self.run.directory / _STEP_COST, tuple[int, float, float], ""))
                self._showed_cost = True
                if advice := cost.advice():
                    self.progress.print(advice)
        except DamagedError:
            pass  # not written yet; shown next time


def _explain(error: Exception, run: Run) -> RaysqError:
    """Return a one-line error from Ray Train's nested errors."""
    if isinstance(failure := getattr(error, "controller_failure", None), RaysqError):
        return failure
    worker_failures = getattr(error, "worker_failures", None) or {}
    for failure in worker_failures.values():
        for cause in nested(failure):
            if isinstance(cause, RaysqError) and not isinstance(cause, LostError):  # which may tell of another worker
                return cause
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
