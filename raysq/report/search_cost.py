"""Cost of a search: when its trials ran, and the seconds of trials, workers and GPUs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raysq.errors import DamagedError
from raysq.report.search_analysis import SearchAnalysis
from raysq.training.goodput import Attempt, read_attempts
from raysq.training.run_files import RunFiles


@dataclass(frozen=True)
class Stretch:
    """Time in which a trial was trained without interruption.

    Attributes:
        trial: number of the trial.
        began: when it began, in seconds since 1970.
        ended: when it ended.
    """

    trial: int
    began: float
    ended: float


@dataclass(frozen=True)
class Cost:
    """Seconds that the trials of a search took, refit included.

    Attributes:
        trials: seconds of all trials, whose processes wait for each other in none.
        workers: seconds of all workers: those of trials times the workers of a trial.
        gpus: seconds of all GPUs: those of workers times the GPUs of a worker.
        elapsed: duration of the search.
    """

    trials: float
    workers: float
    gpus: float
    elapsed: float

    def to_json(self) -> dict[str, float]:
        """Return the seconds by name, to a tenth."""
        return {
            "trial_seconds": round(self.trials, 1),
            "worker_seconds": round(self.workers, 1),
            "gpu_seconds": round(self.gpus, 1),
            "elapsed_seconds": round(self.elapsed, 1),
        }


def timeline(experiment: SearchAnalysis) -> list[Stretch]:
    """Return when each trial was trained, in order; trials without a record of their times are left out."""
    stretches = []
    for trial in experiment.trials:
        stretches += [Stretch(trial["number"], each.began, each.ended) for each in _attempts(experiment, trial)]
    return sorted(stretches, key=lambda stretch: (stretch.trial, stretch.began))


def cost(experiment: SearchAnalysis) -> Cost:
    """Return the cost of a search. A trial without a record of its times costs the seconds of its training."""
    seconds = 0.0
    for trial in experiment.trials:
        attempts = _attempts(experiment, trial)
        seconds += sum(each.ended - each.began for each in attempts) if attempts else trial["seconds"] or 0.0
    for directory in sorted((experiment.directory / "refit").glob("*/config.json")):
        seconds += sum(each.ended - each.began for each in _read(RunFiles(directory.parent)))
    requested = experiment.about.get("requested") or {}
    workers = seconds * (requested.get("workers") or 1)
    return Cost(seconds, workers, workers * (requested.get("gpu") or 0), experiment.seconds)


def _attempts(experiment: SearchAnalysis, trial: Mapping[str, Any]) -> list[Attempt]:
    run = experiment.run_of(trial)
    return [] if run is None else _read(run)


def _read(run: RunFiles) -> list[Attempt]:
    try:
        return read_attempts(run)
    except DamagedError:
        return []
