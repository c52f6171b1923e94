"""Follow a run or a search while it trains: a thread of the driver reads what is written, and logs it to a tracker."""

import hashlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict

from raysq import backend
from raysq.display.terminal import print_message
from raysq.errors import DamagedError, Interrupted
from raysq.storage.atomic import write_json
from raysq.storage.json_files import read_json
from raysq.storage.uris import identity, redact_text
from raysq.training.trackers.tracker import Status, Tracker, check_tracker, open_tracker
from raysq.training.user_code import describe

_FILE = "tracking.json"
_POLL_SECONDS = 1.0
_RETRY_SECONDS = 30.0  # after an error
_END_SECONDS = 60.0  # longest time to wait for a tracker at the end


class Known(TypedDict):
    """Schema of `tracking.json`, by name of a tracker.

    Attributes:
        id: id of the run in the tracker.
        server: digest of the server's address, without user and password.
        epochs: number of epochs, or of trials of a search, that were logged.
    """

    id: str
    server: str
    epochs: int


class Following(ABC):
    """Log of a directory's progress to a tracker. Use it as a context manager around training.

    Whatever the tracker does, training goes on: its first error is a line, and what it missed is logged as soon as it
    works again, at the end at the latest. What is continued continues its run in the tracker.

    Args:
        directory: directory of the run or search.
        tracker: name of a tracker, such as "mlflow".
        group: name of the task.
        parent: id in the tracker of the run's search, or None.

    Raises:
        UsageError: there is no such tracker.
        MissingPackageError: its package is missing.
    """

    def __init__(self, directory: Path, tracker: str, group: str, *, parent: str | None = None):
        check_tracker(tracker)
        self.directory, self.tracker, self.group, self.parent = directory, tracker, group, parent
        self.id = ""
        self.epochs = 0  # that were logged
        self._server = ""
        self._opened: Tracker | None = None
        self._described = False
        self._failed = False
        self._status: Status = "finished"
        self._files: list[Path] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    @abstractmethod
    def parameters(self) -> tuple[Mapping[str, object], Mapping[str, str]]:
        """Return the parameters and the tags of a new run in the tracker."""

    @abstractmethod
    def update(self, tracker: Tracker) -> None:
        """Log what was written since the last call, and count it by `remember`."""

    @abstractmethod
    def finish(self, tracker: Tracker) -> None:
        """Log the result, if there is one."""

    @abstractmethod
    def make_files(self) -> list[Path]:
        """Return the files to upload at the end, some of which are written now. Any error may be raised."""

    def __enter__(self) -> Self:
        backend.load()  # here, so that two threads do not import pandas at once, which Keras and trackers use
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stopped = isinstance(error, (Interrupted, KeyboardInterrupt))
        self._status = "stopped" if stopped else "finished" if error is None else "failed"
        if error is None:
            try:
                self._files = self.make_files()
            except Exception as failure:  # a report of the user's problem may raise anything
                self._say(f"its files could not be written ({describe(failure)})")
        self._end.set()
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            self._say(f"it did not answer in {_END_SECONDS:g} s")

    def log_ended(self, status: Status) -> None:
        """Log all of what has ended, in this thread. Any error may be raised."""
        self._status = status
        self._log(True)

    def remember(self, epochs: int) -> None:
        """Write down how many epochs were logged."""
        self.epochs = epochs
        own: Known = {"id": self.id, "server": self._server, "epochs": epochs}
        write_json(self.directory / _FILE, {**self._read(), self.tracker: own}, durable=False)

    def _follow(self) -> None:
        """Log what is new from time to time, until the end; in a thread."""
        retry_at = 0.0
        while True:
            ended = self._end.wait(_POLL_SECONDS)
            if not ended and time.monotonic() < retry_at:
                continue
            try:
                self._log(ended)
            except Exception as error:  # of the tracker, its network or its server
                self._say(describe(error))
                retry_at = time.monotonic() + _RETRY_SECONDS
            if ended:
                return

    def _log(self, ended: bool) -> None:
        tracker = self._open()
        self.update(tracker)
        if ended:
            self.finish(tracker)
            for path in self._files:
                tracker.log_file(path)
            tracker.end(self._status)

    def _open(self) -> Tracker:
        """Return the tracker, in which the run is created or continued at the first call."""
        tracker = self._opened
        if tracker is None:
            tracker = open_tracker(self.tracker)
            known = self.known(tracker)
            self.id = tracker.begin(self.directory, self.group, None if known is None else known["id"], self.parent)
            self._opened, self._server = tracker, _digest(tracker.server)
            self.epochs, self._described = (0, False) if known is None else (known["epochs"], True)
        if not self._described:
            tracker.log_parameters(*self.parameters())
            self._described = True
            self.remember(self.epochs)
        return tracker

    def known(self, tracker: Tracker) -> Known | None:
        """Return what is known of the run in the tracker; None where this server does not have it."""
        known = self._read().get(self.tracker)
        return known if known is not None and known["server"] == _digest(tracker.server) else None

    def _read(self) -> dict[str, Known]:
        try:
            known: dict[str, Known] = read_json(self.directory / _FILE, dict[str, Known], "", missing={})
        except DamagedError:
            return {}
        return known

    def _say(self, reason: str) -> None:
        if not self._failed:
            # Errors of requests name their address.
            print_message(f"tracker {self.tracker} fails, and training goes on without it: {redact_text(reason)}")
        self._failed = True


def _digest(server: str) -> str:
    return hashlib.sha256(identity(server).encode()).hexdigest()[:16]
