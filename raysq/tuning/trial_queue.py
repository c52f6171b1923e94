"""Trials of a search: which is next, their records, and when the search should stop."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from raysq.errors import DamagedError, UsageError
from raysq.storage.atomic import write_json
from raysq.training import checkpoint
from raysq.training.run_files import RunFiles
from raysq.tuning.experiment import ENDED, Experiment
from raysq.tuning.space import Space, rounded
from raysq.tuning.trial import TrialResult, TrialSpec

# A search ends if its first trials, this many, failed for the same cause and no trial did better.
_SAME_ERRORS = 3


def run_name(number: int) -> str:
    """Return the name of the run of a trial, whose number is counted from 1."""
    return f"trial-{number:02}"


class TrialQueue:
    """Queue of an experiment's trials, which are recorded in `trials.json` as soon as they are drawn.

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
                self._update(record, "interrupted")
        self.optuna = _Optuna(space, seed, self.records.values()) if searcher == "optuna" else None
        self._queue: list[int] = []

    # ---- before a session

    def unfinished(self) -> list[dict[str, Any]]:
        """Return the records of interrupted trials."""
        return [record for record in self.records.values() if record["state"] not in ENDED]

    def out_of_time(self) -> list[dict[str, Any]]:
        """Return the records of trials that ended because the time limit was reached."""
        return [record for record in self.records.values() if record["state"] == "out of time"]

    def undrawn(self) -> int:
        """Return the number of trials that are not drawn yet."""
        return max(0, self.trials - len(self.records))

    def queue_unfinished(self) -> None:
        """Queue the interrupted trials and those that are out of time, to continue them."""
        self._queue = sorted(record["number"] for record in [*self.unfinished(), *self.out_of_time()])
        for number in self._queue:
            for name in ("result.json", "model.keras"):
                (self.folder / run_name(number) / name).unlink(missing_ok=True)
            self.records[number]["state"] = "interrupted"

    def remaining(self) -> int:
        """Return the number of trials for this session."""
        return len(self._queue) + self.undrawn()

    def ended_trials(self) -> dict[str, list[dict[str, Any]]]:
        """Return the epoch records of ended trials by name, for Ray Tune's scheduler."""
        records = {}
        for number, record in sorted(self.records.items()):
            if record["state"] in ("finished", "stopped early"):
                with contextlib.suppress(DamagedError):  # leave out a damaged trial
                    records[run_name(number)] = RunFiles(self.folder / run_name(number)).metrics()
        return records

    # ---- during a session

    def next_trial(self) -> TrialSpec | Literal["finished"] | None:
        """Return the next trial, or "finished".

        Queued trials come first, then new ones. The first new trial has the default settings.
        """
        if self._queue:
            number = self._queue.pop(0)
        elif not self.undrawn():
            return "finished"
        else:
            number = next(number for number in range(1, self.trials + 1) if number not in self.records)
            self.records[number] = {"number": number, "settings": self._draw(number), "state": "interrupted"}
            self._update(self.records[number], "interrupted")
            self.save()
        settings = self.records[number]["settings"]
        return TrialSpec(run_name(number), settings, {**self.fixed, **settings}, self.seed)

    def requeue(self, name: str) -> None:
        """Put a lost trial at the front of the queue."""
        self._queue.insert(0, self._record(name)["number"])

    def _draw(self, number: int) -> dict[str, Any]:
        if self.points is not None:
            return self.points[number - 1]
        assert self.optuna is not None
        return dict(self.space.defaults) if number == 1 else self.optuna.suggest(number)

    def on_epoch_end(self, name: str, epoch: int, score: float, memory: int) -> None:
        """Record a finished epoch of a trial; see `raysq.tuning.trial.TrialScheduler`."""
        record = self._record(name)
        record["epochs"], record["val_loss"] = epoch, score
        record["memory"] = max(record.get("memory", 0), memory)

    def memory(self) -> int:
        """Return the largest memory of a trial's process in bytes; 0 before a trial has reported any."""
        return max((record.get("memory", 0) for record in self.records.values()), default=0)

    def on_trial_end(self, name: str, stop_reason: str | None, error: str | None) -> TrialResult:
        """Record the end of a trial; see `raysq.tuning.trial.TrialScheduler`.

        The result asks the session to stop where the first trials all failed for the same cause.
        """
        record = self._record(name)
        if error is not None:
            record["error"] = error
        stopped = {None: "stopped early", "out of time": "out of time"}.get(stop_reason, "interrupted")
        self._update(record, stopped)
        state = record["state"]
        if state in ("interrupted", "out of time") and not (self.folder / name / "config.json").exists():
            del self.records[record["number"]]  # drawn, but never begun
            state = ""
        elif self.optuna is not None and state in ENDED:
            self.optuna.tell(record)
        self.save()
        stop = "all fail alike" if self.fails_alike() else None
        return TrialResult(state, record["error"], record["seconds"], stop)

    def _record(self, name: str) -> dict[str, Any]:
        return self.records[int(name.removeprefix("trial-"))]

    def _update(self, record: dict[str, Any], state: str) -> None:
        """Update a trial's record from its run's directory."""
        run = RunFiles(self.folder / run_name(record["number"]))
        epochs: list[dict[str, Any]] = []
        result, error = None, record.get("error") or run.failure()
        try:
            # A trial that was stopped may have recorded an epoch whose weights were not written.
            result = run.result()
            epochs = checkpoint.saved_records(run) if result is None else run.metrics()
        except DamagedError as damage:
            error = error or str(damage)
        best = min(epochs, key=lambda epoch: epoch["val_loss"], default={})
        record |= {
            "state": "failed" if error else result.get("ended", "finished") if result else state,
            "epochs": len(epochs),
            "val_loss": best.get("val_loss"),
            "metrics": {key: value for key, value in best.items() if key.startswith("val_")},
            "seconds": epochs[-1]["seconds"] if epochs else 0.0,
            "run": str(run.directory) if (run.directory / "config.json").exists() else None,
            "error": error,
        }

    # ---- after a session

    def common_error(self) -> str | None:
        """Return the common cause if all trials that have ended or reported an epoch failed for it, else None."""
        begun = [record for record in self.records.values() if record["state"] in ENDED or record["epochs"]]
        errors = {record["error"] for record in begun}
        return errors.pop() if len(errors) == 1 and all(record["state"] == "failed" for record in begun) else None

    def fails_alike(self) -> bool:
        """Return whether the first trials failed for the same cause and no trial did better.

        The remaining trials would then fail too. The first trials are those drawn first, since a trial with a wrong
        value may fail while the defaults are still training.
        """
        states = [self.records[number]["state"] for number in sorted(self.records)[:_SAME_ERRORS]]
        return states == ["failed"] * _SAME_ERRORS and self.common_error() is not None

    def ranked(self) -> list[dict[str, Any]]:
        """Return the records of all trials, best first and failed ones last."""
        return sorted(
            self.records.values(),
            key=lambda trial: (
                trial["state"] == "failed",
                trial["val_loss"] is None,
                trial["val_loss"],
                trial["number"],
            ),
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

    def __init__(self, space: Space, seed: int, records: Iterable[Mapping[str, Any]]):
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
    """Return the directory of the run of a trial's record."""
    return experiment.directory / "trials" / run_name(record["number"])
