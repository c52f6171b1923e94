"""Trials of a search: which is next, their records, and when the search should stop."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from raysq.errors import DamagedError
from raysq.storage.atomic import write_json
from raysq.training import checkpoint
from raysq.training.goal import LOWEST_LOSS, Goal, best_record
from raysq.training.run_files import RunFiles
from raysq.training.schedule_file import read_schedule
from raysq.tuning.experiment import ENDED, Experiment
from raysq.tuning.proposals import Proposals
from raysq.tuning.space import Space
from raysq.tuning.trial import BY_STOPPER, TrialResult, TrialSpec

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
        trials: number of requested trials of a generation.
        seed: seed of the search and of every trial.
        fixed: settings that are fixed for all trials.
        searcher: "random", "optuna", or a searcher of Ray Tune.
        goal: goal of the search. Defaults to the lowest val_loss.
        generations: number of generations. Defaults to 1.
    """

    def __init__(
        self,
        experiment: Experiment,
        space: Space,
        *,
        trials: int,
        seed: int,
        fixed: Mapping[str, Any],
        searcher: Any,
        goal: Goal = LOWEST_LOSS,
        generations: int = 1,
    ):
        self.experiment, self.seed, self.fixed = experiment, seed, dict(fixed)
        self.folder = experiment.directory / "trials"
        self.goal = goal
        self.records: dict[int, dict[str, Any]] = {record["number"]: record for record in experiment.trials}
        for record in self.records.values():
            if record["state"] == "interrupted":  # it may have ended shortly before the driver
                self._update(record, "interrupted")
        self.proposals = Proposals(
            space,
            self.goal,
            seed=seed,
            searcher=searcher,
            trials=trials,
            generations=generations,
            records=self.records,
        )
        self._queue: list[int] = []

    @property
    def trials(self) -> int:
        """Number of trials over all generations."""
        return self.proposals.total

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
        else:
            generations = len(self.proposals.begun)
            proposal = self.proposals.next(self.records)
            if proposal is None or proposal == "finished":
                return proposal
            number, settings = proposal
            if len(self.proposals.begun) > generations:
                self.experiment.write_generations(self.proposals.spaces())
            self.records[number] = {"number": number, "settings": settings, "state": "interrupted"}
            self._update(self.records[number], "interrupted")
            self.save()
        settings = self.records[number]["settings"]
        return TrialSpec(run_name(number), settings, {**self.fixed, **settings}, self.seed)

    def requeue(self, name: str) -> None:
        """Put a lost trial at the front of the queue."""
        self._queue.insert(0, self._record(name)["number"])

    def on_epoch_end(self, name: str, epoch: int, score: float, memory: int) -> None:
        """Record a finished epoch of a trial; see `raysq.tuning.trial.TrialScheduler`."""
        record = self._record(name)
        record["epochs"] = epoch
        self.goal.record(record, score)
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
        ends = {None: "stopped early", BY_STOPPER: "stopped early", "out of time": "out of time"}
        stopped = ends.get(stop_reason, "interrupted")
        self._update(record, stopped)
        state = record["state"]
        if state in ("interrupted", "out of time") and not (self.folder / name / "config.json").exists():
            del self.records[record["number"]]  # drawn, but never begun
            state = ""
        elif state in ENDED:
            self.proposals.tell(record)
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
        with contextlib.suppress(DamagedError):
            if schedule := read_schedule(run):
                record |= {"settings": schedule[-1]["settings"], "schedule": schedule}
        best = best_record(epochs) or {}
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
        return self.goal.rank(self.records.values())

    def best(self) -> dict[str, Any] | None:
        """Return the record of the best trial that did not fail, or None."""
        first = next(iter(self.ranked()), None)
        return first if first and first["state"] != "failed" and self.goal.value(first) is not None else None

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


def trial_directory(experiment: Experiment, record: Mapping[str, Any]) -> Path:
    """Return the directory of the run of a trial's record."""
    return experiment.directory / "trials" / run_name(record["number"])
