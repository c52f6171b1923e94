"""Directory of an experiment: its request, its trials, the best trial, and a lock."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.config import short_names
from raysq.display import notebook
from raysq.display.numbers import metric
from raysq.errors import DataError, NotFoundError, RaysqError, UsageError
from raysq.report.inline import Report
from raysq.report.search_analysis import SearchAnalysis, open_experiment
from raysq.report.search_cost import cost, timeline
from raysq.report.search_health import checks
from raysq.report.search_importance import importance
from raysq.storage.atomic import write_json
from raysq.storage.paths import check_name, home, is_locked, newest_first
from raysq.storage.trust import check_links
from raysq.training import experiment_files as files
from raysq.training.goal import Goal
from raysq.training.run import Run

if TYPE_CHECKING:
    import pandas as pd
    from ray.tune import ResultGrid

# States of a trial that has ended. A trial in any other state still has to be trained.
ENDED = ("finished", "stopped early", "out of time", "failed")


class Experiment:
    """A hyperparameter search, stored in a directory.

    The directory holds `experiment.json`, `trials.json`, `best.json`, `refit.json`, and a run for each trial.

    Attributes:
        directory: path of the experiment's directory.
        about: request of the search: task, model, data, space, and so on; see `raysq.training.experiment_files.About`.
        trust: whether links may lead out of the directory.
    """

    def __init__(self, directory: Path, about: dict[str, Any], *, trust: bool = False):
        self.directory = directory
        self.about = about
        self.trust = trust
        if not trust:
            check_links(directory)

    def __repr__(self) -> str:
        fields = {"task": self.about.get("task"), "model": self.about.get("model")}
        return notebook.line("Experiment", self.name, {**fields, **notebook.readable(self._figures)})

    def _repr_html_(self) -> str:
        fields = {name: self.about.get(name) for name in ("task", "model", "data")}
        figures = notebook.readable(lambda: {**self._figures(), "best settings": self._best_settings()})
        return notebook.card(f"Experiment {self.name}", {**fields, **figures, "directory": self.directory})

    def _figures(self) -> dict[str, Any]:
        """Return the number of ended trials and the best value of the goal's metric for display."""
        requested = (self.about.get("requested") or {}).get("trials")
        trials = f"{self.done}" if requested is None else f"{self.done}/{requested}"
        return {"trials": trials, self.goal.metric: self.best_value}

    def _best_settings(self) -> dict[str, Any] | None:
        first = next(iter(self.trials), None)
        return None if first is None or first["state"] == "failed" else first["settings"]

    def dataframe(self) -> "pd.DataFrame":
        """Return the trials as a table, for custom analysis.

        Returns:
            A pandas DataFrame with one row per trial, best first, indexed by the trial's number (`trial`). Its columns
            are `state`, `epochs`, `seconds` of training, `val_loss` and the other metrics of the best epoch. Each
            searched setting has a column `config/NAME`. The last columns are `run` (the trial's directory) and `error`
            (why the trial failed). The table is empty before the first trial.

        Raises:
            DamagedError: `trials.json` is truncated or changed.

        Example:
            >>> frame = raysq.tune("jena", trials=16).dataframe()
            >>> frame.groupby("config/units")["val_mae"].min()
        """
        import pandas as pd

        rows = []
        for trial in self.trials:
            row = {name: trial[name] for name in ("state", "epochs", "seconds", "val_loss")}
            row |= trial.get("metrics") or {}
            row |= {f"config/{name}": value for name, value in trial["settings"].items()}
            rows.append({**row, "run": trial["run"], "error": trial["error"]})
        index = pd.Index([trial["number"] for trial in self.trials], name="trial", dtype="int64")
        first, last = ["state", "epochs", "seconds", "val_loss"], ["run", "error"]
        between = sorted({name for row in rows for name in row} - {*first, *last})
        return pd.DataFrame(rows, index, [*first, *between, *last])

    @classmethod
    def create(cls, folder: Path, name: str, about: Mapping[str, Any], *, trust: bool = False) -> "Experiment":
        """Create the experiment of a name, or return the existing one.

        Args:
            folder: parent directory of experiments.
            name: name of the experiment.
            about: request of the search.
            trust: whether links may lead out of an existing directory.

        Raises:
            UsageError: the name is not valid.
            RaysqError: the directory cannot be written.
        """
        check_name(name, "search")
        directory = folder / name
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RaysqError(f"{directory} cannot be written ({error.strerror}); choose another --storage") from None
        return cls(directory, dict(about), trust=trust)

    @classmethod
    def open(cls, experiment: str | Path) -> "Experiment":
        """Open an existing experiment.

        Args:
            experiment: directory, or name in RAYSQ_HOME/experiments.

        Raises:
            DataError: there is no such experiment, or a newer raysq wrote it.
        """
        for directory in (Path(experiment), home() / "experiments" / str(experiment)):
            if (directory / "experiment.json").exists():
                return cls(directory, files.read_about(directory))
        raise NotFoundError(f"no experiment {str(experiment)!r}", "`raysq runs` lists them")

    def begin(self, fresh: bool = False) -> None:
        """Begin or continue the search in this directory. Call this while holding the lock.

        Args:
            fresh: whether to remove all earlier files first.

        Raises:
            UsageError: the directory holds another search.
        """
        path = self.directory / "experiment.json"
        if fresh:
            for entry in self.directory.iterdir():
                if entry.name != ".lock":
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if path.exists() and (existing := files.read_about(self.directory))["id"] != self.about["id"]:
            digests = existing.get("source_digest"), self.about.get("source_digest")
            changed = digests[0] and digests[0] != digests[1] and existing.get("model") == self.about.get("model")
            why = "the model's source has changed" if changed else f"{existing['id']}, now {self.about['id']}"
            raise UsageError(
                f"experiment {self.name} exists with other settings ({why}): choose another --name, or --fresh to "
                "start anew"
            )
        write_json(path, {"format_version": files.FORMAT_VERSION, **self.about})

    @property
    def goal(self) -> Goal:
        """Metric by which the search ranks its trials."""
        return Goal.of(self.about)

    @property
    def name(self) -> str:
        """Name of the experiment's directory."""
        return self.directory.name

    @property
    def trials(self) -> list[dict[str, Any]]:
        """One record per trial, best first."""
        return files.read_trials(self.directory) or []

    @property
    def best(self) -> dict[str, Any] | None:
        """Settings and metrics of the best trial, or None before the search has ended."""
        return files.read_best(self.directory)

    @property
    def refit(self) -> dict[str, Any] | None:
        """Mean and standard deviation over several seeds of the best settings and the defaults, if requested."""
        return files.read_refit(self.directory)

    @cached_property
    def best_config(self) -> dict[str, Any]:
        """All settings of the best trial by name, as `section.name` where several sections have the name."""
        return short_names((self.best or {})["settings"])

    @cached_property
    def best_metrics(self) -> dict[str, float]:
        """Metrics of the best trial's best epoch."""
        return dict((self.best or {})["metrics"])

    @property
    def best_run(self) -> Run:
        """The run of the best trial.

        Raises:
            NotFoundError: the search has not ended, or the run was removed.
        """
        best = self.best
        if best is None:
            raise NotFoundError(
                f"experiment {self.name} has no best run yet", "the same `raysq tune` command continues it"
            )
        return Run.open(self.directory / "trials" / Path(best["run"]).name, trust=self.trust)

    @property
    def result_grid(self) -> "ResultGrid":
        """The trials as a `ray.tune.ResultGrid`, best first, those of earlier sessions included.

        Raises:
            DamagedError: files of a trial are damaged.
        """
        from raysq.tuning.result_grid import ExperimentResultGrid

        return ExperimentResultGrid(self.directory, self.trials, self.goal)

    def importance(self) -> dict[str, float]:
        """Return the share of the differences between trials that each setting explains, largest first.

        The shares are of fANOVA and add up to 1. They need `raysq[optuna]`.

        Raises:
            RaysqError: they are not known; the error has the reason.
        """
        found = importance(self._analysis())
        if not found.shares:
            raise RaysqError(f"the importance of the settings of {self.name} is not known: {found.reason}")
        return found.shares

    def timeline(self) -> "pd.DataFrame":
        """Return when trials were trained: a row for each stretch without interruption, with UTC times.

        Its columns are `trial`, `began`, `ended` and `seconds`.
        """
        import pandas as pd

        frame = pd.DataFrame([asdict(each) for each in timeline(self._analysis())], columns=["trial", "began", "ended"])
        frame["seconds"] = frame["ended"] - frame["began"]
        for name in ("began", "ended"):
            frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
        return frame

    def cost(self) -> dict[str, float]:
        """Return what the search cost: `trial_seconds`, `worker_seconds`, `gpu_seconds` and `elapsed_seconds`."""
        return cost(self._analysis()).to_json()

    def health(self) -> list[dict[str, str]]:
        """Return the health checks of the search, each with `name`, `status` ("pass", "warn" or "unknown") and `text`.

        They tell whether the best beats the defaults beyond the spread of seeds, whether it lies at the border of the
        space, how many trials failed, whether there are enough, and whether the best was trained to its end.
        """
        return [asdict(check) for check in checks(self._analysis())]

    def _analysis(self) -> SearchAnalysis:
        return open_experiment(self.directory, trust=self.trust)

    @property
    def done(self) -> int:
        """Number of trials that have ended."""
        return sum(record["state"] in ENDED for record in self.trials)

    @property
    def best_value(self) -> float | None:
        """Best value of the goal's metric so far, or None."""
        return next((value for trial in self.trials if (value := self.goal.value(trial)) is not None), None)

    @property
    def seconds(self) -> float:
        """Duration of the search in seconds, over all its sessions."""
        return files.read_seconds(self.directory)

    @property
    def was_stopped(self) -> bool:
        """Whether the user's stopper ended the search."""
        return files.was_stopped(self.directory)

    def write_seconds(self, seconds: float, stopped: bool = False) -> None:
        """Record the duration of the search over all sessions, and whether the user's stopper ended it."""
        write_json(
            self.directory / "clock.json", {"seconds": round(seconds, 1), **({"stopped": True} if stopped else {})}
        )

    def write_generations(self, generations: Sequence[Mapping[str, Any]]) -> None:
        """Record the space of each generation that has begun."""
        write_json(self.directory / "generations.json", list(generations))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the experiment for this process.

        Raises:
            RaysqError: another process holds the lock.
        """
        message = f"experiment {self.name} is being searched by another process; wait for it, or use --name"
        with is_locked(self.directory / ".lock", message):
            yield

    def state(self) -> str:
        """Return the search's state: "running", "finished", "out of time", "failed" or "interrupted"."""
        try:
            with self.lock():
                pass
        except RaysqError:
            return "running"
        states = {record["state"] for record in self.trials}
        if states and states <= {"failed"}:
            return "failed"
        if "interrupted" in states:
            return "interrupted"
        if "out of time" in states:
            return "out of time"
        return "interrupted" if self.best is None else "finished"

    def report(self, *, output: str | Path | None = None, **options: Any) -> Report:
        """Write the search's report, which notebooks show in the cell; see `Run.report`."""
        from raysq.report.page import write_report  # not needed to list searches

        return Report(write_report(self.directory, output=output, trust=self.trust, **options))

    def show(self, console: Any = None) -> None:
        """Print the trials, the best settings, and commands for the next steps.

        Args:
            console: console of rich. Defaults to standard output.
        """
        from raysq.display.console import Console
        from raysq.tuning.print_results import print_results

        print_results(self, console or Console(soft_wrap=True))


def experiments(on_damaged: Callable[[Path, DataError], None] | None = None) -> list[Experiment]:
    """Return all experiments of RAYSQ_HOME, newest first.

    Args:
        on_damaged: called with the directory and the error of each experiment that cannot be read. Such experiments are
            left out. Defaults to a warning.

    Example:
        >>> [experiment.name for experiment in raysq.experiments()]
    """
    found = newest_first("experiments/*/experiment.json", Experiment.open, "search", on_damaged)
    return notebook.Listing(found, ("search", "task", "model", "state", "trials", "best value"), _row, names=4)


def _row(experiment: Experiment) -> list[str]:
    """Return a search's row of a notebook's table."""

    def read() -> dict[str, Any]:
        best = f"{experiment.goal.metric} {metric(experiment.best_value)}"
        return {"trials": str(experiment.done), "best": best, "state": experiment.state()}

    found = notebook.readable(read)
    about = experiment.about
    return [
        experiment.name,
        about["task"],
        about["model"],
        found["state"],
        found.get("trials", ""),
        found.get("best", ""),
    ]
