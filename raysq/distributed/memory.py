"""The memory of this machine: what is left, what processes take, and what searches beside this one have reserved."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from raysq.storage.paths import file_lock

_CGROUP = Path("/sys/fs/cgroup")
# Of TensorFlow, and of Ray's memory monitor. Of any process that was killed Ray says that the kernel's "OOM killer" may
# have been it.
_SIGNS = ("OutOfMemory", "ResourceExhausted", "OUT_OF_MEMORY", "OOM kill reason", "low on memory", "ran out of memory")
_MOST = 1 << 60  # a limit above it is none


@dataclass(frozen=True)
class MemoryReservation:
    """Room for processes on this machine.

    Attributes:
        count: how many processes are to run beside each other.
        left: bytes that were left before; None where it is not known.
    """

    count: int
    left: int | None


def gigabytes(size: float) -> str:
    """Such as "1.4 GB"."""
    return f"{size / 1e9:.1f} GB"


def available() -> int | None:
    """Bytes that processes of this machine, or of this container, may still take; None where it is not known."""
    found = [_meminfo("MemAvailable")]
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, now = _number(_CGROUP / limit), _number(_CGROUP / used)
        if most is not None and now is not None and most < _MOST:
            found.append(most - now + _stat(_CGROUP / Path(limit).parent / "memory.stat", cache))
    known = [size for size in found if size is not None]
    return max(0, min(known)) if known else None


def resident(process: int | None = None) -> int:
    """Bytes that a process, this one if left out, holds for itself: without files that it maps, which others share."""
    try:
        lines = Path(f"/proc/{process or 'self'}/status").read_text().splitlines()
    except OSError:
        return 0  # gone, or not on Linux
    sizes = (line.split() for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
    return sum(int(size[1]) << 10 for size in sizes)


def resident_total(process: int) -> int:
    """Bytes that a process and those that it started hold."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    waiting, total = [process], 0
    while waiting:
        one = waiting.pop()
        total += resident(one)
        waiting += children.get(one, [])
    return total


def unreserved() -> int | None:
    """Bytes that are left for this process and those that it starts: less what other searches of this user have
    reserved and do not hold yet. None where it is not known."""
    left = available()
    if left is None:
        return None
    for path in _folder().glob("[0-9]*"):
        process = int(path.name)
        if not Path(f"/proc/{process}").exists():
            path.unlink(missing_ok=True)  # of one that was killed
        elif process != os.getpid():
            left -= max(0, (_number(path) or 0) - resident_total(process))
    return max(0, left)


@contextlib.contextmanager
def reserve(need: int, most: int) -> Iterator[MemoryReservation]:
    """Reserves the memory of as many processes as fit, one at least, until the block ends.

    Args:
        need: bytes of a process.
        most: how many processes are wanted.
    """
    folder = _folder()
    mine = folder / str(os.getpid())
    with file_lock(folder / "lock"):
        left = unreserved()
        count = most if left is None else max(1, min(most, left // need))
        mine.write_text(str(count * need))
    try:
        yield MemoryReservation(count, left)
    finally:
        mine.unlink(missing_ok=True)


def is_out_of_memory(error: BaseException | str) -> bool:
    """Whether an error, one that caused it, or the text of one says that memory ran out."""
    if isinstance(error, str):
        return any(sign in error for sign in _SIGNS)
    one: BaseException | None = error
    while one is not None:
        if isinstance(one, MemoryError) or is_out_of_memory(f"{type(one).__name__} {one}"):
            return True
        cause = getattr(one, "cause", None)
        one = cause if isinstance(cause, BaseException) else one.__cause__
    return False


def _folder() -> Path:
    """Of the whole machine: searches of several homes share its memory."""
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
    """The number in a file; None where there is none, or the word "max"."""
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
