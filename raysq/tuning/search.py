"""Hyperparameter search over a task's settings on Ray Tune; every trial is a separate run."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from raysq import problems, tasks
from raysq.config import flat_settings, nearest_name
from raysq.data import durations
from raysq.data.dataset import Dataset
from raysq.display.terminal import print_message
from raysq.distributed import placement
from raysq.distributed.cluster import can_grow, check_resources, ensure_ray, is_alone, room_for
from raysq.distributed.idle import release_idle
from raysq.errors import DamagedError, Interrupted, RaysqError, UsageError
from raysq.storage.paths import home
from raysq.training.backends.driver_context import DriverContext
from raysq.training.open_trainer import ignored_settings
from raysq.training.run_config import RunConfig
from raysq.training.train import find_or_prepare, resolve
from raysq.tuning import memory, results
from raysq.tuning.experiment import Experiment
from raysq.tuning.progress import ProgressTable
from raysq.tuning.refit import RefitScheduler, is_done
from raysq.tuning.run_trial import TrialContext
from raysq.tuning.session import Session
from raysq.tuning.space import Space, make_space
from raysq.tuning.trial_queue import TrialQueue, require_optuna, trial_directory

SCHEDULERS = ("asha", "hyperband", "none")
SEARCHERS = ("random", "optuna")


def tune(
    task: str,
    *,
    data: str | Path | None = None,
    model: str | None = None,
    trials: int = 16,
    workers_per_trial: int = 1,
    gpu: float = 0,
    scheduler: str = "asha",
    searcher: str = "random",
    time: float | str | None = None,
    max_concurrent: int | None = None,
    refit: int = 0,
    storage: str | Path | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    search: Mapping[str, Any] | None = None,
    name: str | None = None,
    fresh: bool = False,
    quiet: bool = True,
    trust: bool = False,
) -> Experiment:
    """Search a task's space of settings; the first trial has the default settings.

    The same call continues an interrupted search, or returns a finished one. More `trials` or a longer `time` continue
    a search that has ended.

    Args:
        task: name of a task.
        data: name or directory of a prepared data set. Defaults to the task's newest.
        model: name of a model, or `package.module:function`; see `train`. Defaults to the task's model for searches.
        trials: number of trials. Defaults to 16.
        workers_per_trial: number of workers of a trial. One worker trains in the trial's process. Several form a Ray
            Train worker group for each trial. Defaults to 1.
        gpu: GPUs of a worker. It may be a fraction below 1 if a trial has one worker. Defaults to 0.
        scheduler: "asha" stops worse trials early (asynchronous successive halving). "hyperband" is ASHA with three
            brackets of different patience. "none" trains all trials to their end.
        searcher: "random", or "optuna" for Bayesian optimization (needs `raysq[optuna]`).
        time: time limit in seconds, or text such as "30m", "2h" or "1h30m". It is counted over all sessions. Defaults
            to no limit.
        max_concurrent: maximum number of concurrent trials. Defaults to as many as the cluster's resources allow.
        refit: number of seeds with which the best settings and the defaults are trained at the end. Defaults to 0.
        storage: folder of experiments. Defaults to RAYSQ_HOME/experiments.
        seed: seed of the search and of every trial. Defaults to 0.
        settings: settings that are fixed for all trials, by name.
        search: domains by setting, which replace the task's space. A domain is a list of choices, a range
            ("uniform" | "loguniform" | "randint", low, high), or text such as "uniform(0,0.5)".
        name: name of the experiment. Defaults to an id made of task, model, data, settings and space.
        fresh: whether to discard the experiment's earlier progress. Defaults to False.
        quiet: whether to hide progress. Defaults to True.
        trust: whether links may lead out of the directory of an existing experiment. Defaults to False.

    Returns:
        The experiment, with its best trial exported.

    Raises:
        UsageError: a name or value is wrong, or there is nothing to search.
        ResourceError: a trial needs more resources than the cluster has.
        RaysqError: every trial failed, or another process runs the same search.
        Interrupted: a signal stopped the search. The same call continues it.

    Example:
        >>> experiment = raysq.tune("jena", trials=16, time="2h", search={"units": [16, 32]})
        >>> experiment.best_config["units"], experiment.best_metrics["val_mae"]
    """
    _check(trials, workers_per_trial, gpu, scheduler, searcher, max_concurrent, refit)
    seconds = None if time is None else durations.seconds(time, "--time")
    fixed = flat_settings(settings or {})
    model = model or tasks.get(task).search_model or problems.get(tasks.get(task).problem).default_model
    dataset = find_or_prepare(task, data, quiet=quiet)
    config = resolve(task, data=str(dataset.directory), model=model, seed=seed, settings=fixed, validate_splits=False)
    ignored: tuple[str, ...] = ()
    with contextlib.suppress(RaysqError):  # the model may not build with the defaults; each trial reports its own error
        ignored = ignored_settings(config, dataset)
    if refused := [key for key in ignored if key in config.given]:
        raise UsageError(
            f"model {config.model!r} comes compiled, so its own optimizer decides {', '.join(refused)}: leave "
            f"{'it' if len(refused) == 1 else 'them'} out"
        )
    space = make_space(config, dataset, fixed, search, ignored)
    if not quiet:
        origin = "the space that you gave" if search else f"the space of task {task}"
        print_message(f"search  model {config.model}, {origin}; the first trial has the defaults")
        for line in space.describe():
            print_message(f"        {line}")
    identity = _identity(config, space, scheduler, searcher, workers_per_trial)
    about = {
        "id": identity,
        "task": task,
        "problem": config.problem,
        "model": config.model,
        "source_digest": config.source_digest,
        "data": config.data,
        "synthetic": config.synthetic,
        "seed": seed,
        "space": dict(space.domains),
        "fixed": fixed,
        "defaults": dict(space.defaults),
        "requested": {
            "trials": trials,
            "scheduler": scheduler,
            "searcher": searcher,
            "time": seconds,
            "workers": workers_per_trial,
            "gpu": gpu,
        },
    }
    folder = Path(storage).expanduser().absolute() if storage else home() / "experiments"
    experiment = Experiment.create(folder, identity if name is None else name, about, trust=trust)
    with experiment.lock():
        experiment.begin(fresh)
        trial_scheduler = TrialQueue(experiment, space, trials=trials, seed=seed, fixed=fixed, searcher=searcher)
        running = _Search(experiment, trial_scheduler, config, dataset, workers_per_trial, gpu, max_concurrent, quiet)
        if not running.is_over(seconds):
            running.run(scheduler, seconds)
        running.finalize()
        if refit and not is_done(experiment, refit):
            running.refit(refit)
    return experiment


def _check(
    trials: int, workers: int, gpu: float, scheduler: str, searcher: str, concurrent: int | None, refit: int
) -> None:
    for option, value, least in (
        ("--trials", trials, 1),
        ("--workers-per-trial", workers, 1),
        ("--max-concurrent", concurrent, 1),
        ("--refit", refit, 0),
        ("--gpu", gpu, 0),
    ):
        if value is not None and value < least:
            raise UsageError(f"{option} must be at least {least}, received {value}")
    for option, text, valid in (("--scheduler", scheduler, SCHEDULERS), ("--searcher", searcher, SEARCHERS)):
        if text not in valid:
            raise UsageError(f"unknown {option} {text!r}: {nearest_name(text, valid)}")
    if gpu != int(gpu) and (gpu > 1 or workers > 1):
        who = "a worker group's GPUs are whole ones" if workers > 1 else "above 1, GPUs are whole ones"
        raise UsageError(f"--gpu may be a fraction below 1 for one worker ({who}), received {gpu:g}")
    if searcher == "optuna":
        require_optuna()


def _identity(config: RunConfig, space: Space, scheduler: str, searcher: str, workers: int) -> str:
    """Return the id of a search; the number of trials and the time limit are left out, so that both may be raised."""
    parts = [config.id, dict(space.domains), scheduler, searcher, workers]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]
    return f"{config.task}-{config.model.split(':')[-1]}-search-{digest}"


class _Search:
    """One call of `tune`, which holds the experiment's lock."""

    def __init__(
        self,
        experiment: Experiment,
        scheduler: TrialQueue,
        config: RunConfig,
        dataset: Dataset,
        workers: int,
        gpu: float,
        max_concurrent: int | None,
        quiet: bool,
    ):
        self.experiment, self.scheduler, self.config, self.dataset = experiment, scheduler, config, dataset
        self.workers, self.gpu, self.max_concurrent, self.quiet = workers, gpu, max_concurrent, quiet

    @cached_property
    def context(self) -> TrialContext:
        """Context of the trials; the first access joins or starts Ray and checks its resources."""
        ensure_ray()
        release_idle()
        what = "a trial" if self.workers == 1 else "a worker"
        check_resources({"CPU": 1, "GPU": self.gpu}, what, self.workers)
        placement.validate_shared_runs(self.experiment.directory)
        return TrialContext(
            task=self.config.task,
            model=self.config.model,
            data=self.config.data,
            dataset_ref=placement.broadcast(self.dataset),
            folder=str(self.scheduler.folder),
            stop_file=str(self.experiment.directory / "stop"),
            workers=self.workers,
            gpu=self.gpu,
            export_all=False,
            driver=DriverContext.current(),
            source=(self.config.source_digest, self.config.source_folder),
            trust=self.experiment.trust,
        )

    def is_over(self, time_limit: float | None) -> bool:
        """Return whether nothing is left to train.

        All trials have ended, the time limit is reached, or the first trials failed for the same cause.
        """
        if time_limit is not None and self.experiment.seconds >= time_limit:
            self.scheduler.give_up()
            return True
        if self.scheduler.fails_alike():
            return True
        return not (self.scheduler.undrawn() or self.scheduler.unfinished() or self.scheduler.out_of_time())

    def run(self, early_stopping: str, time_limit: float | None) -> None:
        """Train the remaining trials.

        Args:
            early_stopping: one of `SCHEDULERS`.
            time_limit: time limit in seconds, or None.

        Raises:
            Interrupted: a signal stopped the search.
        """
        scheduler = self.scheduler
        epochs = self.config.train_settings().epochs
        scheduler.queue_unfinished()
        earlier_seconds = self.experiment.seconds
        ended = [record for record in scheduler.records.values() if record["state"] != "interrupted"]
        with ProgressTable(
            f"search {self.experiment.name}",
            scheduler.trials,
            epochs,
            quiet=self.quiet,
            time_limit=time_limit,
            earlier_seconds=earlier_seconds,
            done=len(ended),
            best=min((trial["val_loss"] for trial in ended if trial["val_loss"] is not None), default=None),
        ) as table:
            context = self.context
            with self._reserve(scheduler.remaining(), table) as (concurrent, queued, trial_bytes):
                table.start_clock()
                stop_reason = Session(
                    context,
                    scheduler,
                    table,
                    concurrent=concurrent,
                    # Draw Optuna's trials as late as possible, when more results are known.
                    queued=queued if scheduler.optuna is None else 0,
                    early_stopping=lambda: _make_early_stopping(early_stopping, epochs, scheduler),
                    trial_bytes=trial_bytes,
                    time_limit=None if time_limit is None else time_limit - earlier_seconds,
                    on_tick=lambda seconds: self.experiment.write_seconds(earlier_seconds + seconds),
                ).run()
        if stop_reason == "interrupted":
            done = sum(record["state"] != "interrupted" for record in scheduler.records.values())
            raise Interrupted(
                f"stopped with {done} of {scheduler.trials} trials ended; the same command continues the search"
            )
        if stop_reason == "out of time":
            scheduler.give_up()

    def _concurrency(self, remaining: int) -> tuple[int, int]:
        """Return the number of concurrent trials, and the number of further trials that may wait for a process."""
        room = room_for({"CPU": 1, **({"GPU": self.gpu} if self.gpu else {})}) // self.workers
        concurrent = max(1, min(remaining, room if not can_grow() or self.workers > 1 else remaining))
        if self.max_concurrent and self.max_concurrent < concurrent:
            return self.max_concurrent, 0
        # A trial with a worker group holds no CPU itself, so a waiting trial would start its group at once.
        return concurrent, concurrent if self.workers == 1 else 0

    @contextlib.contextmanager
    def _reserve(self, remaining: int, table: ProgressTable) -> Iterator[tuple[int, int, int]]:
        """Reserve memory and yield the result of `_concurrency`, limited by memory, with a trial's estimated bytes.

        The memory is reserved until the block ends, visibly to other searches. On a cluster of several nodes nothing
        is reserved, since each node monitors its own memory, and the estimate is 0.
        """
        concurrent, queued = self._concurrency(remaining)
        if not is_alone():
            yield concurrent, queued, 0
            return
        trial_bytes = memory.estimate(self.scheduler.memory(), self.dataset.manifest.bytes, self.workers)
        with memory.reserve(trial_bytes, concurrent, table.print) as count:
            yield count, queued if count == concurrent else 0, trial_bytes

    def finalize(self) -> None:
        """Export the best trial and write `best.json`.

        Raises:
            RaysqError: there is no best trial.
        """
        trial = self.scheduler.best()
        if trial is None:
            raise RaysqError(self._no_best_trial())
        written = None
        with contextlib.suppress(DamagedError):  # a damaged file is written again
            written = self.experiment.best
        directory = trial_directory(self.experiment, trial)
        exported = results.is_exported(directory)
        if written and written["run"] == trial["run"] and exported:
            return
        if not exported:
            results.export_best(self.context, directory, trial["state"])
        results.write_best(self.experiment, self.scheduler, self.experiment.seconds)

    def _no_best_trial(self) -> str:
        """Return the message of a search without a best trial."""
        directory = self.experiment.directory
        failed = [record for record in self.scheduler.records.values() if record["state"] == "failed"]
        if not failed:
            return f"the time was spent before a trial had finished an epoch; a longer --time continues ({directory})"
        if error := self.scheduler.common_error():
            count = len(failed)
            all_failed = count >= self.scheduler.trials
            which = f"all {count} trials failed" if all_failed else f"the first {count} trials all failed alike"
            return f"{which}: {error}; --fresh starts anew ({directory})"
        return f"all {len(failed)} trials failed, the first with: {failed[0]['error']} ({directory})"

    def refit(self, seeds: int) -> None:
        """Train the best settings and the defaults with several seeds, and write `refit.json`."""
        scheduler = RefitScheduler(self.experiment, seeds, self.scheduler.fixed)
        stop_reason = None
        if scheduler.remaining:
            epochs = self.config.train_settings().epochs
            with ProgressTable(f"refit {self.experiment.name}", scheduler.remaining, epochs, quiet=self.quiet) as table:
                context = replace(self.context, folder=str(scheduler.folder), export_all=True)
                with self._reserve(scheduler.remaining, table) as (concurrent, queued, trial_bytes):
                    table.start_clock()
                    stop_reason = Session(
                        context, scheduler, table, concurrent=concurrent, queued=queued, trial_bytes=trial_bytes
                    ).run()
        scheduler.finalize(stop_reason)


def _make_early_stopping(name: str, epochs: int, scheduler: TrialQueue) -> Any:
    """Return Ray Tune's scheduler of a name; None to train all trials to their end, as with less than 2 epochs."""
    if name == "none" or epochs < 2:
        return None
    from raysq.tuning.ray_tune import make_asha

    return make_asha(3 if name == "hyperband" else 1, epochs, scheduler.ended_trials())
