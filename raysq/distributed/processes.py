"""Processes of this machine, from /proc. Where there is no /proc (macOS), none are found."""

import contextlib
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

_POLL_SECONDS = 0.05


class Process(NamedTuple):
    """A process, told apart from a later one with the same number.

    Attributes:
        pid: number of the process.
        started: moment of its start, in clock ticks since the machine's.
    """

    pid: int
    started: int


def find(pid: int) -> Process | None:
    """Return the running process with a number; None for one that has ended, though nobody has waited for it."""
    fields = _fields(pid)
    return None if fields is None or fields[0] in "ZX" else Process(pid, int(fields[19]))


def is_stopped(process: Process) -> bool:
    """Return whether a process is stopped by a signal or a debugger."""
    fields = _fields(process.pid)
    return fields is not None and fields[0] in "Tt" and int(fields[19]) == process.started


def descendants(pids: Collection[int]) -> list[Process]:
    """Return the running processes that these started, and those that they started in turn."""
    children: dict[int, list[Process]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        fields = _fields(int(entry.name))
        if fields is not None and fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(Process(int(entry.name), int(fields[19])))
    found = [child for pid in pids for child in children.get(pid, [])]
    for process in found:
        found += children.get(process.pid, [])
    return found


def end(processes: Collection[Process], seconds: float = 10.0) -> list[Process]:
    """End processes with SIGKILL, which also ends stopped ones, and return those that still run after some seconds."""
    for process in processes:
        if find(process.pid) == process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
    return wait(processes, seconds)


def wait(processes: Collection[Process], seconds: float) -> list[Process]:
    """Wait until processes have ended, and return those that still run after some seconds."""
    deadline = time.monotonic() + seconds
    while remaining := [process for process in processes if find(process.pid) == process]:
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_SECONDS)
    return remaining


def _fields(pid: int) -> list[str] | None:
    """Return the fields of a process from its state on, or None if it has ended."""
    try:
        # The name in front is of any bytes, and may be cut within a character.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return None
