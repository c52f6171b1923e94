"""What a person sees of a search under way, on standard error: a live table, or without a terminal a line a trial."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from raysq.display.console import Console
from raysq.display.numbers import metric

_SHOWN_ENDED = 5


@dataclass
class Row:
    """A trial on the board."""

    name: str
    settings: Mapping[str, Any]
    state: str = "waiting"
    epoch: int = 0
    val_loss: float | None = None
    seconds: float = 0.0
    began: float | None = None
    error: str | None = None


def value_text(value: Any) -> str:
    """A setting's value in a table."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "none" if value is None else str(value) or "-"


def duration_text(seconds: float) -> str:
    """Such as "45s", "3m 20s" or "2h 05m"."""
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02}s"
    return f"{seconds // 3600}h {seconds % 3600 // 60:02}m"


@dataclass
class ProgressTable:
    """The trials of a session and how they stand. Used from the driver's main thread and from its watcher.

    Attributes:
        title: such as "search jena-rnn-search-0123456789".
        total: trials asked for.
        epochs: the most that a trial gets.
        quiet: show nothing.
        budget: seconds in all, or None.
        spent: seconds of earlier sessions.
        done: trials that had ended before.
        best: lowest val_loss before.
    """

    title: str
    total: int
    epochs: int
    quiet: bool = True
    budget: float | None = None
    spent: float = 0.0
    done: int = 0
    best: float | None = None
    note: str = "starting Ray"
    rows: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._console = Console(stderr=True, quiet=self.quiet, soft_wrap=True)
        self._lock = threading.RLock()
        self._live: Live | None = None
        self._started = time.monotonic()

    def __enter__(self) -> "ProgressTable":
        if self._console.is_terminal and not self.quiet:
            self._live = Live(self, console=Console(stderr=True), transient=True, refresh_per_second=2)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def start_clock(self) -> None:
        """Trials begin to run."""
        self._started = time.monotonic()
        self.note = "starting trials"
        if self._live is None:
            self._console.print(f"{self.title}: {self.total - self.done} to train")

    def say(self, line: str) -> None:
        """A line beside the table."""
        console = self._console if self._live is None else self._live.console
        if not self.quiet:
            console.print(line)

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was started, with those of earlier sessions."""
        return self.spent + time.monotonic() - self._started

    def add(self, name: str, settings: Mapping[str, Any]) -> None:
        """A trial that waits for its turn."""
        with self._lock:
            self.rows[name] = Row(name, settings)

    def begin(self, name: str) -> None:
        """A trial's process works on it."""
        with self._lock:
            self.note = ""
            row = self.rows[name]
            row.state, row.began = "running", time.monotonic()

    def epoch(self, name: str, epoch: int, score: float) -> None:
        """A trial has finished an epoch."""
        with self._lock:
            row = self.rows[name]
            row.epoch, row.val_loss = epoch, score
            self.best = score if self.best is None else min(self.best, score)

    def lost(self, name: str) -> None:
        """A trial's process was lost: it waits for another one."""
        with self._lock:
            self.rows[name].state = "waiting"
        self.say(f"{name}: its process was lost; it goes on from its last epoch")

    def end(self, name: str, state: str, error: str | None = None, *, seconds: float = 0.0) -> None:
        """A trial has ended; without a terminal its line is printed."""
        with self._lock:
            row = self.rows[name]
            row.state, row.error, row.seconds = state, error, seconds
            self.done += 1
        if self._live is not None or self.quiet:
            return
        figures = state
        if row.val_loss is not None:
            figures = f"{state} after {row.epoch} epochs, val_loss {metric(row.val_loss)}"
        reason = f": {error}" if error else ""
        settings = " ".join(f"{key}={value_text(value)}" for key, value in row.settings.items())
        self._console.print(f"{self.done:>3}/{self.total} {name} {figures}{reason}  {settings}")

    def withdraw(self, name: str) -> None:
        """A trial that was never begun is no longer waited for."""
        with self._lock:
            self.rows.pop(name, None)

    def header(self) -> str:
        """One line: how far the search is."""
        running = sum(row.state == "running" for row in self.rows.values())
        parts = [f"{self.done} of {self.total} ended", f"{running} running"]
        if self.best is not None:
            parts.append(f"best val_loss {metric(self.best)}")
        clock = duration_text(self.elapsed)
        parts.append(clock if self.budget is None else f"{clock} of {duration_text(self.budget)}")
        if self.note:
            parts.append(self.note)
        return f"{self.title}: " + ", ".join(parts)

    def __rich__(self) -> Any:
        with self._lock:
            rows = list(self.rows.values())
            header = Text(self.header(), overflow="ellipsis", no_wrap=True)
        running = [row for row in rows if row.state == "running"]
        ended = sorted(
            (row for row in rows if row.state not in ("running", "waiting")),
            key=lambda row: (row.val_loss is None, row.val_loss),
        )
        shown = [*running, *ended[:_SHOWN_ENDED]]
        if not shown:
            return header
        table = Table("trial", "state", "epoch", "val_loss", "time", *rows[0].settings, box=None, pad_edge=False)
        for row in shown:
            clock = time.monotonic() - row.began if row.state == "running" and row.began else row.seconds
            style = "bold" if row.val_loss is not None and row.val_loss == self.best else ""
            table.add_row(
                row.name,
                Text(row.state, style={"running": "cyan", "failed": "red"}.get(row.state, "")),
                f"{row.epoch}/{self.epochs}",
                metric(row.val_loss),
                duration_text(clock),
                *(value_text(value) for value in row.settings.values()),
                style=style,
            )
        hidden = len(ended) - _SHOWN_ENDED
        return Group(header, table, *([Text(f"and {hidden} more that ended", style="dim")] if hidden > 0 else []))
