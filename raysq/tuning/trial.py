"""Trials as a scheduler hands them to a session, and as they come back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

# Reason of a session that the user's own stopper ended.
BY_STOPPER = "the stopper ended the search"


@dataclass(frozen=True)
class TrialSpec:
    """A trial to train.

    Attributes:
        name: name of its run.
        searched: settings that differ between trials.
        settings: all given settings, those that are fixed for all trials included.
        seed: seed of the run.
    """

    name: str
    searched: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class TrialResult:
    """A trial that has ended.

    Attributes:
        state: state, such as "finished"; empty if the trial was never begun.
        error: why the trial failed, or None.
        seconds: duration of its training.
        stop_reason: why the session should stop now, or None.
    """

    state: str
    error: str | None = None
    seconds: float = 0.0
    stop_reason: str | None = None


class TrialScheduler(Protocol):
    """Supplies the trials of a session and records what becomes of them."""

    def next_trial(self) -> TrialSpec | Literal["finished"] | None:
        """Return the next trial, None if there is none yet, or "finished" if there are no more."""
        ...

    def requeue(self, name: str) -> None:
        """Put a trial whose process was lost at the front of the queue."""
        ...

    def on_epoch_end(self, name: str, epoch: int, score: float, memory: int) -> None:
        """Record a finished epoch of a trial.

        Args:
            name: name of the trial.
            epoch: number of finished epochs.
            score: score of the trial so far, of which lower is better; see `raysq.training.goal.Goal.score`.
            memory: largest memory of the trial's process in bytes; 0 if unknown.
        """
        ...

    def on_trial_end(self, name: str, stop_reason: str | None, error: str | None) -> TrialResult:
        """Record the end of a trial.

        Args:
            name: name of the trial.
            stop_reason: why the session stops, or None.
            error: how the trial's process was lost, or None.
        """
        ...
