"""Heartbeats of workers: each tells the driver every second that it runs, and which collective calls it has finished.

They do not depend on Ray's own health checks, which notice neither a stopped process within minutes nor a collective
that never ends.
"""

import json
import os
import threading
from dataclasses import asdict, dataclass
from typing import Self

from raysq.distributed import cluster_values
from raysq.training.call_log import CallLog

INTERVAL = 1.0  # seconds


@dataclass(frozen=True)
class Beat:
    """One heartbeat of a process.

    Attributes:
        count: number of the beat.
        calls: number of collective calls that the process has finished.
        longest: seconds of the longest call of the kind that it is in now; None between calls, and where that is not
            known yet. See `CallLog.longest`.
    """

    count: int
    calls: int
    longest: float | None

    def to_bytes(self) -> bytes:
        """Return the beat as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the beat of `to_bytes`."""
        return cls(**json.loads(data))


def key(node: str, pid: int) -> str:
    """Return the key of a process's beats among the values of the cluster."""
    return f"heartbeat/{node}/{pid}"


class Heartbeat(threading.Thread):
    """Thread that publishes the beats of this process until its end."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="heartbeat")
        self._calls = CallLog()

    def new_log(self) -> CallLog:
        """Return a new log, whose calls are published from now on in place of those of an earlier run."""
        self._calls = CallLog()
        return self._calls

    def run(self) -> None:
        from ray import get_runtime_context

        own_key = key(get_runtime_context().get_node_id(), os.getpid())
        count, end = 0, threading.Event()
        while True:
            try:
                beat = Beat(count + 1, self._calls.finished, self._calls.longest())
                cluster_values.put(own_key, beat.to_bytes())
                count += 1
            except Exception:  # the head does not answer, which the driver sees itself
                pass
            end.wait(INTERVAL)


_heartbeat = Heartbeat()


def start() -> None:
    """Let this process publish beats from now on."""
    _heartbeat.start()


def new_log() -> CallLog:
    """Return the log of the collective calls of a run in this process."""
    return _heartbeat.new_log()
