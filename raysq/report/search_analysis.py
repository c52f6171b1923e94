"""Read a search, finished or not, from its directory: trials, best settings and refit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysq.errors import DamagedError, DataError, RaysqError
from raysq.storage.trust import check_links
from raysq.training import experiment_files as files
from raysq.training.domains import Domain, from_json
from raysq.training.goal import Goal, best_record
from raysq.training.run import Run


@dataclass
class SearchAnalysis:
    """A search as stored in its directory.

    Attributes:
        about: Content of `experiment.json`: task, model, data, space, defaults and requested options.
        trials: One mapping per trial, best first.
        best: Content of `best.json`, or None before the search has ended.
        refit: Content of `refit.json`, or None.
        generations: Content of `generations.json`: the space of each generation that has begun.
        seconds: Duration of the search in seconds, over all its sessions.
        records: Records by epoch of each trial's run, by the trial's number.
        missing: A message for each part that is left out because a file is damaged.
        trust: Whether runs that this home has not made are trusted.
    """

    directory: Path
    about: Mapping[str, Any]
    trials: list[dict[str, Any]]
    best: Mapping[str, Any] | None = None
    refit: Mapping[str, Any] | None = None
    generations: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    records: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    trust: bool = False

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def space(self) -> Mapping[str, Domain]:
        """The search space: domains by setting; see `raysq.training.domains`."""
        return {name: from_json(domain) for name, domain in self.about["space"].items()}

    @property
    def goal(self) -> Goal:
        """Metric by which the search ranks its trials."""
        return Goal.of(self.about)

    @property
    def scored(self) -> list[dict[str, Any]]:
        """The trials with a score, best first."""
        return [trial for trial in self.trials if self.value_of(trial) is not None]

    def value_of(self, trial: Mapping[str, Any]) -> float | None:
        """Return the goal's metric of a trial, or None for a trial without one or that failed."""
        return None if trial["state"] == "failed" else self.goal.value(trial)

    def run_of(self, trial: Mapping[str, Any]) -> Run | None:
        """Return the trial's run, even if the search's directory was moved; None if the run is gone or damaged."""
        try:
            return _open_run(self, trial.get("run"))
        except DamagedError:
            return None

    def is_default(self, trial: Mapping[str, Any]) -> bool:
        """Whether all settings of a trial are the defaults."""
        defaults = self.about.get("defaults") or {}
        settings = trial["settings"]
        return bool(settings) and all(name in defaults and defaults[name] == settings[name] for name in settings)


def _open_run(experiment: SearchAnalysis, path: str | None) -> Run | None:
    """Open a run named in a search's files, or return None if it is gone.

    Only the last part of `path` is used: the run is always in the search's own directory, which may have moved.
    """
    directory = None if not path else experiment.directory / "trials" / Path(path).name
    if directory is None or not (directory / "config.json").exists():
        return None
    return Run.open(directory, trust=experiment.trust)


def is_experiment(directory: Path) -> bool:
    """Whether a directory holds a search."""
    return (directory / "experiment.json").exists()


def open_experiment(directory: Path, *, trust: bool = False) -> SearchAnalysis:
    """Read a search, finished or not. Damaged parts are left out and described in `missing`.

    Raises:
        DataError: If the directory holds no search, a newer raysq wrote it, or a file cannot be read.
    """
    if not is_experiment(directory):
        raise DataError(f"no search in {directory} (it has no experiment.json)")
    if not trust:
        check_links(directory)
    about = files.read_about(directory)
    experiment = SearchAnalysis(directory, about, [], trust=trust)
    try:
        trials = files.read_trials(directory)
    except DamagedError as error:
        trials = None
        experiment.missing.append(f"The trials are taken from their runs: {error}")
    experiment.trials = _from_runs(experiment) if trials is None else trials
    readers: dict[str, Callable[[Path], Any]] = {
        "best": files.read_best,
        "refit": files.read_refit,
        "generations": files.read_generations,
        "seconds": files.read_seconds,
    }
    for name, read in readers.items():
        try:
            setattr(experiment, name, read(directory))
        except DamagedError as error:
            experiment.missing.append(f"What needs the file is left out: {error}")
    for trial in experiment.trials:
        try:
            run = _open_run(experiment, trial.get("run"))
            if run is not None:
                experiment.records[trial["number"]] = run.metrics()
        except RaysqError as error:
            experiment.missing.append(f"What needs the run of trial {trial['number']} is left out: {error}")
    return experiment


def _from_runs(experiment: SearchAnalysis) -> list[dict[str, Any]]:
    """Rebuild the trials from their runs where `trials.json` is missing or damaged."""
    trials = []
    for number, path in enumerate(sorted((experiment.directory / "trials").glob("*/config.json"))):
        try:
            run = Run.open(path.parent, trust=experiment.trust)
            records, state = run.metrics(), run.state()
        except RaysqError as error:
            experiment.missing.append(f"A trial is left out: {error}")
            continue
        settings = run.config.by_name()
        best = best_record(records) or {}
        trials.append(
            {
                "number": number,
                "settings": {name: settings[name] for name in experiment.space if name in settings},
                "state": state,
                "epochs": len(records),
                "val_loss": best.get("val_loss"),
                "metrics": {name: value for name, value in best.items() if name.startswith("val_")},
                "seconds": records[-1]["seconds"] if records else 0.0,
                "run": str(run.directory),
                "error": None,
            }
        )
    return experiment.goal.rank(trials)
