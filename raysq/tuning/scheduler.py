"""Scheduler of a search: its next trials, their records, and when the search should stop."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from raysq.errors import DamagedError, UsageError
from raysq.storage.atomic import write_json
from raysq.training.run import Run
from raysq.tuning.experiment import ENDED, Experiment
from raysq.tuning.run_trial import lowest
from raysq.tuning.session import TrialResult, TrialSpec
from raysq.tuning.space import Space, rounded

# A search ends if its first trials, this many, failed for the same cause and no trial did better.
_ALIKE = 3


def run_name(number: int) -> str:
    """Return the name of a trial's run.

    Args:
        number: number of the trial, counted from 1.
    """
    return f"trial-{number:02}"


class SearchScheduler:
    """Scheduler of an experiment's trials, which are recorded in `trials.json` as soon as they are drawn.

    Args:
        experiment: the experiment, whose lock the search holds.
        space: search space.
        trials: number of requested trials.
        seed: seed of the search and of every trial.
        fixed: settings that are fixed for all trials.
        searcher: "random" or "optuna".
    """

    def __init__(
        self, experiment: Experiment, space: Space, *, trials: int, seed: int, fixed: Mapping[str, Any], searcher: str
    ):
        self.experiment, self.space, self.seed, self.fixed = experiment, space, seed, dict(fixed)
        self.folder = experiment.directory / "trials"
        self.points = space.points(trials, seed) if searcher == "random" else None
        self.trials = trials if self.points is None else len(self.points)
        self.records: dict[int, dict[str, Any]] = {record["number"]: record for record in experiment.trials}
        for record in self.records.values():
            if record["state"] == "interrupted":  # it may have ended shortly before the driver
                self._look(record, "interrupted")
        self.optuna = _Optuna(space, seed, self.records.values()) if searcher == "optuna" else None
        self._waiting: list[int] = []

    # ---- before a session

    def unfinished(self) -> list[dict[str, Any]]:
        """Return the records of interrupted trials."""
        return [record for record in self.records.values() if record["state"] not in ENDED]

    def out_of_time(self) -> list[dict[str, Any]]:
        """Return the records of trials that ended because the time limit was reached."""
        return [record for record in self.records.values() if record["state"] == "out of time"]

    def missing(self) -> int:
        """Return the number of trials that are not drawn yet."""
        return max(0, self.trials - len(self.records))

    def prepare(self) -> None:
        """Queue the interrupted trials and those that are out of time, to continue them."""
        self._waiting = sorted(record["number"] for record in [*self.unfinished(), *self.out_of_time()])
        for number in self._waiting:
            for name in ("result.json", "model.keras"):
                (self.folder / run_name(number) / name).unlink(missing_ok=True)
            self.records[number]["state"] = "interrupted"

    def left(self) -> int:
        """Return the number of trials for this session."""
        return len(self._waiting) + self.missing()

    def past(self) -> dict[str, list[dict[str, Any]]]:
        """Return the epoch records of ended trials by name, for Ray Tune's scheduler."""
        found = {}
        for number, record in sorted(self.records.items()):
            if record["state"] in ("finished", "stopped early"):
                with contextlib.suppress(DamagedError):  # leave out a damaged trial
                    found[run_name(number)] = Run(self.folder / run_name(number), None).metrics()  # type: ignore[arg-type]
        return found

    # ---- during a session

    def next(self) -> TrialSpec | Literal["finished"] | None:
        """Return the next trial, or "finished".

        Queued trials come first, then new ones. The first new trial has the default settings.
        """
        if self._waiting:
            number = self._waiting.pop(0)
        elif not self.missing():
            return "finished"
        else:
            number = next(one for one in range(1, self.trials + 1) if one not in self.records)
            self.records[number] = {"number": number, "settings": self._draw(number), "state": "interrupted"}
            self._look(self.records[number], "interrupted")
            self.save()
        settings = self.records[number]["settings"]
        return TrialSpec(run_name(number), settings, {**self.fixed, **settings}, self.seed)

    def again(self, name: str) -> None:
        """Put a lost trial at the front of the queue.

        Args:
            name: name of the trial.
        """
        self._waiting.insert(0, self._record(name)["number"])

    def _draw(self, number: int) -> dict[str, Any]:
        if self.points is not None:
            return self.points[number - 1]
        assert self.optuna is not None
        return dict(self.space.defaults) if number == 1 else self.optuna.suggest(number)

    def reported(self, name: str, epoch: int, score: float, memory: int) -> None:
        """Record a finished epoch of a trial; see `raysq.tuning.session.TrialScheduler.reported`."""
        record = self._record(name)
        record["epochs"], record["val_loss"] = epoch, score
        record["memory"] = max(record.get("memory", 0), memory)

    def memory(self) -> int:
        """Return the largest memory of a trial's process in bytes; 0 where none is known."""
        return max((record.get("memory", 0) for record in self.records.values()), default=0)

    def ended(self, name: str, reason: str | None, error: str | None) -> TrialResult:
        """Record the end of a trial; see `raysq.tuning.session.TrialScheduler.ended`.

        The result asks the session to stop where the first trials all failed for the same cause.
        """
        record = self._record(name)
        if error is not None:
            record["error"] = error
        stopped = {None: "stopped early", "out of time": "out of time"}.get(reason, "interrupted")
        self._look(record, stopped)
        if record["state"] in ("interrupted", "out of time") and not (self.folder / name / "config.json").exists():
            del self.records[record["number"]]  # drawn, but never begun
        elif self.optuna is not None and record["state"] in ENDED:
            self.optuna.tell(record)
        self.save()
        known = record["number"] in self.records
        stop = "all fail alike" if self.fails_alike() else None
        return TrialResult(record["state"] if known else "", record["error"], record["seconds"], stop)

    def _record(self, name: str) -> dict[str, Any]:
        return self.records[int(name.removeprefix("trial-"))]

    def _look(self, record: dict[str, Any], state: str) -> None:
        """Update a trial's record from its run's directory."""
        directory = self.folder / run_name(record["number"])
        run = Run(directory, None)  # type: ignore[arg-type]
        history: list[dict[str, Any]] = []
        result, error = None, record.get("error") or run.failure()
        try:
            history, result = run.metrics(), run.result()
        except DamagedError as damage:
            error = error or str(damage)
        best = min(history, key=lambda one: one["val_loss"], default=None)
        figures = best or {}
        record |= {
            "state": "failed" if error else result.get("ended", "finished") if result else state,
            "epochs": len(history),
            "val_loss": lowest(history) if history else None,
            "metrics": {key: value for key, value in figures.items() if key.startswith("val_")},
            "seconds": history[-1]["seconds"] if history else 0.0,
            "run": str(directory) if (directory / "config.json").exists() else None,
            "error": error,
        }

    # ---- after a session

    def cause(self) -> str | None:
        """Return the common cause if all trials that have ended or reported an epoch failed for it, else None."""
        known = self._known()
        reasons = {record["error"] for record in known}
        return reasons.pop() if len(reasons) == 1 and all(record["state"] == "failed" for record in known) else None

    def fails_alike(self) -> bool:
        """Return whether the first trials failed for the same cause and no trial did better.

        The remaining trials would then fail too. The first trials are those drawn first, since a trial with a wrong
        value may fail while the defaults are still training.
        """
        first = [self.records[number]["state"] for number in sorted(self.records)[:_ALIKE]]
        return first == ["failed"] * _ALIKE and self.cause() is not None

    def _known(self) -> list[dict[str, Any]]:
        return [record for record in self.records.values() if record["state"] in ENDED or record["epochs"]]

    def ranked(self) -> list[dict[str, Any]]:
        """Return the records of all trials, best first and failed ones last."""
        return sorted(
            self.records.values(),
            key=lambda one: (one["state"] == "failed", one["val_loss"] is None, one["val_loss"], one["number"]),
        )

    def best(self) -> dict[str, Any] | None:
        """Return the record with the lowest val_loss among trials that did not fail, or None."""
        first = next(iter(self.ranked()), None)
        return first if first and first["state"] != "failed" and first["val_loss"] is not None else None

    def give_up(self) -> None:
        """Mark interrupted trials as out of time, and remove those that were never begun."""
        for record in self.unfinished():
            if record["run"]:
                record["state"] = "out of time"
            else:
                del self.records[record["number"]]
        self.save()

    def save(self) -> None:
        """Write `trials.json`."""
        write_json(self.experiment.directory / "trials.json", self.ranked())


class _Optuna:
    """Optuna's suggestions, through Ray Tune's searcher."""

    def __init__(self, space: Space, seed: int, records: Any):
        require_optuna()
        from ray.tune.search.optuna import OptunaSearch

        self.space = space
        distributions = OptunaSearch.convert_search_space(space.for_ray())
        self._search = OptunaSearch(space=distributions, metric="score", mode="min", seed=seed)
        self._drawn: set[int] = set()
        for record in records:
            if record["state"] in ENDED:
                self.tell(record)

    def suggest(self, number: int) -> dict[str, Any]:
        self._drawn.add(number)
        point = self._search.suggest(str(number))
        return {key: rounded(domain, point[key]) for key, domain in self.space.domains.items()}

    def tell(self, record: Mapping[str, Any]) -> None:
        number, value = record["number"], record["val_loss"]
        failed = record["state"] == "failed" or value is None
        if number in self._drawn:
            self._drawn.discard(number)
            self._search.on_trial_complete(str(number), None if failed else {"score": value}, error=failed)
        elif self.space.contains(record["settings"]):
            # The defaults, and trials of earlier sessions.
            self._search.add_evaluated_point(dict(record["settings"]), value, error=failed)


def require_optuna() -> None:
    """Check that Optuna is installed, and silence its log.

    Raises:
        UsageError: Optuna is not installed.
    """
    try:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
    except ImportError:
        raise UsageError("--searcher optuna needs Optuna: pip install 'raysq[optuna]'") from None


def trial_directory(experiment: Experiment, record: Mapping[str, Any]) -> Path:
    """Return the directory of a trial's run.

    Args:
        experiment: the experiment.
        record: record of the trial.
    """
    return experiment.directory / "trials" / run_name(record["number"])
