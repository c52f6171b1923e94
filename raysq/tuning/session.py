"""One session of Ray Tune: trials in processes that are used again, until they have ended or have to stop."""

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

from raysq.distributed.lost_work import Patience, is_loss
from raysq.distributed.memory import is_out_of_memory
from raysq.errors import RaysqError
from raysq.training import checkpoint
from raysq.tuning.memory import Throttle
from raysq.tuning.progress import ProgressTable
from raysq.tuning.run_trial import TrialContext, run_trial

# Ray Tune's own output, records and signal handling: ours stand for them.
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


@dataclass(frozen=True)
class TrialSpec:
    """A trial to be trained.

    Attributes:
        name: of its run.
        settings: that differ between trials.
        every: all settings that are given.
        seed: of the run.
    """

    name: str
    settings: Mapping[str, Any]
    every: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class TrialResult:
    """How a trial has ended.

    Attributes:
        state: such as "finished"; empty if it was never begun.
        error: why it failed.
        seconds: of its training.
        stop: why the session should stop now, or None.
    """

    state: str
    error: str | None = None
    seconds: float = 0.0
    stop: str | None = None


class TrialScheduler(Protocol):
    """Decides what is trained next, and keeps what was reached."""

    def next(self) -> TrialSpec | Literal["finished"] | None:
        """The next trial, None for none yet, or "finished" for no more."""
        ...

    def again(self, name: str) -> None:
        """A trial was handed out and lost; it is to be next."""
        ...

    def reported(self, name: str, epoch: int, score: float, memory: int) -> None:
        """A trial has finished an epoch; its process has held so many bytes."""
        ...

    def ended(self, name: str, reason: str | None, error: str | None) -> TrialResult:
        """A trial has ended.

        Args:
            name: of the trial.
            reason: why the session stops, if it does.
            error: how its process was lost, if it was.
        """
        ...


class Session:
    """Runs the trials of an agenda.

    Args:
        order: what trials have in common.
        agenda: the trials.
        board: where they are shown.
        concurrent: how many run beside each other.
        ahead: how many more may wait for a process; each is kept warm for the next.
        scheduler: makes a Ray Tune scheduler, or None to train all to their end.
        need: bytes of memory that a trial is thought to take; 0 where memory is not looked at.
        budget: seconds from now after which trials are ended, or None.
        clock: called every few seconds with the seconds of the session.
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
        self._returned: set[str] = set()  # lost, and to be handed out again
        self._patience: dict[str, Patience] = defaultdict(Patience)
        self._tune_patience = Patience()
        self._epochs: dict[str, int] = {}
        self.budget, self.clock = budget, clock
        self.reason: str | None = None
        self._stop = Path(order.stop)

    def stop(self, reason: str) -> None:
        """Lets trials save where they are and end; the first reason counts."""
        if self.reason is None:
            self.reason = reason
            self.board.note = f"{reason}: trials save where they are"
            self._stop.write_text(reason)

    def run(self) -> str | None:
        """Runs the trials.

        Returns:
            Why they were stopped ("interrupted", "out of time", or what the agenda said), or None.
        """
        self._stop.unlink(missing_ok=True)
        for left in self._stop.parent.glob(".ray-*"):  # of a session that was killed
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
        return self.reason

    def _tune(self) -> None:
        """Run Ray Tune until it has no more trials. Where it is lost with a process, its trials are given back.

        Raises:
            RaysqError: Ray Tune failed, or was lost again and again without an epoch between.
        """
        scratch = Path(tempfile.mkdtemp(prefix=".ray-", dir=self._stop.parent))
        try:
            self._tuner(scratch).fit()
        except (RaysqError, KeyboardInterrupt):
            raise
        except Exception as error:
            # Of an actor that its memory monitor ended, and of some others, Ray Tune has no opinion, and ends.
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

        from raysq.tuning.hooks import Events, Trials

        order = self.order

        def trial(config: dict[str, Any]) -> None:
            run_trial(order, *config["trial"])

        # The trial that starts a worker group holds nothing itself; Ray wants it to ask for something.
        alone = order.workers == 1
        needs = {"cpu": 1, **({"gpu": order.gpu} if order.gpu else {})} if alone else {"memory": 1_000_000}
        return tune.Tuner(
            tune.with_resources(trial, needs),
            tune_config=tune.TuneConfig(
                num_samples=-1,
                search_alg=Trials(self),
                scheduler=self.scheduler(),
                max_concurrent_trials=self.concurrent + self.ahead,
                # A process that started a group ends with its trial, and the group with it.
                reuse_actors=alone,
                trial_name_creator=lambda trial: trial.config["trial"][0],
                trial_dirname_creator=lambda trial: trial.config["trial"][0],
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(scratch.resolve()),
                callbacks=[Events(self)],
                # What a trial raises, it notes and ends; a process that is lost is tried again, see `lose`.
                failure_config=tune.FailureConfig(max_failures=-1),
                verbose=0,
            ),
        )

    def is_spent(self, seconds: float) -> bool:
        """Whether the budget is spent after so many seconds of this session."""
        return self.budget is not None and seconds > self.budget

    def begin(self) -> TrialSpec | Literal["finished"] | None:
        """The next trial to wait for a process."""
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
        """A trial has finished an epoch; its process has held so many bytes."""
        self.throttle.learn(memory)
        self._epochs[name] = max(epoch, self._epochs.get(name, 0))
        self.board.epoch(name, epoch, score)
        self.agenda.reported(name, epoch, score, memory)

    def lose(self, name: str, ran_out: bool) -> int:
        """Count a loss of a trial's process, or of the node it was on.

        Args:
            name: of the trial.
            ran_out: whether it was ended since memory ran out.

        Returns:
            How many more in a row are borne, without a step between them: 0 to give the trial up.
        """
        if ran_out:
            self.throttle.lower()
        patience = self._patience[name]
        patience.progress(checkpoint.reached(Path(self.order.folder) / name))
        self.board.lost(name)
        return patience.lose()

    def again(self, name: str) -> None:
        """Give a lost trial back, to be handed out again."""
        if self.reason is not None:
            self.end(name, None)
            return
        self._handed.discard(name)
        self._returned.add(name)
        self.agenda.again(name)

    def end(self, name: str, error: str | None) -> None:
        """A trial has ended; `error` says how its process was lost, if it was."""
        self._handed.discard(name)
        self._returned.discard(name)
        ending = self.agenda.ended(name, self.reason, error)
        if ending.state:
            self.board.end(name, ending.state, ending.error, seconds=ending.seconds)
        else:
            self.board.withdraw(name)
        if ending.stop:
            self.stop(ending.stop)

    @contextmanager
    def _watch(self) -> Iterator[None]:
        """Keeps the time, beside Ray Tune's loop."""
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
        """The first Ctrl-C (or SIGTERM) lets trials save where they are; a second one ends at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, frame: object) -> None:
            if self.reason == "interrupted":
                raise KeyboardInterrupt
            self.reason = None  # whatever else it was stopping for
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
    """Ray Tune says where its results are and that trials failed: we do so in our words."""
    loggers = [logging.getLogger(name) for name in ("ray.tune", "ray.train", "ray.air")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
