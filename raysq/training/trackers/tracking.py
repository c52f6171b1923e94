"""Track a run while it trains: a thread of the driver reads what the run writes, and logs it to a tracker."""

import hashlib
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict

from raysq import __version__, backend
from raysq.display.terminal import print_message
from raysq.errors import DamagedError, Interrupted
from raysq.storage.atomic import write_json
from raysq.storage.json_files import read_json
from raysq.training.run import Run
from raysq.training.trackers.tracker import Status, Tracker, check_tracker, open_tracker
from raysq.training.user_code import describe

FILE = "tracking.json"
_POLL_SECONDS = 1.0
_RETRY_SECONDS = 30.0  # after an error
_END_SECONDS = 60.0  # longest time to wait for a tracker at the end of a run


class _Known(TypedDict):
    """Schema of `tracking.json`, by name of a tracker.

    Attributes:
        id: id of the run in the tracker.
        server: digest of the server's address, which may hold a password.
        epochs: number of epochs that were logged.
    """

    id: str
    server: str
    epochs: int


class Tracking:
    """Tracking of a run. Use it as a context manager around training.

    Whatever the tracker does, training goes on: its first error is a line, and what it missed is logged as soon as it
    works again, at the end of the run at the latest. A run that is continued continues its run in the tracker.

    Args:
        run: the run.
        tracker: name of a tracker, such as "mlflow".
        parent: id in the tracker of the run's search, or None.

    Raises:
        UsageError: there is no such tracker.
        MissingPackageError: its package is missing.
    """

    def __init__(self, run: Run, tracker: str, *, parent: str | None = None):
        check_tracker(tracker)
        self.run, self.tracker, self.parent = run, tracker, parent
        self.id = self._server = ""
        self._opened: Tracker | None = None
        self._epochs = 0
        self._described = False
        self._failed = False
        self._status: Status = "finished"
        self._files: list[Path] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        backend.load()  # here, so that two threads do not import pandas at once, which Keras and trackers use
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stopped = isinstance(error, (Interrupted, KeyboardInterrupt))
        self._status = "stopped" if stopped else "finished" if error is None else "failed"
        if error is None and self.run.result() is not None:
            self._files = self._make_files()
        self._end.set()
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            self._say(f"it did not answer in {_END_SECONDS:g} s")

    def _make_files(self) -> list[Path]:
        """Return the run's model and report, which is written now."""
        from raysq.report.page import write_report

        files = [path for path in (self.run.directory / "model.keras",) if path.exists()]
        try:
            files.append(write_report(self.run, on_message=lambda message: None))
        except Exception as error:  # a report of the user's problem may raise anything
            self._say(f"the report could not be written ({describe(error)})")
        return files

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
        for record in self._records():
            tracker.log_metrics(numbers(record, skipped=("epoch", "step", "best")), record["epoch"])
            self._epochs = record["epoch"]
            self._remember()
        if not ended:
            return
        result = self.run.result()
        if result is not None:
            tracker.log_metrics(numbers(result["metrics"], prefix="best_"), result["epochs"])
        for path in self._files:
            tracker.log_file(path)
        tracker.end(self._status)

    def _open(self) -> Tracker:
        """Return the tracker, in which the run is created or continued at the first call."""
        tracker, config = self._opened, self.run.config
        if tracker is None:
            tracker = open_tracker(self.tracker)
            known = self._known(tracker)
            self.id = tracker.begin(self.run.name, config.task, None if known is None else known["id"], self.parent)
            self._epochs, self._described = (0, False) if known is None else (known["epochs"], True)
            self._opened, self._server = tracker, _digest(tracker.server)
        if not self._described:
            tags = {"task": config.task, "model": config.model, "run": str(self.run.directory), "version": __version__}
            parameters = {**config.by_name(), "seed": config.seed, "data": config.data}
            tracker.log_parameters(parameters, {f"raysq.{key}": value for key, value in tags.items()})
            self._described = True
            self._remember()
        return tracker

    def _known(self, tracker: Tracker) -> _Known | None:
        """Return what is known of the run in the tracker; None where this server does not have it."""
        known = self._read().get(self.tracker)
        return known if known is not None and known["server"] == _digest(tracker.server) else None

    def _records(self) -> list[dict[str, Any]]:
        try:
            return self.run.metrics()[self._epochs :]
        except DamagedError:
            return []  # training reports it

    def _read(self) -> dict[str, _Known]:
        try:
            known: dict[str, _Known] = read_json(self.run.directory / FILE, dict[str, _Known], "", missing={})
        except DamagedError:
            return {}
        return known

    def _remember(self) -> None:
        own: _Known = {"id": self.id, "server": self._server, "epochs": self._epochs}
        write_json(self.run.directory / FILE, {**self._read(), self.tracker: own}, durable=False)

    def _say(self, reason: str) -> None:
        if not self._failed:
            print_message(f"tracker {self.tracker} fails, and training goes on without it: {reason}")
        self._failed = True


def tracked(run: Run, tracker: str | None) -> AbstractContextManager[Any]:
    """Return the tracking of a run; one that does nothing if `tracker` is None."""
    return nullcontext() if tracker is None else Tracking(run, tracker)


def numbers(values: Mapping[str, Any], *, skipped: tuple[str, ...] = (), prefix: str = "") -> dict[str, float]:
    """Return the numbers among values, by prefixed name."""
    return {
        prefix + name: float(value)
        for name, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and name not in skipped
    }


def _digest(server: str) -> str:
    return hashlib.sha256(server.encode()).hexdigest()[:16]
