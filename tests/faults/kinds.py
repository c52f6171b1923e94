"""The faults: each waits for its moment and hits its victims; it returns whether it came to that."""

import signal
from collections.abc import Callable

from faults.trial import Trial

KILL, STOP = signal.SIGKILL, signal.SIGSTOP


def _hit(victim: str, number: int, moment: str = "any_moment", one: bool = False) -> Callable[[Trial], bool]:
    """Send a signal to all processes of a kind, or to one of them, at a moment."""

    def fault(trial: Trial) -> bool:
        if not getattr(trial, moment)():
            return False
        pids = trial.pids(victim)
        if not pids:
            return False
        trial.send([trial.random.choice(pids)] if one else pids, number)
        return True

    return fault


def _in_restart(trial: Trial) -> bool:
    """Kill a worker, and a new one while the group starts again."""
    if not _hit("other", KILL, "training")(trial):
        return False
    old = set(trial.pids("worker"))
    if not trial.wait_until(lambda: set(trial.pids("worker")) - old):
        return False
    trial.sleep(trial.random.uniform(0, 6))
    pids = [pid for pid in trial.pids("worker") if pid not in old]
    if not pids:
        return False
    trial.send(pids[:1], KILL)
    return True


def _twice(trial: Trial) -> bool:
    """Kill the chief twice, the second time some steps after the group has come back."""
    if not _hit("chief", KILL, "training")(trial):
        return False
    old, reached = set(trial.pids("worker")), trial.reached()
    trial.wait_until(lambda: set(trial.pids("worker")) - old and trial.reached() > reached)
    pids = trial.pids("chief")
    if not pids:
        return False
    trial.send(pids, KILL)
    return True


def _in_collective(trial: Trial) -> bool:
    """Stop the chief until the other worker waits in a collective for it, and kill it there."""
    if not trial.training():
        return False
    pids = trial.pids("chief")
    if not pids:
        return False
    trial.send(pids, STOP)
    trial.sleep(trial.random.uniform(1, 5))
    trial.faults.clear()  # what must be noticed is the death
    trial.send(pids, KILL)
    return True


def _driver(trial: Trial) -> bool:
    """Kill the driver; the same command continues."""
    if not _hit("driver", KILL)(trial):
        return False
    trial.finish()
    trial.start()
    return True


KINDS: dict[str, tuple[str, Callable[[Trial], bool]]] = {
    "kill-worker": ("SIGKILL of the worker that is not the chief", _hit("other", KILL, "training")),
    "kill-chief": ("SIGKILL of the chief", _hit("chief", KILL, "training")),
    "kill-both": ("SIGKILL of both workers", _hit("worker", KILL)),
    "kill-in-collective": ("SIGKILL of the chief while the other worker waits in a collective for it", _in_collective),
    "kill-in-checkpoint": ("SIGKILL of the chief while it writes a checkpoint", _hit("chief", KILL, "checkpointing")),
    "kill-in-restart": ("SIGKILL of a worker, and of a new one while the group starts again", _in_restart),
    "kill-twice": ("SIGKILL of the chief, twice in a row", _twice),
    "kill-raylet": ("SIGKILL of the raylet", _hit("raylet", KILL)),
    "kill-head": ("SIGKILL of the head's server (GCS)", _hit("gcs_server", KILL)),
    "kill-driver": ("SIGKILL of the command; it is called again", _driver),
    "stop-worker": ("SIGSTOP of one worker", _hit("worker", STOP, one=True)),
    "stop-both": ("SIGSTOP of both workers", _hit("worker", STOP)),
}
