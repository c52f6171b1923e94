"""One session of a search: train its trials, export the best one, and refit."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from raysq.data.dataset import Dataset
from raysq.distributed import placement
from raysq.distributed.cluster import can_grow, check_resources, ensure_ray, is_alone, room_for
from raysq.distributed.idle import release_idle
from raysq.errors import DamagedError, Interrupted, RaysqError, UsageError
from raysq.training.backends.driver_context import DriverContext
from raysq.training.run_config import RunConfig
from raysq.tuning import memory, results
from raysq.tuning.experiment import Experiment
from raysq.tuning.population import checkpoints_to_keep, make_pbt
from raysq.tuning.progress import ProgressTable
from raysq.tuning.refit import RefitScheduler
from raysq.tuning.run_trial import TrialContext
from raysq.tuning.schedulers import is_informed, is_population, scheduler_factory
from raysq.tuning.session import Session
from raysq.tuning.stoppers import make_condition
from raysq.tuning.trial import BY_STOPPER
from raysq.tuning.trial_queue import TrialQueue, trial_directory

# Trials at a time for which a cluster grows if their number is not limited.
_GROWN = 16


@dataclass(frozen=True)
class HowToRun:
    """Options of a search that decide how its trials are trained.

    Attributes:
        workers: workers of a trial.
        gpu: GPUs of a worker.
        scheduler: name, or scheduler of Ray Tune.
        stop: stopping condition; see `raysq.tuning.stoppers`.
        callbacks: callbacks of Ray Tune.
        keras_callbacks: Keras callbacks of each trial, as `pickle_callbacks` returns them.
        time_limit: time limit over all sessions in seconds, or None.
        trials: number of requested trials, or None for as many as the time allows.
        max_concurrent: maximum number of concurrent trials, or None.
        quiet: whether to hide progress.
    """

    workers: int = 1
    gpu: float = 0
    scheduler: Any = "asha"
    stop: Any = None
    callbacks: Sequence[Any] = ()
    keras_callbacks: bytes = b""
    time_limit: float | None = None
    trials: int | None = None
    max_concurrent: int | None = None
    quiet: bool = True


class RunningSearch:
    """One call of `tune`, which holds the experiment's lock.

    Args:
        experiment: the experiment.
        scheduler: its trials.
        config: configuration of the run with the default settings.
        dataset: data set of the trials.
        how: how the trials are trained.
    """

    def __init__(
        self, experiment: Experiment, scheduler: TrialQueue, config: RunConfig, dataset: Dataset, how: HowToRun
    ):
        self.experiment, self.scheduler, self.config, self.dataset = experiment, scheduler, config, dataset
        self.how, self.workers, self.gpu = how, how.workers, how.gpu

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
            goal=self.scheduler.goal,
            population=is_population(self.how.scheduler),
            trust=self.experiment.trust,
            callbacks=self.how.keras_callbacks,
        )

    def is_over(self) -> bool:
        """Return whether nothing is left to train.

        All trials have ended, the time limit is reached, the user's stopper ended the search, or the first trials
        failed for the same cause.
        """
        time_limit = self.how.time_limit
        if self.experiment.was_stopped or (time_limit is not None and self.experiment.seconds >= time_limit):
            self.scheduler.give_up()
            return True
        if self.scheduler.fails_alike():
            return True
        return not (self.scheduler.undrawn() or self.scheduler.unfinished() or self.scheduler.out_of_time())

    def run(self) -> None:
        """Train the remaining trials.

        Raises:
            Interrupted: a signal stopped the search.
        """
        scheduler, how, goal = self.scheduler, self.how, self.scheduler.goal
        epochs = self.config.train_settings().epochs
        scheduler.queue_unfinished()
        earlier_seconds = self.experiment.seconds
        ended = [record for record in scheduler.records.values() if record["state"] != "interrupted"]
        with ProgressTable(
            f"search {self.experiment.name}",
            None if how.trials is None else scheduler.trials,
            epochs,
            quiet=how.quiet,
            time_limit=how.time_limit,
            earlier_seconds=earlier_seconds,
            done=len(ended),
            best=min((goal.score(goal.value(trial)) for trial in ended if goal.value(trial) is not None), default=None),
            goal=goal,
        ) as table:
            context = self.context
            with self._reserve(scheduler.remaining(), table) as (concurrent, queued, trial_bytes):
                for message in self._begins_anew():
                    table.print(message)
                table.start_clock()
                cpus = self._population_cpus(concurrent) if context.population else 1
                stop_reason = Session(
                    context,
                    scheduler,
                    table,
                    concurrent=concurrent,
                    # Draw a searcher's trials as late as possible, when more results are known.
                    queued=queued if scheduler.proposals.draws_early else 0,
                    early_stopping=scheduler_factory(
                        how.scheduler,
                        epochs,
                        goal,
                        scheduler.seed,
                        scheduler.ended_trials,
                        lambda: make_pbt(scheduler.proposals.space, self.config, goal),
                    ),
                    trial_bytes=trial_bytes,
                    time_limit=None if how.time_limit is None else how.time_limit - earlier_seconds,
                    condition=make_condition(how.stop),
                    callbacks=how.callbacks,
                    cpus=cpus,
                    checkpoints_to_keep=(
                        checkpoints_to_keep(how.scheduler, self.config) if context.population else None
                    ),
                    on_tick=lambda seconds: self.experiment.write_seconds(earlier_seconds + seconds),
                ).run()
        if stop_reason == "interrupted":
            done = sum(record["state"] != "interrupted" for record in scheduler.records.values())
            of_all = "" if how.trials is None else f" of {scheduler.trials}"
            raise Interrupted(f"stopped with {done}{of_all} trials ended; the same command continues the search")
        if stop_reason == BY_STOPPER:
            self.experiment.write_seconds(self.experiment.seconds, stopped=True)
        if stop_reason in ("out of time", BY_STOPPER):
            scheduler.give_up()

    def _concurrency(self, remaining: int) -> tuple[int, int]:
        """Return the number of concurrent trials, and the number of further trials that may wait for a process."""
        room = room_for({"CPU": 1, **({"GPU": self.gpu} if self.gpu else {})}) // self.workers
        if self.how.trials is None:  # do not let a cluster that grows do so for all that the time might allow
            remaining = min(remaining, max(room, _GROWN))
        concurrent = max(1, min(remaining, room if not can_grow() or self.workers > 1 else remaining))
        if self.how.max_concurrent and self.how.max_concurrent < concurrent:
            return self.how.max_concurrent, 0
        # A trial with a worker group holds no CPU itself, so a waiting trial would start its group at once.
        return concurrent, concurrent if self.workers == 1 else 0

    def _begins_anew(self) -> list[str]:
        """Return a message for each part of a continued search that does not know the trials of earlier sessions."""
        ended = len(self.scheduler.ended_trials())
        messages = []
        if ended and self.scheduler.proposals.is_forgetful:
            messages.append(f"the searcher takes no results of earlier sessions: it begins anew after {ended} trials")
        if ended and not is_informed(self.how.scheduler):
            messages.append(f"the scheduler begins anew: it does not know the {ended} trials that have ended")
        return messages

    def _population_cpus(self, concurrent: int) -> int:
        """Return the CPUs that a trial of a population asks for, so that no more than `concurrent` run at a time."""
        if is_alone():
            return max(1, room_for({"CPU": 1}) // concurrent)
        if self.how.max_concurrent:
            raise UsageError(
                "--max-concurrent is not for a population on several nodes, whose trials run where there are CPUs: "
                "leave it out"
            )
        return 1

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
            return (
                "the time was spent before a trial had finished an epoch; a longer --time continues, and with "
                f"--set steps_per_epoch=N epochs are shorter ({directory})"
            )
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
            with ProgressTable(
                f"refit {self.experiment.name}", scheduler.remaining, epochs, quiet=self.how.quiet
            ) as table:
                context = replace(self.context, folder=str(scheduler.folder), export_all=True)
                with self._reserve(scheduler.remaining, table) as (concurrent, queued, trial_bytes):
                    table.start_clock()
                    stop_reason = Session(
                        context, scheduler, table, concurrent=concurrent, queued=queued, trial_bytes=trial_bytes
                    ).run()
        scheduler.finalize(stop_reason)
