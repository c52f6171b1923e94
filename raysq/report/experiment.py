"""A search as its directory tells it: trials, best settings, refits, finished or not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysq.errors import DataError, RaysqError
from raysq.training.config import Config
from raysq.training.run import Run

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Experiment:
    """A search as its directory tells it; what is not there yet is empty.

    Attributes:
        directory: where it is.
        about: `experiment.json`: task, model, data, space, defaults, what was asked.
        trials: best first.
        best: `best.json`, or None before the search has ended.
        refit: `refit.json`, or None.
        records: those of each trial's run, by its number.
    """

    directory: Path
    about: Mapping[str, Any]
    trials: list[dict[str, Any]]
    best: Mapping[str, Any] | None = None
    refit: Mapping[str, Any] | None = None
    records: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.directory.name

    @property
    def space(self) -> Mapping[str, Any]:
        """What was searched: setting -> choices, or ("uniform" | "loguniform" | "randint", low, high)."""
        space: Mapping[str, Any] = self.about["space"]
        return space

    @property
    def scored(self) -> list[dict[str, Any]]:
        """The trials with a score, best first."""
        return [trial for trial in self.trials if score_of(trial) is not None]

    def run_of(self, trial: Mapping[str, Any]) -> Run | None:
        """The trial's run, also when the experiment's directory was moved."""
        return open_run(self.directory, trial.get("run"))

    def is_default(self, trial: Mapping[str, Any]) -> bool:
        """Whether a trial has the defaults."""
        defaults = self.about.get("defaults") or {}
        settings = trial["settings"]
        return bool(settings) and all(name in defaults and defaults[name] == settings[name] for name in settings)


def score_of(trial: Mapping[str, Any]) -> float | None:
    """A trial's lowest validation loss; None for one without, or one that failed later: its loss was no result."""
    score: float | None = trial["val_loss"]
    return None if trial["state"] == "failed" else score


def open_run(directory: Path, path: str | None) -> Run | None:
    """A run that an experiment's files name; looked for in `trials/` too, or None where it is gone."""
    if not path:
        return None
    for place in (Path(path), directory / "trials" / Path(path).name):
        if (place / "config.json").exists():
            return Run.open(place)
    return None


def is_experiment(directory: Path) -> bool:
    """Whether a directory is that of a search."""
    return (directory / "experiment.json").exists()


def open_experiment(directory: Path) -> Experiment:
    """Reads a search, finished or not.

    Raises:
        DataError: a newer raysq wrote it, or a file cannot be read.
    """
    about = _read(directory / "experiment.json")
    if about is None:
        raise DataError(f"no search in {directory} (it has no experiment.json)")
    if about.get("format_version", 0) > FORMAT_VERSION:
        raise DataError(
            f"search {directory} has format {about['format_version']}, this raysq reads up to {FORMAT_VERSION}: "
            f"upgrade raysq"
        )
    trials = _read(directory / "trials.json")
    if trials is None:
        trials = _from_runs(directory, about)
    found = Experiment(directory, about, trials, _read(directory / "best.json"), _read(directory / "refit.json"))
    for trial in trials:
        run = found.run_of(trial)
        if run is not None:
            found.records[trial["number"]] = run.metrics()
    return found


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error})") from None


def _from_runs(directory: Path, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The trials of a search that has not written `trials.json` yet, from their runs."""
    trials = []
    for number, path in enumerate(sorted((directory / "trials").glob("*/config.json"))):
        try:
            run = Run.open(path.parent)
        except RaysqError:
            continue  # being written at this moment
        records = run.metrics()
        settings = _flat(run.config)
        trials.append(
            {
                "number": number,
                "settings": {name: settings[name] for name in about["space"] if name in settings},
                "state": run.state(),
                "epochs": len(records),
                "val_loss": min((record["val_loss"] for record in records), default=None),
                "seconds": records[-1]["seconds"] if records else 0.0,
                "run": str(run.directory),
                "error": None,
            }
        )
    return sorted(trials, key=lambda trial: (trial["val_loss"] is None, trial["val_loss"] or 0.0))


def _flat(config: Config) -> dict[str, Any]:
    return {**config.examples, **config.builder, **config.training}
