"""Refit of a search: train the best settings and the defaults with several seeds, to compare them beyond one seed."""

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
    """Scheduler of a refit: one run per seed and row of settings, in the experiment's `refit/` directory.

    Args:
        experiment: a search that has ended.
        seeds: number of seeds, which are counted from 0.
        fixed: settings that are fixed for all trials of the search.
    """

    def __init__(self, experiment: Experiment, seeds: int, fixed: Mapping[str, Any]):
        self.experiment, self.seeds, self.fixed = experiment, seeds, dict(fixed)
        self.folder = experiment.directory / "refit"
        trials = experiment.trials
        defaults = next((trial for trial in trials if trial["number"] == 1), trials[0])
        self.rows = {"best": trials[0]["settings"], "defaults": defaults["settings"]}
        # If the defaults are the best settings, train them once.
        same = self.rows["best"] == self.rows["defaults"]
        self._prefix = {"best": f"trial-{trials[0]['number']:02}", "defaults": "trial-01"}
        names = ["defaults"] if same else ["best", "defaults"]
        self._waiting = [
            TrialSpec(
                self._name(row, seed),
                {"settings": row, "seed": seed},
                {**self.fixed, **self.rows[row]},
                seed,
            )
            for seed in range(seeds)
            for row in names
        ]
        self._waiting = [one for one in self._waiting if not is_exported(self.folder / one.name)]
        self.left = len(self._waiting)
        self._handed: dict[str, TrialSpec] = {}
        self.failures: dict[str, str] = {}
        for one in self._waiting:
            (self.folder / one.name / "failure.json").unlink(missing_ok=True)

    def _name(self, row: str, seed: int) -> str:
        # Named by the trial's number, since further trials may change the rank.
        return f"{self._prefix[row]}-seed-{seed}"

    def next(self) -> TrialSpec | Literal["finished"] | None:
        """Return the next run, or "finished"."""
        if not self._waiting:
            return "finished"
        run = self._waiting.pop(0)
        self._handed[run.name] = run
        return run

    def again(self, name: str) -> None:
        """Put a lost run at the front of the queue.

        Args:
            name: name of the run.
        """
        self._waiting.insert(0, self._handed.pop(name))

    def reported(self, name: str, epoch: int, score: float, memory: int) -> None:
        """Do nothing; the run keeps its own record."""

    def ended(self, name: str, reason: str | None, error: str | None) -> TrialResult:
        """Return the result of a run; a failed run stops the refit, since a mean over fewer seeds is not comparable.

        Args:
            name: name of the run.
            reason: why the session stops, or None.
            error: how the run's process was lost, or None.
        """
        run = Run(self.folder / name, None)  # type: ignore[arg-type]
        if (message := error or run.failure()) is not None:
            self.failures[name] = message
            return TrialResult("failed", message, stop="a run failed")
        result = run.result()
        return TrialResult("finished" if result else "interrupted", seconds=result["seconds"] if result else 0.0)

    def conclude(self, reason: str | None) -> None:
        """Write `refit.json`.

        Args:
            reason: why the session was stopped, or None.

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
    """Return whether `refit.json` has this number of seeds of the present best settings.

    Args:
        experiment: a search that has ended.
        seeds: number of seeds.
    """
    try:
        refit = experiment.refit
    except DamagedError:
        return False  # the file is written again from its runs
    if not refit or len(refit["seeds"]) != seeds:
        return False
    return bool(refit["rows"][0]["settings"] == experiment.trials[0]["settings"])


def _metrics(directory: Path, trust: bool) -> dict[str, float]:
    result = Run.open(directory, trust=trust).result()
    if result is None:
        raise DataError(f"run {directory} is not finished; the same command continues")
    return {name: value for name, value in result["metrics"].items() if name.startswith(("val_", "test_"))}


def _summary(found: list[dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Return mean, sample standard deviation (0 for one seed) and values of each metric."""
    summary = {}
    for name in found[0]:
        values = [metrics[name] for metrics in found]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        summary[name] = {"mean": statistics.fmean(values), "std": spread, "values": values}
    return summary
