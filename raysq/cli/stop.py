"""Handlers of Ctrl-C and SIGTERM: a command ends with one line and status 130.

The module is imported first, so it imports only the standard library.
"""

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Any

INTERRUPTED = 130
LINE = "raysq: interrupted; the same command continues"


class StopSignals:
    """Signal handlers of SIGINT and SIGTERM while a command runs.

    A signal in raysq's own code raises KeyboardInterrupt, so that the command can clean up. A signal during an import
    ends the process at once: libraries lose or replace an exception raised there, and standard error may be closed
    meanwhile (see `raysq.backend`). A second signal, or one after the command, also ends the process at once.

    Attributes:
        raising: Whether a signal raises KeyboardInterrupt instead of ending the process.
        received: Whether a signal was received.
        reported: Whether the interruption was reported to the user.
    """

    def __init__(self) -> None:
        self.raising = self.received = self.reported = False
        self._stderr = -1
        self._before: dict[int, Any] = {}
        self._unraisable = sys.unraisablehook

    def install(self) -> None:
        """Install the handlers if this is the main thread. An ignored signal stays ignored."""
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
        """Restore the previous handlers."""
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
        """End the command if Python drops its KeyboardInterrupt, as in a finalizer."""
        if self.received and issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._end()
        self._unraisable(unraisable)

    def _end(self) -> None:
        if not self.reported:
            # A progress bar may have hidden the cursor.
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
