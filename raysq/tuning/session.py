"""Session of Ray Tune: run trials in reused processes until all have ended or a stop is requested."""

import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from raysq.distributed.cluster import nodes_timeout, room_for
from raysq.distributed.lost_work import Patience, is_loss
from raysq.distributed.memory import is_out_of_memory
from raysq.errors import RaysqError, ResourceError
from raysq.training import checkpoint
from raysq.training.stop_signals import on_stop_signal
from raysq.tuning.memory import Throttle
from raysq.tuning.progress import ProgressTable
from raysq.tuning.run_trial import TrialContext, run_trial
from raysq.tuning.stoppers import make_condition
from raysq.tuning.trial import TrialScheduler, TrialSpec
from raysq.tuning.tune_output import quiet_ray_tune

_TICK_SECONDS = 2.0
_NO_NODES = "no nodes"
# A session that is stopping does not wait longer for lost nodes.
_STOPPING_SECONDS = 10.0


class Session:
    """Session that runs the trials of a trial scheduler on Ray Tune.

    Args:
        context: context of the trials.
        scheduler: scheduler of the trials.
        table: table that displays the trials.
        concurrent: maximum number of concurrent trials.
        queued: number of further trials that may wait for a process to reuse.
        early_stopping: function that returns a Ray Tune scheduler, or None to train all trials to their end.
        trial_bytes: estimated memory of a trial; 0 to ignore memory.
        time_limit: time limit of the session in seconds, or None.
        condition: functions that stop a trial after a report, and the whole search; see `make_condition`.
        callbacks: callbacks of Ray Tune that the user gave, which see the trials start, report and end.
        cpus: CPUs of a trial.
        checkpoints_to_keep: checkpoints that Ray Tune keeps of each trial of a population; None for all.
        on_tick: called every few seconds with the duration of the session in seconds.
    """

    def __init__(
        self,
        context: TrialContext,
        scheduler: TrialScheduler,
        table: ProgressTable,
        *,
        concurrent: int,
        queued: int = 0,
        early_stopping: Callable[[], Any] = lambda: None,
        trial_bytes: int = 0,
        time_limit: float | None = None,
        condition: Any = None,
        callbacks: Sequence[Any] = (),
        cpus: float = 1,
        checkpoints_to_keep: int | None = None,
        on_tick: Callable[[float], None] = lambda seconds: None,
    ):
        self.context, self.scheduler, self.table = context, scheduler, table
        self.concurrent, self.queued = concurrent, queued
        self.early_stopping = early_stopping
        self.condition = condition or make_condition(None)
        self.callbacks, self.cpus, self.checkpoints_to_keep = list(callbacks), cpus, checkpoints_to_keep
        self.throttle = Throttle(trial_bytes, concurrent, table.print)
        self._active: set[str] = set()
        self._requeued: set[str] = set()
        self._patience: dict[str, Patience] = defaultdict(Patience)
        self._tune_patience = Patience()
        self._epochs: dict[str, int] = {}
        self.time_limit, self.on_tick = time_limit, on_tick
        self.stop_reason: str | None = None
        self.is_stranded = False  # no node can hold a trial, and none is waited for
        self._nodes_timeout = nodes_timeout()
        self._nodes_lost_at: float | None = None
        self._stop_file = Path(context.stop_file)

    def stop(self, reason: str) -> None:
        """Ask all trials to save their state and end; only the first reason is kept."""
        if self.stop_reason is None:
            self.stop_reason = reason
            self.table.note = f"{reason}: trials save where they are"
            self._stop_file.write_text(reason)

    def run(self) -> str | None:
        """Run the trials.

        Returns:
            The reason why they were stopped ("interrupted", "out of time", or that of the trial scheduler), or None.

        Raises:
            ResourceError: all nodes were lost, and none came back.
            RaysqError: Ray Tune failed.
        """
        self._stop_file.unlink(missing_ok=True)
        for leftover in self._stop_file.parent.glob(".ray-*"):  # of a killed session
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            with quiet_ray_tune(), on_stop_signal(self._interrupt), self._watch_clock():
                self._run_tune()
                while self._requeued and self.stop_reason is None:
                    self._run_tune()
                for name in sorted(self._requeued):
                    self.on_trial_end(name, None)
        finally:
            self._stop_file.unlink(missing_ok=True)
        if self.stop_reason == _NO_NODES:
            raise ResourceError(
                f"all nodes of the Ray cluster that can hold a trial were lost, and none came back in "
                f"{self._nodes_timeout:g} s (RAYSQ_NODES_TIMEOUT); the same command continues"
            )
        return self.stop_reason

    def _run_tune(self) -> None:
        """Run Ray Tune until it has no more trials. If it ends with a lost process, its trials are queued again.

        Raises:
            RaysqError: Ray Tune failed, or processes were lost repeatedly without a finished epoch between.
        """
        scratch = Path(tempfile.mkdtemp(prefix=".ray-", dir=self._stop_file.parent))
        try:
            self._tuner(scratch).fit()
        except (RaysqError, KeyboardInterrupt):
            raise
        except Exception as error:
            if (own := _own_error(error)) and not is_loss(error):  # of a scheduler or a stopping condition
                raise own from None
            # Ray Tune does not handle some lost actors, such as those killed by the memory monitor, and raises.
            self._tune_patience.progress(sum(self._epochs.values()))
            if not is_loss(error) or not self._tune_patience.lose():
                raise self._explain(error) from error
            if is_out_of_memory(error):
                self.throttle.lower_limit()
            for name in sorted(self._active, reverse=True):
                self.requeue(name)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _explain(self, error: Exception) -> RaysqError:
        if memory_error := self.throttle.explain(error):
            return memory_error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
        return RaysqError(f"Ray Tune gave up ({lines[-1]}); the same command continues")

    def _tuner(self, scratch: Path) -> Any:
        from ray import tune

        from raysq.tuning.ray_tune import TRIAL, SessionCallback, SessionSearcher, SessionStopper, UserCallback

        context = self.context

        def trial(config: dict[str, Any]) -> None:
            # In a population the name is that of the trial whose configuration was copied.
            _, seed, settings = config[TRIAL]
            searched = {key: value for key, value in config.items() if key != TRIAL}
            name = tune.get_context().get_trial_name()
            run_trial(context, name, seed, {**settings, **searched} if context.population else settings, searched)

        # A trial that starts a worker group needs no resources itself, but Ray requires a request.
        alone = context.workers == 1
        needs = {"cpu": self.cpus, **({"gpu": context.gpu} if context.gpu else {})} if alone else {"memory": 1_000_000}
        return tune.Tuner(
            tune.with_resources(trial, needs),
            tune_config=tune.TuneConfig(
                num_samples=-1,
                search_alg=SessionSearcher(self),
                scheduler=self.early_stopping(),
                # All trials of a population begin, and share what there is by pauses.
                max_concurrent_trials=None if context.population else self.concurrent + self.queued,
                reuse_actors=True,
                trial_name_creator=lambda trial: trial.config[TRIAL][0],
                trial_dirname_creator=lambda trial: trial.config[TRIAL][0],
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(scratch.resolve()),
                callbacks=[SessionCallback(self), *map(UserCallback, self.callbacks)],
                stop=SessionStopper(self),
                # Trials record their own errors and return. Lost processes are retried without limit here;
                # `on_process_lost` sets the limit.
                failure_config=tune.FailureConfig(max_failures=-1),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=self.checkpoints_to_keep),
                verbose=0,
                # Silent. Without one Ray Tune takes its own for notebooks, which clears the cell.
                progress_reporter=tune.CLIReporter(),
            ),
        )

    # ---- events of trials

    def next_trial(self) -> TrialSpec | Literal["finished"] | None:
        """Return the next trial to start, None to wait, or "finished"."""
        alone = not self.context.population
        if alone and self.stop_reason is None and self.throttle.must_wait(len(self._active)):
            return None
        trial = "finished" if self.stop_reason else self.scheduler.next_trial()
        if isinstance(trial, TrialSpec):
            self._active.add(trial.name)
            self._requeued.discard(trial.name)
            self.throttle.on_trial_start(len(self._active))
            self.table.add(trial.name, trial.searched)
        return trial

    def on_epoch_end(
        self, name: str, epoch: int, score: float, memory: int = 0, searched: Mapping[str, Any] | None = None
    ) -> None:
        """Record a finished epoch of a trial, and its searched settings; see `TrialScheduler.on_epoch_end`."""
        if searched is not None:
            self.table.rows[name].settings = searched
        self.throttle.raise_estimate(memory)
        self._epochs[name] = max(epoch, self._epochs.get(name, 0))
        self.table.update(name, epoch, score)
        self.scheduler.on_epoch_end(name, epoch, score, memory)

    def on_process_lost(self, name: str, ran_out: bool) -> int:
        """Count the loss of a trial's process or node.

        Args:
            name: name of the trial.
            ran_out: whether the process was killed because memory ran out.

        Returns:
            The number of further consecutive losses without progress that are allowed; 0 to give the trial up.
        """
        if ran_out:
            self.throttle.lower_limit()
        patience = self._patience[name]
        patience.progress(checkpoint.reached(Path(self.context.folder) / name))
        self.table.mark_lost(name)
        return patience.lose()

    def requeue(self, name: str) -> None:
        """Queue a lost trial again; if the session is stopping, end it."""
        if self.stop_reason is not None:
            self.on_trial_end(name, None)
            return
        self._active.discard(name)
        self._requeued.add(name)
        self.scheduler.requeue(name)

    def on_trial_end(self, name: str, error: str | None) -> None:
        """Record and display the end of a trial, and stop the session if its result asks for it.

        Args:
            name: name of the trial.
            error: how the trial's process was lost, or None.
        """
        self._active.discard(name)
        self._requeued.discard(name)
        result = self.scheduler.on_trial_end(name, self.stop_reason, error)
        if result.state:
            self.table.end(name, result.state, result.error, seconds=result.seconds)
        else:
            self.table.remove(name)
        if result.stop_reason:
            self.stop(result.stop_reason)

    # ---- stop requests

    def is_out_of_time(self, seconds: float) -> bool:
        """Return whether the time limit is reached after this many seconds of the session."""
        return self.time_limit is not None and seconds > self.time_limit

    def _check_nodes(self, seconds: float) -> None:
        """Stop waiting for lost nodes after RAYSQ_NODES_TIMEOUT seconds. Ray Tune would wait without end."""
        needs = {"CPU": 1.0, **({"GPU": self.context.gpu} if self.context.gpu else {})}
        if room_for(needs) >= self.context.workers:
            self._nodes_lost_at = None
            return
        if self._nodes_lost_at is None:
            self._nodes_lost_at = seconds
            self.table.print(f"no node can hold a trial: waiting up to {self._nodes_timeout:g} s for nodes")
        if seconds - self._nodes_lost_at > (self._nodes_timeout if self.stop_reason is None else _STOPPING_SECONDS):
            self.stop(_NO_NODES)
            self.is_stranded = True

    @contextmanager
    def _watch_clock(self) -> Iterator[None]:
        """Watch the time limit in a thread beside Ray Tune's loop."""
        ended = threading.Event()
        started = time.monotonic()

        def watch() -> None:
            last_tick = 0.0
            while not ended.wait(0.25):
                elapsed = time.monotonic() - started
                if self.is_out_of_time(elapsed):
                    self.stop("out of time")
                if elapsed - last_tick > _TICK_SECONDS:
                    last_tick = elapsed
                    self.on_tick(elapsed)
                    self._check_nodes(elapsed)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            self.on_tick(time.monotonic() - started)

    def _interrupt(self) -> None:
        """Let trials save their state on the first signal, and end at once on the second."""
        if self.stop_reason == "interrupted":
            raise KeyboardInterrupt
        self.stop_reason = None  # replace any other reason
        self.stop("interrupted")


def _own_error(error: BaseException | None) -> RaysqError | None:
    """Return the error of raysq's for which Ray Tune raised another one, or None."""
    while error is not None:
        if isinstance(error, RaysqError):
            return error
        error = error.__cause__ or error.__context__
    return None
