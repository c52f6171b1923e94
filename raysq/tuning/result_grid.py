"""Trials of a search as a `ray.tune.ResultGrid`, from the files of the experiment."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.fs
from ray.tune import Checkpoint, Result, ResultGrid

from raysq.config import nearest_name
from raysq.errors import RaysqError, UsageError
from raysq.training.goal import Goal
from raysq.training.run_files import RunFiles

_SCOPES = ("last", "all", "avg", "last-5-avg", "last-10-avg")


class TrialFailed(RaysqError):
    """Reason why a trial failed, as the `error` of its result."""


class ExperimentResultGrid(ResultGrid):
    """Results of all trials of a search, those of earlier sessions included, best first.

    The last report of a trial is the record of its last epoch, its checkpoint the directory of its best epoch's
    checkpoint, and its configuration the searched settings.

    Args:
        directory: directory of the experiment.
        trials: records of the trials, best first.
        goal: goal of the search.
    """

    def __init__(self, directory: Path, trials: list[dict[str, Any]], goal: Goal):
        self._directory, self._goal = directory, goal
        self._trials = trials
        self._results = [self._result(trial) for trial in trials]

    def _result(self, trial: dict[str, Any]) -> Result:
        run = RunFiles(self._directory / "trials" / f"trial-{trial['number']:02}")
        records = run.metrics() if run.directory.exists() else []
        last = records[-1] if records else {}
        return Result(
            metrics={**last, "training_iteration": len(records), "config": dict(trial["settings"])},
            checkpoint=Checkpoint.from_directory(str(run.best)) if run.best.exists() else None,
            error=TrialFailed(trial["error"] or "its reason is not known") if trial["state"] == "failed" else None,
            path=str(run.directory),
            metrics_dataframe=pd.DataFrame(records),
            _storage_filesystem=pyarrow.fs.LocalFileSystem(),
        )

    @property
    def experiment_path(self) -> str:
        """Path of the experiment's directory."""
        return str(self._directory)

    @property
    def filesystem(self) -> pyarrow.fs.FileSystem:
        """Filesystem of the paths."""
        return pyarrow.fs.LocalFileSystem()

    @property
    def num_errors(self) -> int:
        """Number of failed trials."""
        return len(self.errors)

    @property
    def num_terminated(self) -> int:
        """Number of trials that ended without an error."""
        return sum(trial["state"] in ("finished", "stopped early", "out of time") for trial in self._trials)

    def get_best_result(
        self,
        metric: str | None = None,
        mode: str | None = None,
        scope: str = "last",
        filter_nan_and_inf: bool = True,
    ) -> Result:
        """Return the result that is best by a metric.

        Without a metric it is the trial that the search ranks first. Without a mode, accuracies and the like are
        maximized and others minimized.

        Raises:
            UsageError: no trial records the metric, or the scope is unknown.
        """
        if scope not in _SCOPES:
            raise UsageError(f"unknown scope {scope!r}: {nearest_name(scope, _SCOPES)}")
        if metric is None:
            first = next((r for r, t in zip(self._results, self._trials, strict=True) if t["state"] != "failed"), None)
            if first is None:
                raise UsageError("no trial has a score")
            return first
        goal = self._goal_of(metric, mode)
        scored: list[tuple[float, int, Result]] = []
        for result in self._results:
            if result.error is not None or metric not in result.metrics_dataframe:
                continue
            value = _of_scope(result.metrics_dataframe[metric].astype(float), scope, goal)
            if not filter_nan_and_inf or math.isfinite(value):
                scored.append((goal.score(value), len(scored), result))
        if not scored:
            names = sorted({name for result in self._results for name in result.metrics_dataframe})
            raise UsageError(f"no trial records {metric}: {nearest_name(metric, names)}")
        best: Result = min(scored, key=lambda entry: entry[:2])[2]
        return best

    def get_dataframe(self, filter_metric: str | None = None, filter_mode: str | None = None) -> pd.DataFrame:
        """Return a row for each trial: its last epoch, or the one that is best by a metric, and its settings."""
        rows = []
        for result, trial in zip(self._results, self._trials, strict=True):
            records = result.metrics_dataframe
            row = {name: value for name, value in result.metrics.items() if name != "config"}
            if filter_metric is not None and filter_metric in records:
                column = records[filter_metric].astype(float).dropna()
                if len(column):
                    is_max = self._goal_of(filter_metric, filter_mode).mode == "max"
                    row |= records.loc[column.idxmax() if is_max else column.idxmin()].to_dict()
            row |= {f"config/{name}": value for name, value in trial["settings"].items()}
            rows.append({"trial": trial["number"], **row, "path": result.path})
        return pd.DataFrame(rows)

    def _goal_of(self, metric: str, mode: str | None) -> Goal:
        """Return the goal of a metric of any split; that of the search has the search's mode.

        Raises:
            UsageError: the mode is unknown.
        """
        if mode is None and metric == self._goal.metric:
            return self._goal
        return replace(Goal.make(f"val_{metric.removeprefix('val_')}", mode), metric=metric)


def _of_scope(values: pd.Series, scope: str, goal: Goal) -> float:
    """Return the value of a column of records that a scope names."""
    if scope == "last":
        return float(values.iloc[-1])
    if scope == "all":
        return float(values.max() if goal.mode == "max" else values.min())
    count = {"avg": len(values), "last-5-avg": 5, "last-10-avg": 10}[scope]
    return float(values.tail(count).mean())
