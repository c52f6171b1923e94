"""Memory of this machine: available memory, memory of processes, and reservations of other searches."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from raysq.storage.paths import file_lock

_CGROUP = Path("/sys/fs/cgroup")
# Phrases of TensorFlow and of Ray's memory monitor. "OOM killer" is not among them: Ray mentions it as a possible cause
# for any process that was killed.
_SIGNS = ("OutOfMemory", "ResourceExhausted", "OUT_OF_MEMORY", "OOM kill reason", "low on memory", "ran out of memory")
_MOST = 1 << 60  # a control group limit above this means no limit


@dataclass(frozen=True)
class MemoryReservation:
    """Memory reserved for `count` processes on this machine. `left` bytes were available before; None if unknown."""

    count: int
    left: int | None


def gigabytes(size: float) -> str:
    """Format a number of bytes, such as "1.4 GB"."""
    return f"{size / 1e9:.1f} GB"


def available() -> int | None:
    """Return the bytes that processes of this machine or container may still allocate; None if unknown."""
    limits = [_meminfo("MemAvailable")]
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, now = _number(_CGROUP / limit), _number(_CGROUP / used)
        if most is not None and now is not None and most < _MOST:
            limits.append(most - now + _stat(_CGROUP / Path(limit).parent / "memory.stat", cache))
    sizes = [size for size in limits if size is not None]
    return max(0, min(sizes)) if sizes else None


def resident(process: int | None = None) -> int:
    """Return the resident bytes of a process (default: this one), without mapped files, which other processes share."""
    try:
        lines = Path(f"/proc/{process or 'self'}/status").read_text().splitlines()
    except OSError:
        return 0  # the process has ended, or this is not Linux
    sizes = (line.split() for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
    return sum(int(size[1]) << 10 for size in sizes)


def resident_total(process: int) -> int:
    """Return the resident bytes of a process and its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    waiting, total = [process], 0
    while waiting:
        process = waiting.pop()
        total += resident(process)
        waiting += children.get(process, [])
    return total


def unreserved() -> int | None:
    """Return the available bytes less the unused reservations of this user's other searches; None if unknown."""
    left = available()
    if left is None:
        return None
    for path in _folder().glob("[0-9]*"):
        process = int(path.name)
        if not Path(f"/proc/{process}").exists():
            path.unlink(missing_ok=True)  # left behind by a killed process
        elif process != os.getpid():
            left -= max(0, (_number(path) or 0) - resident_total(process))
    return max(0, left)


@contextlib.contextmanager
def reserve(need: int, most: int) -> Iterator[MemoryReservation]:
    """Reserve `need` bytes each for as many processes as fit, at least one and at most `most`, until the block ends."""
    folder = _folder()
    own = folder / str(os.getpid())
    with file_lock(folder / "lock"):
        left = unreserved()
        count = most if left is None else max(1, min(most, left // need))
        own.write_text(str(count * need))
    try:
        yield MemoryReservation(count, left)
    finally:
        own.unlink(missing_ok=True)


def is_out_of_memory(error: BaseException | str) -> bool:
    """Whether an error, one of its causes, or an error's text says that memory ran out."""
    if isinstance(error, str):
        return any(sign in error for sign in _SIGNS)
    current: BaseException | None = error
    while current is not None:
        if isinstance(current, MemoryError) or is_out_of_memory(f"{type(current).__name__} {current}"):
            return True
        cause = getattr(current, "cause", None)
        current = cause if isinstance(cause, BaseException) else current.__cause__
    return False


def _folder() -> Path:
    """Return the folder of reservations, shared by all homes because they share the machine's memory."""
    folder = Path(tempfile.gettempdir()) / f"raysq-{os.getuid() if hasattr(os, 'getuid') else 'searches'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _meminfo(name: str) -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return None


def _number(path: Path) -> int | None:
    """Return the number in a file; None if the file is missing or holds the word "max"."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _stat(path: Path, name: str) -> int:
    try:
        lines = (line.split() for line in path.read_text().splitlines())
        return next((int(size) for key, size in lines if key == name), 0)
    except (OSError, ValueError):
        return 0
