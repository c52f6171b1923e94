"""What a person sees of training: a progress bar and a line an epoch, on standard error."""

from collections.abc import Mapping
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from raysq.display.console import Console
from raysq.display.numbers import metric
from raysq.training.state import TrainState

_MOST = 8  # figures on a line


class TrainProgress:
    """A bar for the epoch under way, and a line for each that has ended.

    Args:
        epochs: of the run.
        quiet: show nothing.
    """

    def __init__(self, epochs: int, quiet: bool = False):
        self.epochs = epochs
        self.console = Console(stderr=True, quiet=quiet)
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]:>3}/" + str(epochs)),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=1, epoch=1, note="starting")

    def __enter__(self) -> "TrainProgress":
        # Without a terminal a bar is noise; the lines remain.
        if self.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._bar.stop()

    def step(self, state: TrainState, loss: float, steps_per_epoch: int) -> None:
        """After a call of compiled steps."""
        self.show(state.epoch, state.step, loss, steps_per_epoch)

    def show(self, epoch: int, step: int, loss: float, steps_per_epoch: int) -> None:
        """Moves the bar: finished epochs, finished steps over all, the latest loss, steps of an epoch."""
        done = step - epoch * steps_per_epoch
        note = "validating" if done == steps_per_epoch else f"loss {metric(loss)}"
        self._bar.update(self._task, completed=done, total=steps_per_epoch, epoch=epoch + 1, note=note)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Prints the line of an epoch."""
        skipped = ("epoch", "step", "seconds", "learning_rate", "best")
        names = [name for name, value in record.items() if name not in skipped and isinstance(value, float)]
        if len(names) > _MOST:  # a metric for each output: those of all outputs are enough here
            names = [name for name in names if "_" not in name.removeprefix("val_")]
        figures = "  ".join(f"{name} {metric(record[name])}" for name in names)
        star = "  *" if record["best"] else ""
        line = f"epoch {record['epoch']:>3}/{self.epochs}  {figures}  {record['seconds']:.0f} s{star}"
        self.console.print(line, soft_wrap=not self.console.is_terminal)  # a log's lines stay whole
