"""Progress display of a search on standard error: a live table, or a line per trial where there is no terminal."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from raysq.display import numbers
from raysq.display.live import LiveOutput
from raysq.display.numbers import metric, short
from raysq.training.goal import LOWEST_LOSS, Goal

_SHOWN_ENDED = 5


@dataclass
class TrialRow:
    """A trial's row of the table."""

    name: str
    settings: Mapping[str, Any]
    state: str = "waiting"
    epoch: int = 0
    score: float | None = None
    seconds: float = 0.0
    started: float | None = None
    error: str | None = None


def value_text(value: Any) -> str:
    """Return a setting's value as text for a table."""
    return short(value) or "-"


@dataclass
class ProgressTable:
    """Table of a session's trials and their states.

    Use it as a context manager. It may be called from the driver's main thread and from its watcher thread.

    Attributes:
        title: title, such as "search jena-rnn-search-0123456789".
        total: number of requested trials; None for as many as the time allows.
        epochs: maximum number of epochs of a trial.
        quiet: whether to show nothing. Defaults to True.
        time_limit: time limit of the search in seconds, or None.
        earlier_seconds: duration of earlier sessions.
        done: number of trials that have ended, those of earlier sessions included.
        best: best score so far, that of earlier sessions included, or None.
        goal: goal of the search.
        note: text at the end of the header.
        rows: rows by the name of the trial.
    """

    title: str
    total: int | None
    epochs: int
    quiet: bool = True
    time_limit: float | None = None
    earlier_seconds: float = 0.0
    done: int = 0
    best: float | None = None
    goal: Goal = LOWEST_LOSS
    note: str = "starting Ray"
    rows: dict[str, TrialRow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._output = LiveOutput(self, quiet=self.quiet, per_second=2, last_line=self.header)
        self._lock = threading.RLock()
        self._started = time.monotonic()

    def __enter__(self) -> "ProgressTable":
        self._output.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._output.__exit__()

    def start_clock(self) -> None:
        """Start the clock of this session, when the trials begin to run."""
        self._started = time.monotonic()
        self.note = "starting trials"
        if not self._output.is_live:
            left = "as many trials as the time allows" if self.total is None else f"{self.total - self.done} to train"
            self.print(f"{self.title}: {left}")

    def print(self, line: str) -> None:
        """Print a line above the table."""
        self._output.print(line)

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was started, those of earlier sessions included."""
        return self.earlier_seconds + time.monotonic() - self._started

    def add(self, name: str, settings: Mapping[str, Any]) -> None:
        """Add a waiting trial with its searched settings."""
        with self._lock:
            self.rows[name] = TrialRow(name, settings)

    def start(self, name: str) -> None:
        """Mark a trial as running."""
        with self._lock:
            self.note = ""
            row = self.rows[name]
            row.state, row.started = "running", time.monotonic()

    def update(self, name: str, epoch: int, score: float) -> None:
        """Update a trial that has finished an epoch.

        Args:
            name: name of the trial.
            epoch: number of finished epochs.
            score: score of the trial so far; see `raysq.training.goal.Goal.score`.
        """
        with self._lock:
            row = self.rows[name]
            row.epoch, row.score = epoch, score
            self.best = score if self.best is None else min(self.best, score)

    def mark_lost(self, name: str) -> None:
        """Mark a trial as waiting after its process was lost."""
        with self._lock:
            self.rows[name].state = "waiting"
        self.print(f"{name}: its process was lost; it goes on from its last epoch")

    def end(self, name: str, state: str, error: str | None = None, *, seconds: float = 0.0) -> None:
        """Mark a trial as ended, in a state such as "finished"; without a terminal its line is printed."""
        with self._lock:
            row = self.rows[name]
            row.state, row.error, row.seconds = state, error, seconds
            self.done += 1
        if self._output.is_live or self.quiet:
            return
        figures = state
        if row.score is not None:
            value = metric(self.goal.of_score(row.score))
            figures = f"{state} after {row.epoch} epochs, {self.goal.metric} {value}"
        reason = f": {error}" if error else ""
        settings = " ".join(f"{key}={value_text(value)}" for key, value in row.settings.items())
        of_total = "" if self.total is None else f"/{self.total}"
        self.print(f"{self.done:>3}{of_total} {name} {figures}{reason}  {settings}")

    def remove(self, name: str) -> None:
        """Remove a trial that was never begun."""
        with self._lock:
            self.rows.pop(name, None)

    def header(self) -> str:
        """Return a line with the progress of the search."""
        running = sum(row.state == "running" for row in self.rows.values())
        ended = f"{self.done} ended" if self.total is None else f"{self.done} of {self.total} ended"
        parts = [ended, f"{running} running"]
        if self.best is not None:
            parts.append(f"best {self.goal.metric} {metric(self.goal.of_score(self.best))}")
        clock = numbers.seconds(self.elapsed)
        parts.append(clock if self.time_limit is None else f"{clock} of {numbers.seconds(self.time_limit)}")
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
            key=lambda row: (row.score is None, row.score),
        )
        shown = [*running, *ended[:_SHOWN_ENDED]]
        if not shown:
            return header
        table = Table("trial", "state", "epoch", self.goal.metric, "time", *rows[0].settings, box=None, pad_edge=False)
        for row in shown:
            clock = time.monotonic() - row.started if row.state == "running" and row.started else row.seconds
            style = "bold" if row.score is not None and row.score == self.best else ""
            table.add_row(
                row.name,
                Text(row.state, style={"running": "cyan", "failed": "red"}.get(row.state, "")),
                f"{row.epoch}/{self.epochs}",
                metric(self.goal.of_score(row.score)),
                numbers.seconds(clock),
                *(value_text(value) for value in row.settings.values()),
                style=style,
            )
        hidden = len(ended) - _SHOWN_ENDED
        return Group(header, table, *([Text(f"and {hidden} more that ended", style="dim")] if hidden > 0 else []))
