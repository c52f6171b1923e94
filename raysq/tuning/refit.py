"""The best settings and the defaults, trained with several seeds: does the winner win beyond its one seed?"""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from raysq.errors import DamagedError, DataError, Interrupted, RaysqError
from raysq.storage.atomic import write_json
from raysq.training.run import Run
from raysq.tuning.experiment import Experiment
from raysq.tuning.results import is_exported
from raysq.tuning.session import TrialResult, TrialSpec


class RefitScheduler:
    """A run for each seed of each row, in the experiment's `refit/`.

    Args:
        experiment: a search that has ended.
        seeds: how many, from 0.
        fixed: settings of all trials of the search.
    """

    def __init__(self, experiment: Experiment, seeds: int, fixed: Mapping[str, Any]):
        self.experiment, self.seeds, self.fixed = experiment, seeds, dict(fixed)
        self.folder = experiment.directory / "refit"
        trials = experiment.trials
        defaults = next((trial for trial in trials if trial["number"] == 1), trials[0])
        self.rows = {"best": trials[0]["settings"], "defaults": defaults["settings"]}
        # Where the defaults won they are trained once.
        same = self.rows["best"] == self.rows["defaults"]
        self._prefix = {"best": f"trial-{trials[0]['number']:02}", "defaults": "trial-01"}
        problems = ["defaults"] if same else ["best", "defaults"]
        self._waiting = [
            TrialSpec(
                self._name(row, seed),
                {"settings": row, "seed": seed},
                {**self.fixed, **self.rows[row]},
                seed,
            )
            for seed in range(seeds)
            for row in problems
        ]
        self._waiting = [one for one in self._waiting if not is_exported(self.folder / one.name)]
        self.left = len(self._waiting)
        self._handed: dict[str, TrialSpec] = {}
        self.failures: dict[str, str] = {}
        for one in self._waiting:
            (self.folder / one.name / "failure.json").unlink(missing_ok=True)

    def _name(self, row: str, seed: int) -> str:
        # By trial, not by rank: more trials may bring another winner.
        return f"{self._prefix[row]}-seed-{seed}"

    def next(self) -> TrialSpec | Literal["finished"] | None:
        """The next run."""
        if not self._waiting:
            return "finished"
        run = self._waiting.pop(0)
        self._handed[run.name] = run
        return run

    def again(self, name: str) -> None:
        """Put a run first that was handed out and lost, without an end of its own."""
        self._waiting.insert(0, self._handed.pop(name))

    def reported(self, name: str, epoch: int, score: float, memory: int) -> None:
        """Nothing is kept beside the run's own record."""

    def ended(self, name: str, reason: str | None, error: str | None) -> TrialResult:
        """A run that failed ends the refit: a mean over fewer seeds would be another figure."""
        run = Run(self.folder / name, None)  # type: ignore[arg-type]
        if (message := error or run.failure()) is not None:
            self.failures[name] = message
            return TrialResult("failed", message, stop="a run failed")
        result = run.result()
        return TrialResult("finished" if result else "interrupted", seconds=result["seconds"] if result else 0.0)

    def conclude(self, reason: str | None) -> None:
        """Writes `refit.json`.

        Raises:
            Interrupted: the session was stopped.
            RaysqError: a run failed.
        """
        for name, message in self.failures.items():
            raise RaysqError(f"refit {name} failed: {message}")
        if reason is not None:
            raise Interrupted("refit stopped; the same command continues")
        rows = []
        for row, settings in self.rows.items():
            runs = [self.folder / self._name(row, seed) for seed in range(self.seeds)]
            rows.append(
                {
                    "name": row,
                    "settings": settings,
                    "runs": [str(path) for path in runs],
                    "metrics": _summary([_metrics(path, self.experiment.trust) for path in runs]),
                }
            )
        write_json(self.experiment.directory / "refit.json", {"seeds": list(range(self.seeds)), "rows": rows})


def is_done(experiment: Experiment, seeds: int) -> bool:
    """Whether `refit.json` has these seeds of the present best settings."""
    try:
        refit = experiment.refit
    except DamagedError:
        return False  # it is written again: its runs are there
    if not refit or len(refit["seeds"]) != seeds:
        return False
    return bool(refit["rows"][0]["settings"] == experiment.trials[0]["settings"])


def _metrics(directory: Path, trust: bool) -> dict[str, float]:
    result = Run.open(directory, trust=trust).result()
    if result is None:
        raise DataError(f"run {directory} is not finished; the same command continues")
    return {name: value for name, value in result["metrics"].items() if name.startswith(("val_", "test_"))}


def _summary(found: list[dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Mean and sample deviation (0 for one seed) of each metric, and its values."""
    summary = {}
    for name in found[0]:
        values = [metrics[name] for metrics in found]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        summary[name] = {"mean": statistics.fmean(values), "std": spread, "values": values}
    return summary
