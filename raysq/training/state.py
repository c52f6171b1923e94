"""Where a training run stands, besides the values of variables."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class TrainState:
    """What the loop needs to go on exactly where it was.

    Attributes:
        epoch: finished epochs.
        step: finished steps, over all epochs.
        seconds: time spent in training and validation so far.
        best: lowest val_loss so far.
        best_epoch: its epoch, counted from 1; 0 before the first.
        wait: epochs since then.
        plateau_wait: epochs since then or since the learning rate was last lowered.
        rate_scale: factor on the learning rate ("plateau").
        stopped: whether early stopping ended it.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float = float("inf")
    best_epoch: int = 0
    wait: int = 0
    plateau_wait: int = 0
    rate_scale: float = 1.0
    stopped: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a JSON-ready dictionary; the infinity before the first epoch becomes None."""
        return {**asdict(self), "best": None if self.best_epoch == 0 else self.best}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TrainState":
        """The inverse of `to_json`."""
        best = values["best"]
        return cls(**{**values, "best": float("inf") if best is None else best})
