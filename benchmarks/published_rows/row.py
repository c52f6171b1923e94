"""What a row of a table of published figures is, and the data that it is measured on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Data:
    """A data set, prepared from a file of the folder of data.

    Attributes:
        task: task that prepares it.
        source: path of the file or folder, relative to the folder of data.
        settings: settings of `raysq prepare`. "DATA/" at the beginning of a value stands for the folder of data.
    """

    task: str
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A figure that is measured with some seeds beside the published one.

    Attributes:
        file: name of the JSON file of results, without its ending; a table.
        what: what is measured; a line of the table.
        variant: column of the table, such as "keras2", "keras3" or "best".
        data: data set.
        model: model to train.
        metric: metric of an epoch's record, such as "val_accuracy" or "loss", or of the kept weights, "test_accuracy"
            or "test_bleu_beam5".
        published: published figure, or None.
        epoch: "kept" for the weights of the lowest val_loss, "best" for the best epoch of the metric, or the number of
            an epoch.
        preset: preset of Keras, or None.
        settings: settings of `raysq train`.
        seeds: seeds.
        note: what differs from the published protocol.
    """

    file: str
    what: str
    variant: str
    data: Data
    model: str
    metric: str
    published: float | None = None
    epoch: Literal["kept", "best"] | int = "kept"
    preset: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = SEEDS
    note: str = ""

    @property
    def key(self) -> str:
        """Name of the row for `--only`."""
        return f"{self.file}/{self.what}/{self.variant}"
