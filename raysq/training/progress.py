"""Progress display of training on standard error: a progress bar, and a line per epoch."""

from collections.abc import Mapping
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from raysq.display.live import LiveOutput
from raysq.display.numbers import metric
from raysq.problems.samples import in_a_line
from raysq.training.run_files import EpochSamples
from raysq.training.state import TrainState

_MAX_FIGURES = 8  # figures on a line


class TrainProgress:
    """Progress bar of the current epoch, and a line for each finished epoch.

    Use it as a context manager. The bar is shown on a terminal and in a notebook only.

    Args:
        epochs: number of epochs of the run.
        quiet: whether to show nothing. Defaults to False.
    """

    def __init__(self, epochs: int, quiet: bool = False):
        self.epochs = epochs
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]:>3}/" + str(epochs)),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._task = self._bar.add_task("", total=1, epoch=1, note="starting")
        self._output = LiveOutput(self._bar, quiet=quiet)

    def __enter__(self) -> "TrainProgress":
        self._output.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._output.__exit__()

    def on_train_batch_end(self, state: TrainState, loss: float, steps_per_epoch: int) -> None:
        """Update the bar after a call of compiled steps."""
        self.show(state.epoch, state.step, loss, steps_per_epoch)

    def show(self, epoch: int, step: int, loss: float, steps_per_epoch: int) -> None:
        """Update the bar.

        Args:
            epoch: number of finished epochs.
            step: number of finished steps over all epochs.
            loss: latest loss.
            steps_per_epoch: number of steps of an epoch.
        """
        done = step - epoch * steps_per_epoch
        note = "validating" if done == steps_per_epoch else f"loss {metric(loss)}"
        self._bar.update(self._task, completed=done, total=steps_per_epoch, epoch=epoch + 1, note=note)

    def print(self, line: str) -> None:
        """Print a line above the bar."""
        self._output.print(line)

    def on_samples(self, samples: EpochSamples) -> None:
        """Print the samples after an epoch, a line each."""
        for sample in samples["samples"]:
            self.print(f"      {sample['title']}: {in_a_line(sample['text'])}")

    def on_epoch_end(self, record: Mapping[str, Any]) -> None:
        """Print the line of a finished epoch from its record, as yielded by `raysq.training.loop.fit`."""
        skipped = ("epoch", "step", "seconds", "learning_rate", "best")
        names = [name for name, value in record.items() if name not in skipped and isinstance(value, float)]
        if len(names) > _MAX_FIGURES:  # with a metric per output, show only those over all outputs
            names = [name for name in names if "_" not in name.removeprefix("val_")]
        figures = "  ".join(f"{name} {metric(record[name])}" for name in names)
        star = "  *" if record["best"] else ""
        line = f"epoch {record['epoch']:>3}/{self.epochs}  {figures}  {record['seconds']:.0f} s{star}"
        self.print(line)
