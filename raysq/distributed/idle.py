"""Resources of the cluster that this process holds for later work, and gives back before other work begins."""

from collections.abc import Callable

_releases: list[Callable[[], None]] = []


def on_release(release: Callable[[], None]) -> None:
    """Register a function that gives resources back, and returns when they are free."""
    if release not in _releases:
        _releases.append(release)


def release_idle() -> None:
    """Give all idle resources back. Call this before work that needs CPUs or GPUs of the cluster."""
    for release in _releases:
        release()
