"""Track a run: its settings, epochs, result, report and model."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from raysq import __version__
from raysq.errors import DamagedError
from raysq.training.run import Run
from raysq.training.trackers.following import Following
from raysq.training.trackers.tracker import Tracker


class Tracking(Following):
    """Tracking of a run. Use it as a context manager around training; see `Following`.

    Args:
        run: the run.
        tracker, parent: see `Following`.
    """

    def __init__(self, run: Run, tracker: str, *, parent: str | None = None):
        super().__init__(run.directory, tracker, run.config.task, parent=parent)
        self.run = run

    def parameters(self) -> tuple[Mapping[str, object], Mapping[str, str]]:
        config = self.run.config
        tags = {"task": config.task, "model": config.model, "run": str(self.run.directory), "version": __version__}
        parameters = {**config.by_name(), "seed": config.seed, "data": config.data}
        return parameters, {f"raysq.{key}": value for key, value in tags.items()}

    def update(self, tracker: Tracker) -> None:
        try:
            records = self.run.metrics()[self.epochs :]
        except DamagedError:
            return  # training reports it
        for record in records:
            tracker.log_metrics(numbers(record, skipped=("epoch", "step", "best")), record["epoch"])
            self.remember(record["epoch"])

    def finish(self, tracker: Tracker) -> None:
        result = self.run.result()
        if result is not None:
            tracker.log_metrics(numbers(result["metrics"], prefix="best_"), result["epochs"])

    def make_files(self) -> list[Path]:
        from raysq.report.page import write_report

        if self.run.result() is None:
            return []
        files = [path for path in (self.run.directory / "model.keras",) if path.exists()]
        return [*files, write_report(self.run, on_message=lambda message: None)]


def tracked(run: Run, tracker: str | None) -> AbstractContextManager[Any]:
    """Return the tracking of a run; one that does nothing if `tracker` is None."""
    return nullcontext() if tracker is None else Tracking(run, tracker)


def numbers(values: Mapping[str, Any], *, skipped: tuple[str, ...] = (), prefix: str = "") -> dict[str, float]:
    """Return the numbers among values, by prefixed name."""
    return {
        prefix + name: float(value)
        for name, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and name not in skipped
    }
