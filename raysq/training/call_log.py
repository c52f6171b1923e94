"""Record of a process's collective calls, from which a monitor tells a slow call from one that hangs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class CallLog:
    """Record of calls in which all workers of a group take part.

    One thread calls, another one may read.

    Attributes:
        finished: number of finished calls.
    """

    def __init__(self) -> None:
        self.finished = 0
        self._longest: dict[str, float] = {}
        self._running: str | None = None

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Record the block as a call of this name. Names are known from their second call on."""
        started = time.monotonic()
        self._running = name
        try:
            yield
        finally:
            self._running = None
        seconds = time.monotonic() - started
        # The first call also traces and compiles, and is no measure of the others.
        self._longest[name] = max(seconds, self._longest[name]) if name in self._longest else 0.0
        self.finished += 1

    def longest(self) -> float | None:
        """Return the seconds of the longest call of the running one's name, or None between calls.

        They are 0 for a name's first two calls: nobody knows yet how long they take.
        """
        running = self._running
        return None if running is None else self._longest.get(running, 0.0)
