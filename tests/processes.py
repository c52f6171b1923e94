"""Processes that a test started."""

from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Return all processes under one; Ray's are under the process that started the local cluster."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
            except OSError:
                continue  # ended meanwhile
            parents.setdefault(parent, []).append(int(entry.name))
    processes = list(parents.get(pid, []))
    for process in processes:
        processes += parents.get(process, [])
    return processes
