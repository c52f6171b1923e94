"""Session of Ray Tune: run trials in reused processes until all have ended or a stop is requested."""

import logging
import os
import shutil
import signal
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from raysq.distributed.cluster import nodes_timeout, room_for
from raysq.distributed.lost_work import Patience, is_loss
from raysq.distributed.memory import is_out_of_memory
from raysq.errors import RaysqError, ResourceError
from raysq.training import checkpoint
from raysq.tuning.memory import Throttle
from raysq.tuning.progress import ProgressTable
from raysq.tuning.run_trial import TrialContext, run_trial

# Switch off Ray Tune's own output, records and signal handling, which raysq replaces.
_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that failed reports no score
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
_CLOCK_SECONDS = 2.0
_NO_NODES = "no nodes"
# A session that is stopping does not wait longer for lost nodes.
_STOPPING_SECONDS = 10.0


@dataclass(frozen=True)
class TrialSpec:
    """Specification of a trial to train.

    Attributes:
        name: name of its run.
        settings: settings that differ between trials.
        every: all given settings, those that are fixed for all trials included.
        seed: seed of the run.
    """

    name: str
    settings: Mapping[str, Any]
    every: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class TrialResult:
    """Result of a trial that has ended.

    Attributes:
        state: state, such as "finished"; empty if the trial was never begun.
        error: why the trial failed, or None.
        seconds: duration of its training.
        stop: why the session should stop now, or None.
    """

    state: str
    error: str | None = None
    seconds: float = 0.0
    stop: str | None = None


class TrialScheduler(Protocol):
    """Protocol of a scheduler that chooses the next trial and records results."""

    def next(self) -> TrialSpec | Literal["finished"] | None:
        """Return the next trial, None if there is none yet, or "finished" if there are no more."""
        ...

    def again(self, name: str) -> None:
        """Put a trial that was handed out and lost at the front of the queue.

        Args:
            name: name of the trial.
        """
        ...

    def reported(self, name: str, epoch: int, score: float, memory: int) -> None:
        """Record a finished epoch of a trial.

        Args:
            name: name of the trial.
            epoch: number of finished epochs.
            score: lowest val_loss of the trial so far.
            memory: largest memory of the trial's process in bytes; 0 if unknown.
        """
        ...

    def ended(self, name: str, reason: str | None, error: str | None) -> TrialResult:
        """Record the end of a trial and return its result.

        Args:
            name: name of the trial.
            reason: why the session stops, or None.
            error: how the trial's process was lost, or None.
        """
        ...


class Session:
    """Session that runs the trials of a trial scheduler on Ray Tune.

    Args:
        order: context of the trials.
        agenda: scheduler of the trials.
        board: table that displays the trials.
        concurrent: maximum number of concurrent trials.
        ahead: number of further trials that may wait for a process. A process is reused for a waiting trial. Defaults
            to 0.
        scheduler: function that returns a Ray Tune scheduler, or None to train all trials to their end.
        need: estimated memory of a trial in bytes; 0 to ignore memory.
        budget: time limit of the session in seconds, or None.
        clock: called every few seconds with the duration of the session in seconds.
    """

    def __init__(
        self,
        order: TrialContext,
        agenda: TrialScheduler,
        board: ProgressTable,
        *,
        concurrent: int,
        ahead: int = 0,
        scheduler: Callable[[], Any] = lambda: None,
        need: int = 0,
        budget: float | None = None,
        clock: Callable[[float], None] = lambda seconds: None,
    ):
        self.order, self.agenda, self.board = order, agenda, board
        self.concurrent, self.ahead = concurrent, ahead
        self.scheduler = scheduler
        self.throttle = Throttle(need, concurrent, board.say)
        self._handed: set[str] = set()
        self._returned: set[str] = set()  # lost trials to hand out again
        self._patience: dict[str, Patience] = defaultdict(Patience)
        self._tune_patience = Patience()
        self._epochs: dict[str, int] = {}
        self.budget, self.clock = budget, clock
        self.reason: str | None = None
        self.is_stranded = False  # no node can hold a trial, and none is waited for
        self._nodes_timeout = nodes_timeout()
        self._lost_at: float | None = None
        self._stop = Path(order.stop)

    def stop(self, reason: str) -> None:
        """Ask all trials to save their state and end; only the first reason is kept.

        Args:
            reason: why the session stops.
        """
        if self.reason is None:
            self.reason = reason
            self.board.note = f"{reason}: trials save where they are"
            self._stop.write_text(reason)

    def run(self) -> str | None:
        """Run the trials.

        Returns:
            The reason why they were stopped ("interrupted", "out of time", or that of the trial scheduler), or None.

        Raises:
            ResourceError: all nodes were lost, and none came back.
            RaysqError: Ray Tune failed.
        """
        self._stop.unlink(missing_ok=True)
        for left in self._stop.parent.glob(".ray-*"):  # left by a killed session
            shutil.rmtree(left, ignore_errors=True)
        try:
            with _environment(_ENVIRONMENT), _quiet_logs(), self._signals(), self._watch():
                self._tune()
                while self._returned and self.reason is None:
                    self._tune()
                for name in sorted(self._returned):
                    self.end(name, None)
        finally:
            self._stop.unlink(missing_ok=True)
        if self.reason == _NO_NODES:
            raise ResourceError(
                f"all nodes of the Ray cluster that can hold a trial were lost, and none came back in "
                f"{self._nodes_timeout:g} s (RAYSQ_NODES_TIMEOUT); the same command continues"
            )
        return self.reason

    def _tune(self) -> None:
        """Run Ray Tune until it has no more trials. If it ends with a lost process, its trials are queued again.

        Raises:
            RaysqError: Ray Tune failed, or processes were lost repeatedly without a finished epoch between.
        """
        scratch = Path(tempfile.mkdtemp(prefix=".ray-", dir=self._stop.parent))
        try:
            self._tuner(scratch).fit()
        except (RaysqError, KeyboardInterrupt):
            raise
        except Exception as error:
            # Ray Tune does not handle some lost actors, such as those killed by the memory monitor, and raises.
            self._tune_patience.progress(sum(self._epochs.values()))
            if not is_loss(error) or not self._tune_patience.lose():
                raise self._explain(error) from error
            if is_out_of_memory(error):
                self.throttle.lower()
            for name in sorted(self._handed, reverse=True):
                self.again(name)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _explain(self, error: Exception) -> RaysqError:
        if short := self.throttle.explain(error):
            return short
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
        return RaysqError(f"Ray Tune gave up ({lines[-1]}); the same command continues")

    def _tuner(self, scratch: Path) -> Any:
        from ray import tune

        from raysq.tuning.hooks import Events, Stranded, Trials

        order = self.order

        def trial(config: dict[str, Any]) -> None:
            run_trial(order, *config["trial"])

        # A trial that starts a worker group needs no resources itself, but Ray requires a request.
        alone = order.workers == 1
        needs = {"cpu": 1, **({"gpu": order.gpu} if order.gpu else {})} if alone else {"memory": 1_000_000}
        return tune.Tuner(
            tune.with_resources(trial, needs),
            tune_config=tune.TuneConfig(
                num_samples=-1,
                search_alg=Trials(self),
                scheduler=self.scheduler(),
                max_concurrent_trials=self.concurrent + self.ahead,
                # A process that started a worker group is not reused, so that the group ends with its trial.
                reuse_actors=alone,
                trial_name_creator=lambda trial: trial.config["trial"][0],
                trial_dirname_creator=lambda trial: trial.config["trial"][0],
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(scratch.resolve()),
                callbacks=[Events(self)],
                stop=Stranded(self),
                # Trials record their own errors and return. Lost processes are retried without limit here; `lose`
                # sets the limit.
                failure_config=tune.FailureConfig(max_failures=-1),
                verbose=0,
            ),
        )

    def is_spent(self, seconds: float) -> bool:
        """Return whether the time limit is reached.

        Args:
            seconds: duration of this session.
        """
        return self.budget is not None and seconds > self.budget

    def begin(self) -> TrialSpec | Literal["finished"] | None:
        """Return the next trial to hand out, None to wait, or "finished"."""
        if self.reason is None and self.throttle.must_wait(len(self._handed)):
            return None
        found = "finished" if self.reason else self.agenda.next()
        if isinstance(found, TrialSpec):
            self._handed.add(found.name)
            self._returned.discard(found.name)
            self.throttle.began(len(self._handed))
            self.board.add(found.name, found.settings)
        return found

    def epoch(self, name: str, epoch: int, score: float, memory: int = 0) -> None:
        """Record a finished epoch of a trial; see `TrialScheduler.reported`."""
        self.throttle.learn(memory)
        self._epochs[name] = max(epoch, self._epochs.get(name, 0))
        self.board.epoch(name, epoch, score)
        self.agenda.reported(name, epoch, score, memory)

    def lose(self, name: str, ran_out: bool) -> int:
        """Count the loss of a trial's process or node.

        Args:
            name: name of the trial.
            ran_out: whether the process was killed because memory ran out.

        Returns:
            The number of further consecutive losses without progress that are allowed; 0 to give the trial up.
        """
        if ran_out:
            self.throttle.lower()
        patience = self._patience[name]
        patience.progress(checkpoint.reached(Path(self.order.folder) / name))
        self.board.lost(name)
        return patience.lose()

    def again(self, name: str) -> None:
        """Queue a lost trial again; if the session is stopping, end it.

        Args:
            name: name of the trial.
        """
        if self.reason is not None:
            self.end(name, None)
            return
        self._handed.discard(name)
        self._returned.add(name)
        self.agenda.again(name)

    def end(self, name: str, error: str | None) -> None:
        """Record and display the end of a trial, and stop the session if its result asks for it.

        Args:
            name: name of the trial.
            error: how the trial's process was lost, or None.
        """
        self._handed.discard(name)
        self._returned.discard(name)
        ending = self.agenda.ended(name, self.reason, error)
        if ending.state:
            self.board.end(name, ending.state, ending.error, seconds=ending.seconds)
        else:
            self.board.withdraw(name)
        if ending.stop:
            self.stop(ending.stop)

    def _look_for_nodes(self, seconds: float) -> None:
        """Stop waiting for lost nodes after RAYSQ_NODES_TIMEOUT seconds. Ray Tune would wait without end."""
        needs = {"CPU": 1.0, **({"GPU": self.order.gpu} if self.order.gpu else {})}
        if room_for(needs) >= self.order.workers:
            self._lost_at = None
            return
        if self._lost_at is None:
            self._lost_at = seconds
            self.board.say(f"no node can hold a trial: waiting up to {self._nodes_timeout:g} s for nodes")
        if seconds - self._lost_at > (self._nodes_timeout if self.reason is None else _STOPPING_SECONDS):
            self.stop(_NO_NODES)
            self.is_stranded = True

    @contextmanager
    def _watch(self) -> Iterator[None]:
        """Watch the time limit in a thread beside Ray Tune's loop."""
        over = threading.Event()
        started = time.monotonic()

        def look() -> None:
            noted = 0.0
            while not over.wait(0.25):
                spent = time.monotonic() - started
                if self.is_spent(spent):
                    self.stop("out of time")
                if spent - noted > _CLOCK_SECONDS:
                    noted = spent
                    self.clock(spent)
                    self._look_for_nodes(spent)

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            self.clock(time.monotonic() - started)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Handle signals: the first Ctrl-C (or SIGTERM) lets trials save their state, a second one ends at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, frame: object) -> None:
            if self.reason == "interrupted":
                raise KeyboardInterrupt
            self.reason = None  # replace any other reason
            self.stop("interrupted")

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Silence Ray's log messages about results and failed trials, which raysq reports itself."""
    loggers = [logging.getLogger(name) for name in ("ray.tune", "ray.train", "ray.air")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
