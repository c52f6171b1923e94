"""Work of a trial's process: train one run of a search, from its checkpoint if it has one."""

import contextlib
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysq.distributed import memory, placement
from raysq.distributed.lost_work import is_loss
from raysq.errors import DamagedError, Interrupted, LostError, RaysqError
from raysq.storage.atomic import write_json
from raysq.training import checkpoint
from raysq.training.backends.driver_context import DriverContext
from raysq.training.backends.pickled_callbacks import load_callbacks, pickle_callbacks
from raysq.training.compiled_cache import CompiledCache
from raysq.training.goal import LOWEST_LOSS, Goal, best_record
from raysq.training.keras_callbacks.written_files import write_into
from raysq.training.run import Run
from raysq.training.run_config import RunConfig, resolve_config
from raysq.training.run_files import RunFiles
from raysq.training.train import with_callbacks
from raysq.tuning.exploit import exploit, finish_exploit, snapshot

# Shared by the trials of one process.
_trainers = CompiledCache()
_POLL_SECONDS = 0.5
_LOCK_SECONDS = 60.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class TrialContext:
    """Values shared by the trials of a session. It is small and is sent to every process.

    Attributes:
        task: name of the task.
        model: name of the model, or `package.module:function`.
        data: directory of the data set.
        dataset_ref: reference to the data set for nodes that do not see that directory, from
            `raysq.distributed.placement.broadcast`.
        folder: folder of the runs.
        stop_file: path of a file. While the file exists, trials save their state and end.
        workers: number of workers of a trial. More than one form a worker group.
        gpu: GPUs of a worker.
        export_all: whether every run is exported and evaluated on the test split, or only the best one so far.
        driver: context of the driver, where the user's own models are found.
        source: digest and folder of the source of such a model, so that an edit during the search has no effect.
        goal: goal of the search.
        population: whether trials go on from each other's checkpoints.
        trust: whether links may lead out of existing runs.
        callbacks: Keras callbacks as `pickle_callbacks` returns them, of which every trial makes new objects.
    """

    task: str
    model: str
    data: str
    dataset_ref: Any
    folder: str
    stop_file: str
    workers: int
    gpu: float
    export_all: bool
    driver: DriverContext
    source: tuple[str, str]
    goal: Goal = LOWEST_LOSS
    population: bool = False
    trust: bool = False
    callbacks: bytes = b""


def run_trial(
    context: TrialContext, name: str, seed: int, settings: Mapping[str, Any], searched: Mapping[str, Any]
) -> None:
    """Train one run and report each epoch to Ray Tune; a failure of the run is recorded in its directory.

    Args:
        context: context of the trials.
        name: name of the run.
        seed: seed of the run.
        settings: all settings of the run that are given.
        searched: those of them that are searched.

    Raises:
        Exception: Ray lost a process, a node or an object.
    """
    directory = Path(context.folder) / name
    context.driver.enter()
    try:
        if Path(context.stop_file).exists():
            raise Interrupted("stopped before it began")
        _train(context, name, seed, settings, searched)
    except Interrupted:
        # The run has saved its state, and the driver knows why it stopped. Report a result, since Ray Tune prints a
        # line for a trial without one.
        _report({"name": name, "epoch": 0})
    except Exception as error:
        if is_loss(error):
            raise  # not caused by the trial: the driver retries it
        _trainers.drop()
        message = explain(error)
        directory.mkdir(parents=True, exist_ok=True)
        if not isinstance(error, RaysqError):
            (directory / "failure.log").write_text(traceback.format_exc())
        # Messages that differ only in the run's directory have the same cause.
        write_failure(directory, message.replace(str(directory), name))
        _report({"name": name, "epoch": 0})


def explain(error: BaseException) -> str:
    """Return the reason of a trial's failure in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else ""
    name = type(error).__name__
    if memory.is_out_of_memory(error):
        return f"out of memory: {text or name}"
    return text if isinstance(error, RaysqError) else f"{name}: {text}"


def write_failure(directory: Path, message: str) -> None:
    """Write `failure.json`, the reason why a run failed."""
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "failure.json", {"message": message})


def _train(
    context: TrialContext, name: str, seed: int, settings: Mapping[str, Any], searched: Mapping[str, Any]
) -> None:
    command = time.time()
    dataset = placement.open_dataset(context.data, context.dataset_ref)
    config = resolve_config(context.task, context.model, dataset, seed, settings, context.source)
    keras_callbacks = load_callbacks(context.callbacks)
    config = with_callbacks(config, keras_callbacks)
    if context.population:
        _follow(Path(context.folder), name, config, searched)
    run = Run.create(config, name=name, folder=Path(context.folder), trust=context.trust)
    records = checkpoint.saved_records(run)
    copies = (lambda: snapshot(run, searched)) if context.population else None
    reporter = _Reporter(name, context.goal, records, copies)
    for record in records[-1:]:
        reporter.on_epoch_end(record)  # trained before an interruption
    if run.result() is not None:
        return
    write_into(keras_callbacks, run.directory / "callbacks")
    with _locked(run):
        if context.workers > 1:
            _train_group(context, run, reporter, pickle_callbacks(keras_callbacks))
            return
        from raysq.training.callbacks import TrainingCallbacks
        from raysq.training.runtime import configure, make_strategy
        from raysq.training.worker import run_worker

        # A trial has one CPU; more threads would only slow down the other trials.
        configure(run.config.train_settings(), seed, gpu=context.gpu > 0, threads=1)
        stop = Path(context.stop_file)
        callbacks = TrainingCallbacks(
            on_train_batch_end=reporter.on_train_batch_end,
            on_epoch_end=reporter.on_epoch_end,
            should_stop=stop.exists,
            export_model=lambda: context.export_all or _is_best(run, context.goal),
            tensorboard=context.export_all,
            background_checkpoints=False,  # a trial may end at a report, and its best epoch is then exported
            keras_callbacks=keras_callbacks,
        )
        strategy = make_strategy(1, context.gpu)
        if strategy is None and not keras_callbacks:  # which may leave marks on the model of a trainer
            run_worker(run, strategy, callbacks, dataset=dataset, open_trainer=_trainers.open, command=command)
        else:
            run_worker(run, strategy, callbacks, dataset=dataset, command=command)


def _follow(folder: Path, name: str, config: RunConfig, searched: Mapping[str, Any]) -> None:
    """Go on from the checkpoint of another trial, if the scheduler of a population decided so."""
    from ray import tune

    finish_exploit(folder, name, _locked)
    copied = tune.get_checkpoint()
    if copied is not None:
        with copied.as_directory() as path:
            exploit(folder, name, config, searched, Path(path), _locked)


def _train_group(context: TrialContext, run: Run, reporter: "_Reporter", callbacks: bytes = b"") -> None:
    """Train in a worker group and report each epoch once its checkpoint is written, since it may be the last report.

    Ray Tune ends a trial by an error of its report, and may then run another trial in this process. So the group is
    ended with the trial, unless it trained to its end.
    """
    from raysq.training.backends import ray_train

    failures: list[BaseException] = []
    stop = threading.Event()

    def train() -> None:
        try:
            ray_train.train(
                run,
                context.workers,
                gpu=context.gpu,
                threads=1,
                quiet=True,
                data=context.dataset_ref,
                should_stop=stop.is_set,
                callbacks=callbacks,
            )
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    reported = len(checkpoint.saved_records(run))
    try:
        while True:
            alive = thread.is_alive()
            for record in checkpoint.saved_records(run)[reported:]:
                reported += 1
                reporter.on_epoch_end(record)
            if not alive:
                break
            if Path(context.stop_file).exists():
                raise Interrupted("stopped; the same command continues from the last checkpoint")
            thread.join(_POLL_SECONDS)
    finally:
        stop.set()
        thread.join(_STOP_SECONDS)
    if failures:
        raise failures[0]


class _Reporter:
    """Reporter of epochs to Ray Tune.

    A report holds the numbers of the epoch's record, `training_iteration` (the epoch, as Ray Tune counts), `score`
    (that of the best epoch so far, which raysq's schedulers compare) and `memory` (the largest memory of this process
    in bytes). `memory` is 0 for a worker group, which runs in other processes.

    Args:
        name: name of the trial.
        goal: goal of the search.
        records: records of epochs that were trained before, which are not reported.
        copies: function that makes a copy of the run for other trials at each report, or None.
    """

    def __init__(
        self,
        name: str,
        goal: Goal,
        records: Sequence[Mapping[str, Any]] = (),
        copies: Callable[[], AbstractContextManager[Path]] | None = None,
    ):
        self.name, self.goal, self.copies = name, goal, copies
        self.best = best_record(records)
        self.memory = 0

    def on_train_batch_end(self, state: Any, loss: float, steps: int) -> None:
        self.memory = max(self.memory, memory.resident())

    def on_epoch_end(self, record: Mapping[str, Any]) -> None:
        self.best = best_record([record] if self.best is None else [self.best, record])
        assert self.best is not None
        figures = {key: value for key, value in record.items() if isinstance(value, (int, float))}
        score = self.goal.score_of([self.best])
        own = {"name": self.name, "score": score, "memory": self.memory, "training_iteration": record["epoch"]}
        if self.copies is None:
            _report({**figures, **own})
            return
        with self.copies() as path:
            _report({**figures, **own}, path)


def _report(values: Mapping[str, Any], checkpoint_path: Path | None = None) -> None:
    from ray import tune

    copied = None if checkpoint_path is None else tune.Checkpoint.from_directory(str(checkpoint_path))
    tune.report(dict(values), checkpoint=copied)


def _is_best(run: Run, goal: Goal) -> bool:
    """Return whether no other run of the folder has a better score."""
    score = goal.score_of(run.metrics())
    for path in run.directory.parent.glob("*/metrics.jsonl"):
        with contextlib.suppress(DamagedError):  # the driver reports that trial as failed
            if path.parent != run.directory and goal.score_of(Run(path.parent, run.config).metrics()) < score:
                return False
    return True


@contextmanager
def _locked(run: RunFiles) -> Iterator[None]:
    """Lock the run; wait up to a minute for an earlier process that was killed or is stopping."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        lock = run.lock()
        try:
            lock.__enter__()
            break
        except RaysqError as error:
            if time.monotonic() > deadline:
                raise LostError(f"{error}: its process was lost, and has not ended") from None
            time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)
