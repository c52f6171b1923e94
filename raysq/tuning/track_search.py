"""Track a search: a run of its own in the tracker, and below it a run for each trial that has ended."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from raysq import __version__
from raysq.errors import DamagedError
from raysq.training.run import Run
from raysq.training.trackers.following import Following
from raysq.training.trackers.tracker import Status, Tracker
from raysq.training.trackers.tracking import Tracking, numbers
from raysq.tuning.experiment import Experiment
from raysq.tuning.trial_queue import trial_directory

_STATUS: dict[str, Status] = {"failed": "failed"}  # of a trial, by its state; else "finished"


class SearchTracking(Following):
    """Tracking of a search. Use it as a context manager around its session; see `Following`.

    Args:
        experiment: the search.
        tracker: name of a tracker.
    """

    def __init__(self, experiment: Experiment, tracker: str):
        super().__init__(experiment.directory, tracker, experiment.about["task"])
        self.experiment = experiment

    def parameters(self) -> tuple[Mapping[str, object], Mapping[str, str]]:
        about = self.experiment.about
        tags = {"task": about["task"], "model": about["model"], "search": str(self.directory), "version": __version__}
        parameters = {"seed": about["seed"], "data": about["data"], **about["requested"]}
        space = {f"space.{name}": values for name, values in about["space"].items()}
        return {**parameters, **space}, {f"raysq.{key}": value for key, value in tags.items()}

    def update(self, tracker: Tracker) -> None:
        try:
            trials = self.experiment.trials
        except DamagedError:
            return  # the search reports it
        for trial in trials:
            directory = trial_directory(self.experiment, trial)
            if trial["state"] == "interrupted" or not (directory / "config.json").exists():
                continue
            run = Run.open(directory, trust=self.experiment.trust)
            child = Tracking(run, self.tracker, parent=self.id)
            known = child.known(tracker)
            if known is None or known["epochs"] < len(run.metrics()):
                child.log_ended(_STATUS.get(trial["state"], "finished"))
        self.remember(len(trials))

    def finish(self, tracker: Tracker) -> None:
        best = self.experiment.best
        if best is not None:
            tracker.log_metrics(numbers(best["metrics"], prefix="best_"), self.epochs)

    def make_files(self) -> list[Path]:
        from raysq.report.page import write_report

        best = self.directory / "best.json"
        files = [best, self.directory / "trials.json"] if best.exists() else []
        return [*files, write_report(self.directory, on_message=lambda message: None)] if files else []


def tracked_search(experiment: Experiment, tracker: str | None) -> AbstractContextManager[Any]:
    """Return the tracking of a search; one that does nothing if `tracker` is None."""
    return nullcontext() if tracker is None else SearchTracking(experiment, tracker)
