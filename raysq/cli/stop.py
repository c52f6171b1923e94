"""Ctrl-C and SIGTERM end a command with one line and status 130, at any moment. Imports little, as it comes first."""

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Any

INTERRUPTED = 130
LINE = "raysq: interrupted; the same command continues"


class StopSignals:
    """The handlers of both signals while a command runs.

    In our own code a signal raises KeyboardInterrupt, so that what is under way is put away. During an import it ends
    the process at once: there is nothing to put away, libraries lose or replace an exception that comes between, and
    standard error may be closed meanwhile (see `raysq.backend`). So does a second signal, and one after the command.

    Attributes:
        raising: whether a signal raises, rather than ending the process.
        received: whether there was one.
        said: whether the person knows that the command is interrupted.
    """

    def __init__(self) -> None:
        self.raising = self.received = self.said = False
        self._stderr = -1
        self._before: dict[int, Any] = {}
        self._unraisable = sys.unraisablehook

    def install(self) -> None:
        """Take the signals, where this is the main thread; one that is ignored stays so."""
        with contextlib.suppress(OSError):
            self._stderr = os.dup(2)
        with contextlib.suppress(ValueError):  # another thread
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if before is not signal.SIG_IGN:
                    signal.signal(number, self._handle)
                    self._before[number] = before
        sys.unraisablehook = self._lost

    def restore(self) -> None:
        """Give the signals back to those who had them before."""
        for number, handler in self._before.items():
            if handler is not None:
                signal.signal(number, handler)
        self._before.clear()
        sys.unraisablehook = self._unraisable
        if self._stderr >= 0:
            os.close(self._stderr)
            self._stderr = -1

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.received = self.received, True
        if again or not self.raising or _is_importing(frame):
            self._end()
        raise KeyboardInterrupt

    def _lost(self, unraisable: Any) -> None:
        """An exception that Python drops, as in a finalizer: if it is ours, the command ends nevertheless."""
        if self.received and issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._end()
        self._unraisable(unraisable)

    def _end(self) -> None:
        if not self.said:
            # A bar that was under way has hidden the cursor.
            cursor = "\x1b[?25h" if os.isatty(self._stderr) else ""
            with contextlib.suppress(OSError):
                os.write(self._stderr, f"{cursor}{LINE}\n".encode())
        os._exit(INTERRUPTED)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
