"""Published figures of a task, each with the protocol that it was measured under."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from raysq.errors import UsageError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Published:
    """A published figure of a model.

    Attributes:
        model: name of the model.
        metric: name of the metric with its split, as in `metrics.jsonl`: "val_mae", "test_accuracy"; "loss" and other
            names without a split are of training.
        value: the figure.
        source: where it was published.
        epoch: the epoch that it is of: "best" of the weights with the lowest validation loss, "peak" of the epoch with
            the best value of this metric, "last" of the last epoch. Defaults to "best".
        settings: settings of the published protocol where they differ from the defaults of the task and the model.
        file: name of the raw file, where the protocol depends on the order of its rows. Defaults to any form of the
            task's data.
        preset: name of the preset with the defaults of the Keras version that the figure was measured with.
            Defaults to those of Keras 3.
    """

    model: str
    metric: str
    value: float
    source: str
    epoch: Literal["best", "peak", "last"] = "best"
    settings: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""
    preset: str = ""

    def __post_init__(self) -> None:
        if self.epoch not in ("best", "peak", "last"):
            raise UsageError(f"a published figure is of the best, peak or last epoch, received epoch={self.epoch!r}")
        if self.metric.startswith("test_") and self.epoch != "best":
            raise UsageError(
                f"{self.metric} is measured with the best weights only, received epoch={self.epoch!r}: leave it out"
            )

    @property
    def split(self) -> str:
        """The split that the figure is of: "train", "val" or "test"."""
        split = self.metric.partition("_")[0]
        return split if split in SPLITS else "train"

    @property
    def protocol(self) -> str:
        """What is particular to the protocol, for display: epoch, settings, file and preset."""
        of_epoch = {"best": [], "peak": ["best epoch of this metric"], "last": ["last epoch"]}[self.epoch]
        parts = [*of_epoch, *(f"{name}={value}" for name, value in self.settings.items())]
        parts += [self.file] if self.file else []
        parts += [f"preset {self.preset}"] if self.preset else []
        return ", ".join(parts)
