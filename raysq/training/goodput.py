"""Goodput of a run: its time from the first start to the end, split into training that counts, and losses by cause.

A run is trained in attempts: a command, its continuation after an interruption, a group of workers after a loss.
A thread of each attempt records its times in the run's directory every two seconds, so that a kill loses little of the
record, even in the middle of a long first call, validation or checkpoint.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

from raysq.errors import DamagedError, Interrupted, SourceError
from raysq.storage.atomic import write_json
from raysq.storage.json_files import read_json
from raysq.training.callbacks import Paused
from raysq.training.run_files import RunFiles
from raysq.training.state import TrainState

_NAME = "goodput.json"
_WRITE_SECONDS = 2.0
_HINT = "remove it: nothing but the times of the run's attempts is lost"


@dataclass
class Attempt:
    """One attempt at training a run, until it ended or was killed.

    Moments are in seconds since 1970, durations in seconds.

    Attributes:
        command: when the command began that made this attempt. A restarted worker group has the command of the group
            before it.
        began: when this attempt began to load the run.
        ended: when its times were last recorded.
        replicas: number of replicas over all workers.
        first_step: step from which it continued.
        step: last step that it recorded.
        seconds_before: `TrainState.seconds` from which it continued.
        seconds: last `TrainState.seconds` that it recorded, and the time of training or validation since then.
        first_call: duration of the first call of compiled steps, which traces and compiles.
        starting: time from `began` to the end of the first call.
        checkpoints: time for which training waited for checkpoints.
        finishing: time of measuring the best epoch and of exporting its model.
        reason: why it ended: "finished", "interrupted", "paused" (a worker group of another size or on other nodes goes
            on), "failed", or empty where it could not tell.
    """

    command: float
    began: float
    ended: float
    replicas: int
    first_step: int
    step: int
    seconds_before: float
    seconds: float
    first_call: float = 0.0
    starting: float = 0.0
    checkpoints: float = 0.0
    finishing: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Goodput:
    """Seconds of a run from its first start to its end, by cause. They add up to `total`.

    Attributes:
        total: time from the first start to the end, or to the last record of a run that has not finished.
        training: training steps and validation that count.
        repeated: training steps and validation that were lost, and trained again from an earlier checkpoint.
        starting: starts: processes, imports, reading the data and the checkpoint, and the first call of compiled steps.
        checkpoints: waiting for checkpoints.
        restarting: from the loss or pause of workers to the next worker group of the same command.
        stopped: from the end of a command to the start of the one that continued the run.
        finishing: measuring the best epoch and exporting its model.
        other: the rest, such as callbacks and reports.
    """

    total: float
    training: float
    repeated: float
    starting: float
    checkpoints: float
    restarting: float
    stopped: float
    finishing: float
    other: float

    @property
    def share(self) -> float:
        """Share of the time that went into training that counts."""
        return self.training / self.total if self.total else 0.0

    def to_json(self) -> dict[str, float]:
        """Return the seconds by cause, to the millisecond."""
        return {cause: round(seconds, 3) for cause, seconds in asdict(self).items()}


def read_attempts(run: RunFiles) -> list[Attempt]:
    """Return the recorded attempts of a run in order; an empty list for a run of an older raysq.

    Raises:
        DamagedError: the file is truncated or changed.
    """
    values: Any = read_json(run.directory / _NAME, list[Attempt], _HINT, missing=[])
    return [Attempt(**value) for value in values]


def summarize(attempts: Sequence[Attempt]) -> Goodput:
    """Split the time of a run by cause.

    Args:
        attempts: attempts in order, at least one.
    """
    training = repeated = restarting = stopped = 0.0
    starting = sum(attempt.starting for attempt in attempts)
    # Training counts up to the lowest state that a later attempt continued from.
    limit = attempts[-1].seconds
    for attempt in reversed(attempts):
        # The first call is part of the start, whatever becomes of its steps.
        begin = attempt.seconds_before + attempt.first_call
        trained = max(0.0, attempt.seconds - begin)
        kept = max(0.0, min(attempt.seconds, limit) - begin)
        training, repeated = training + kept, repeated + trained - kept
        limit = min(limit, attempt.seconds_before)
    starting += max(0.0, attempts[0].began - attempts[0].command)
    for earlier, later in pairwise(attempts):
        if earlier.command == later.command:
            restarting += max(0.0, later.began - earlier.ended)
        else:
            stopped += max(0.0, later.command - earlier.ended)
            starting += max(0.0, later.began - max(later.command, earlier.ended))
    checkpoints = sum(attempt.checkpoints for attempt in attempts)
    finishing = sum(attempt.finishing for attempt in attempts)
    known = training + repeated + starting + checkpoints + restarting + stopped + finishing
    total = max(known, attempts[-1].ended - attempts[0].command)  # more only where clocks differ
    return Goodput(
        total, training, repeated, starting, checkpoints, restarting, stopped, finishing, other=total - known
    )


class GoodputRecorder:
    """Recorder of the times of an attempt. Use it as a context manager around the attempt.

    Args:
        run: the run.
        command: when the command began, in seconds since 1970. Defaults to now.
        chief: whether this worker writes the record.
        on_message: called with a message where the record of earlier attempts is damaged. It is then begun anew.
    """

    def __init__(self, run: RunFiles, command: float | None, *, chief: bool, on_message: Callable[[str], None]):
        self._path = run.directory / _NAME
        self._chief = chief
        try:
            self._earlier = read_attempts(run)
        except DamagedError as error:
            self._earlier = []
            on_message(f"{error.message}: the times of earlier attempts are lost")
        now = time.time()
        self._attempt = Attempt(now if command is None else command, now, now, 1, 0, 0, 0.0, 0.0)
        self._clock = time.perf_counter()
        self._started = False
        # What the time since `_since` goes into: a name among the attributes of `Attempt`.
        self._cause, self._since = "starting", self._clock
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_often, daemon=True)

    @property
    def attempts(self) -> list[Attempt]:
        """All attempts, this one included."""
        return [*self._earlier, self._attempt]

    def begin(self, state: TrainState, replicas: int) -> None:
        """Record the state to continue from, and the times from now on."""
        attempt = self._attempt
        attempt.replicas, attempt.first_step, attempt.seconds_before = replicas, state.step, state.seconds
        if self._earlier:
            # The checkpoint may be more recent than the last record of an attempt that was killed.
            last = self._earlier[-1]
            last.step, last.seconds = max(last.step, state.step), max(last.seconds, state.seconds)
        self._update(state)
        self._write(self._present())
        if self._chief:
            self._thread.start()

    def on_train_batch_end(self, state: TrainState) -> None:
        """Record the progress after a call of compiled steps."""
        with self._lock:
            if not self._started:
                # Where the checkpoint was of an epoch's last step, validation came first.
                self._attempt.first_call = state.seconds - self._attempt.seconds
                self._end_start()
            self._update(state)

    def on_epoch_end(self, state: TrainState) -> None:
        """Record the progress after an epoch."""
        self._update(state)

    @contextmanager
    def checkpoint(self) -> Iterator[None]:
        """Count the duration of the block as waiting for checkpoints."""
        with self._counted("checkpoints"):
            yield

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Count the duration of the block as finishing."""
        if not self._started:
            self._end_start()
        with self._counted("finishing"):
            yield

    def finish(self) -> Goodput:
        """Record that the run has finished, and return its goodput."""
        self._end("finished")
        return summarize(self.attempts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end_thread()
        if error is not None:
            with suppress(SourceError):  # the block's own error is the one to report, such as that of a full disk
                stopped = "interrupted" if isinstance(error, (Interrupted, KeyboardInterrupt)) else "failed"
                self._end("paused" if isinstance(error, Paused) else stopped)

    @contextmanager
    def _counted(self, cause: str) -> Iterator[None]:
        """Count the duration of the block under a cause. Before the first call it is part of the start."""
        if not self._started:
            yield
            return
        with self._lock:
            before, self._cause, self._since = self._cause, cause, time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._attempt = self._present()
                self._cause, self._since = before, time.perf_counter()

    def _present(self) -> Attempt:
        """Return the attempt with the time of what goes on."""
        attempt, now = self._attempt, time.perf_counter()
        if not self._started:
            validated = attempt.seconds - attempt.seconds_before
            return replace(attempt, starting=now - self._clock - validated)
        return replace(attempt, **{self._cause: getattr(attempt, self._cause) + now - self._since})

    def _end_start(self) -> None:
        with self._lock:
            self._attempt = self._present()
            self._started, self._cause, self._since = True, "seconds", time.perf_counter()

    def _update(self, state: TrainState) -> None:
        with self._lock:
            self._attempt.step, self._attempt.seconds, self._since = state.step, state.seconds, time.perf_counter()

    def _end(self, reason: str) -> None:
        """Record how the attempt ended, for the last time."""
        self._end_thread()
        if reason != "finished" or not self._started:
            self._attempt = self._present()
        self._attempt.reason = reason
        self._write(self._attempt)

    def _end_thread(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _write_often(self) -> None:
        while not self._ended.wait(_WRITE_SECONDS):
            with self._lock, suppress(SourceError):  # a full disk is the error of the checkpoint
                self._write(self._present())

    def _write(self, attempt: Attempt) -> None:
        attempt.ended = time.time()
        if self._chief:
            write_json(self._path, [asdict(one) for one in [*self._earlier, attempt]], durable=False)
