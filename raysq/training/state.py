"""State of a training run besides the values of its variables."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class TrainState:
    """State from which the training loop continues exactly.

    Attributes:
        epoch: number of finished epochs.
        step: number of finished steps over all epochs.
        seconds: time spent in training and validation so far.
        best: lowest val_loss so far.
        best_epoch: epoch of the lowest val_loss, counted from 1; 0 before the first.
        wait: number of epochs since `best_epoch`.
        plateau_wait: number of epochs since `best_epoch` or since the learning rate was last lowered.
        rate_scale: factor on the learning rate (schedule "plateau").
        stopped: whether training ended before the last epoch, by early stopping or for lack of trainable weights.
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
        """Return a dictionary ready for JSON, in which `best` is None before the first epoch."""
        return {**asdict(self), "best": None if self.best_epoch == 0 else self.best}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TrainState":
        """Return the state of a dictionary made by `to_json`."""
        best = values["best"]
        return cls(**{**values, "best": float("inf") if best is None else best})
