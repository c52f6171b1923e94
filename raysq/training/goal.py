"""Goal of a search: the metric by which it ranks its trials."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from raysq.config import nearest_name
from raysq.errors import UsageError
from raysq.report.metrics import Metric

MODES = ("min", "max")
_LOSS = "val_loss"
_Record = TypeVar("_Record", bound=Mapping[str, Any])


@dataclass(frozen=True)
class Goal:
    """Metric that a search optimizes, and its direction.

    A trial is worth the metric of its best epoch, which is the one with the lowest val_loss: the weights of that epoch
    are kept and exported.

    Attributes:
        metric: name of a validation metric as in `metrics.jsonl`.
        mode: "min" or "max".
    """

    metric: str = _LOSS
    mode: str = "min"

    @classmethod
    def make(cls, metric: str | None, mode: str | None) -> "Goal":
        """Return the goal of a metric; without a mode, accuracies and the like are maximized and others minimized.

        Raises:
            UsageError: the metric is not one of the validation split, or the mode is unknown.
        """
        metric = metric or _LOSS
        if not metric.startswith("val_"):
            raise UsageError(
                f"--metric names a metric of the validation split, such as val_loss, received {metric!r}: "
                f"did you mean val_{metric.removeprefix('train_').removeprefix('test_')}?"
            )
        if mode is None:
            mode = "max" if Metric(metric.removeprefix("val_")).higher_is_better else "min"
        if mode not in MODES:
            raise UsageError(f"unknown --mode {mode!r}: {nearest_name(mode, MODES)}")
        return cls(metric, mode)

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> "Goal":
        """Return the goal of a search from the content of its `experiment.json`."""
        requested = about.get("requested") or {}
        return cls(requested.get("metric", _LOSS), requested.get("mode", "min"))

    @property
    def is_loss(self) -> bool:
        """Whether the metric is val_loss."""
        return self.metric == _LOSS

    @property
    def is_default(self) -> bool:
        """Whether the search minimizes val_loss."""
        return self == LOWEST_LOSS

    @property
    def words(self) -> str:
        """The metric's name in words, such as "validation accuracy"."""
        return f"validation {Metric(self.metric.removeprefix('val_')).words}"

    def check(self, names: Iterable[str]) -> None:
        """Check that a run records the metric.

        Raises:
            UsageError: it does not; the error names the nearest.
        """
        names = sorted(name for name in names if name.startswith("val_"))
        if self.metric not in names:
            raise UsageError(f"--metric {self.metric}: no run records it: {nearest_name(self.metric, names)}")

    def score(self, value: float | None) -> float:
        """Return a value of the metric so that lower is better; infinity for none or NaN."""
        if value is None or math.isnan(value):
            return math.inf
        return -value if self.mode == "max" else value

    def of_score(self, score: float | None) -> float | None:
        """Return the value of a score, or None where there is none."""
        if score is None or math.isinf(score):
            return None
        return -score if self.mode == "max" else score

    def score_of(self, records: Sequence[Mapping[str, Any]]) -> float:
        """Return the score of a run from the records of its epochs; infinity where there are none.

        Raises:
            UsageError: the records lack the metric.
        """
        best = best_record(records)
        if best is None:
            return math.inf
        self.check(best)
        return self.score(best[self.metric])

    def value(self, trial: Mapping[str, Any]) -> float | None:
        """Return the metric of a trial's record, or None for a trial without one."""
        value = trial["val_loss"] if self.metric == _LOSS else (trial.get("metrics") or {}).get(self.metric)
        return None if value is None or math.isnan(value) else float(value)

    def record(self, trial: dict[str, Any], score: float) -> None:
        """Write the score of a trial that is being trained into its record."""
        value = self.of_score(score)
        if self.metric == _LOSS:
            trial["val_loss"] = value
        elif value is not None:
            trial["metrics"] = {**(trial.get("metrics") or {}), self.metric: value}

    def rank(self, trials: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the records of trials, best first and failed ones last."""
        return sorted(
            trials,
            key=lambda trial: (
                trial["state"] == "failed",
                self.value(trial) is None,
                self.score(self.value(trial)),
                trial["number"],
            ),
        )


LOWEST_LOSS = Goal()


def best_record(records: Iterable[_Record]) -> _Record | None:
    """Return the record of the epoch with the lowest val_loss, the first of several; None where there are none."""
    return min(records, key=lambda record: LOWEST_LOSS.score(record["val_loss"]), default=None)
