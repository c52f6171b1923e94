"""Heartbeats of workers: each tells the driver every second that it runs, and which collective calls it has finished.

They do not depend on Ray's own health checks, which notice neither a stopped process within minutes nor a collective
that never ends.
"""

import json
import os
import threading
from dataclasses import asdict, dataclass
from typing import Self

from raysq.distributed import cluster_values, processes
from raysq.training.call_log import CallLog

INTERVAL = 1.0  # seconds


@dataclass(frozen=True)
class Beat:
    """One heartbeat of a process.

    Attributes:
        count: number of the beat.
        calls: number of collective calls that the process has finished.
        longest: seconds of the longest call of the kind that it is in now; 0 where that is not known yet, None between
            calls. See `CallLog.longest`.
        is_ready: whether the process has loaded its libraries. Until then it may not beat for minutes.
        started: moment of the process's start, see `processes.Process`; 0 where it is unknown.
    """

    count: int
    calls: int
    longest: float | None
    is_ready: bool
    started: int

    def to_bytes(self) -> bytes:
        """Return the beat as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the beat of `to_bytes`."""
        return cls(**json.loads(data))


def key(node: str, pid: int) -> str:
    """Return the key of the beats of a process of this process's Ray job among the values of the cluster."""
    from ray.runtime_context import get_runtime_context  # `ray.get_runtime_context` would start Ray

    return f"heartbeat/{get_runtime_context().get_job_id()}/{node}/{pid}"


class Heartbeat(threading.Thread):
    """Thread that publishes the beats of this process until its end.

    Attributes:
        is_ready: `Beat.is_ready` of the next beats.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True, name="heartbeat")
        self.is_ready = False
        self._calls = CallLog()

    def new_log(self) -> CallLog:
        """Return a new log, whose calls are published from now on in place of those of an earlier run."""
        self._calls = CallLog()
        return self._calls

    def run(self) -> None:
        from ray import get_runtime_context

        own_key = key(get_runtime_context().get_node_id(), os.getpid())
        process = processes.find(os.getpid())
        started = 0 if process is None else process.started
        count, end = 0, threading.Event()
        while True:
            try:
                beat = Beat(count + 1, self._calls.finished, self._calls.longest(), self.is_ready, started)
                cluster_values.put(own_key, beat.to_bytes())
                count += 1
            except Exception:  # the head does not answer, which the driver sees itself
                pass
            end.wait(INTERVAL)


_heartbeat = Heartbeat()


def start() -> None:
    """Let this process publish beats from now on."""
    _heartbeat.start()


def set_ready() -> None:
    """Note that this process has loaded its libraries."""
    _heartbeat.is_ready = True


def new_log() -> CallLog:
    """Return the log of the collective calls of a run in this process."""
    return _heartbeat.new_log()
