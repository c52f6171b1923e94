"""Refit of a search: train the best settings and the defaults with several seeds, to compare them beyond one seed."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from raysq.errors import DamagedError, DataError, Interrupted, RaysqError
from raysq.storage.atomic import write_json
from raysq.training.run import Run
from raysq.training.run_files import RunFiles
from raysq.tuning.experiment import Experiment
from raysq.tuning.results import is_exported
from raysq.tuning.trial import TrialResult, TrialSpec


class RefitScheduler:
    """Scheduler of a refit: one run per seed and row of settings, in the experiment's `refit/` directory.

    Args:
        experiment: a search that has ended.
        seeds: number of seeds, which are counted from 0.
        fixed: settings that are fixed for all trials of the search.
    """

    def __init__(self, experiment: Experiment, seeds: int, fixed: Mapping[str, Any]):
        self.experiment, self.seeds = experiment, seeds
        self.folder = experiment.directory / "refit"
        best = experiment.trials[0]
        defaults = next((trial for trial in experiment.trials if trial["number"] == 1), best)
        self.rows = {"best": best["settings"], "defaults": defaults["settings"]}
        # Named by the trial's number, since further trials may change the rank.
        self._prefix = {"best": f"trial-{best['number']:02}", "defaults": "trial-01"}
        # If the defaults are the best settings, train them once.
        rows = ["defaults"] if self.rows["best"] == self.rows["defaults"] else ["best", "defaults"]
        trials = [
            TrialSpec(self._run_name(row, seed), {"settings": row, "seed": seed}, {**fixed, **self.rows[row]}, seed)
            for seed in range(seeds)
            for row in rows
        ]
        self._queue = [trial for trial in trials if not is_exported(self.folder / trial.name)]
        self.remaining = len(self._queue)
        self._started: dict[str, TrialSpec] = {}
        self.failures: dict[str, str] = {}
        for trial in self._queue:
            (self.folder / trial.name / "failure.json").unlink(missing_ok=True)

    def _run_name(self, row: str, seed: int) -> str:
        return f"{self._prefix[row]}-seed-{seed}"

    def next_trial(self) -> TrialSpec | Literal["finished"] | None:
        """Return the next run, or "finished"."""
        if not self._queue:
            return "finished"
        trial = self._queue.pop(0)
        self._started[trial.name] = trial
        return trial

    def requeue(self, name: str) -> None:
        """Put a lost run at the front of the queue."""
        self._queue.insert(0, self._started.pop(name))

    def on_epoch_end(self, name: str, epoch: int, score: float, memory: int) -> None:
        """Do nothing; the run keeps its own record."""

    def on_trial_end(self, name: str, stop_reason: str | None, error: str | None) -> TrialResult:
        """Return the result of a run; a failed run stops the refit, since a mean over fewer seeds is not comparable."""
        run = RunFiles(self.folder / name)
        if (message := error or run.failure()) is not None:
            self.failures[name] = message
            return TrialResult("failed", message, stop_reason="a run failed")
        result = run.result()
        return TrialResult("finished" if result else "interrupted", seconds=result["seconds"] if result else 0.0)

    def finalize(self, stop_reason: str | None) -> None:
        """Write `refit.json`.

        Args:
            stop_reason: why the session was stopped, or None.

        Raises:
            Interrupted: the session was stopped.
            RaysqError: a run failed.
        """
        for name, message in self.failures.items():
            raise RaysqError(f"refit {name} failed: {message}")
        if stop_reason is not None:
            raise Interrupted("refit stopped; the same command continues")
        rows = []
        for row, settings in self.rows.items():
            runs = [self.folder / self._run_name(row, seed) for seed in range(self.seeds)]
            metrics = _summarize([_metrics(directory, self.experiment.trust) for directory in runs])
            rows.append({"name": row, "settings": settings, "runs": list(map(str, runs)), "metrics": metrics})
        write_json(self.experiment.directory / "refit.json", {"seeds": list(range(self.seeds)), "rows": rows})


def is_done(experiment: Experiment, seeds: int) -> bool:
    """Return whether `refit.json` has this number of seeds of the present best settings."""
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


def _summarize(runs: list[dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Return mean, sample standard deviation (0 for one seed) and values of each metric."""
    summary = {}
    for name in runs[0]:
        values = [metrics[name] for metrics in runs]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        summary[name] = {"mean": statistics.fmean(values), "std": spread, "values": values}
    return summary
