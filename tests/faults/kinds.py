"""The faults: each waits for its moment and hits its victims; it returns whether it came to that."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faults import node_kinds
from faults.trial import EPOCHS, Trial

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


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        title: what is done, for the table.
        fault: does it, and returns whether it came to that. Its argument is the trial.
        on_nodes: whether the run is on a cluster of three nodes.
        options: further options of the command, for the undisturbed run too.
        epochs: of the run.
        lines: lines about what happened, by default one for each fault.
        lossless: whether no step may be lost.
        is_told: whether the command lives to tell of the fault.
        cleared: seconds after the end of the command within which no process may be left.
    """

    title: str
    fault: Callable[[Any], bool]
    on_nodes: bool = False
    options: tuple[str, ...] = ()
    epochs: int = EPOCHS
    lines: int | None = None
    lossless: bool = False
    is_told: bool = True
    cleared: float = 30.0


def _of_node(
    title: str, fault: Callable[[Any], bool], lines: int, lossless: bool = False, epochs: int = 2 * EPOCHS
) -> Kind:
    """A kind with a changing number of workers: in the exact mode the bits are those of any number."""
    options = ("--workers=1:2", "--set=training.exact=8")
    return Kind(title, fault, on_nodes=True, options=options, epochs=epochs, lines=lines, lossless=lossless)


KINDS: dict[str, Kind] = {
    "kill-worker": Kind("SIGKILL of the worker that is not the chief", _hit("other", KILL, "training")),
    "kill-chief": Kind("SIGKILL of the chief", _hit("chief", KILL, "training")),
    "kill-both": Kind("SIGKILL of both workers", _hit("worker", KILL)),
    "kill-in-collective": Kind(
        "SIGKILL of the chief while the other worker waits in a collective for it", _in_collective
    ),
    "kill-in-checkpoint": Kind(
        "SIGKILL of the chief while it writes a checkpoint", _hit("chief", KILL, "checkpointing")
    ),
    "kill-in-restart": Kind("SIGKILL of a worker, and of a new one while the group starts again", _in_restart),
    "kill-twice": Kind("SIGKILL of the chief, twice in a row", _twice),
    "kill-raylet": Kind("SIGKILL of the raylet", _hit("raylet", KILL)),
    "kill-head": Kind("SIGKILL of the head's server (GCS)", _hit("gcs_server", KILL)),
    "kill-driver": Kind(
        "SIGKILL of the command; it is called again",
        _driver,
        is_told=False,
        cleared=90.0,  # two agents of the killed Ray report its end for 60 s to a head that is gone
    ),
    "stop-worker": Kind("SIGSTOP of one worker", _hit("worker", STOP, one=True)),
    "stop-both": Kind("SIGSTOP of both workers", _hit("worker", STOP)),
    "node-returns": Kind("a node of three lost; another comes", node_kinds.returns, on_nodes=True),
    "node-stays-away": Kind(
        "a node of three lost for good: the command ends in one line; it is called again once there is a node",
        node_kinds.stays_away,
        on_nodes=True,
    ),
    "elastic-returns": _of_node(
        "a node of three lost, `--workers 1:2`, exact mode: one worker goes on, and two once another node comes",
        node_kinds.returns_to_fewer,
        lines=3,
        epochs=6 * EPOCHS,  # one worker must not come to the end before the node has started
    ),
    "elastic-stays-away": _of_node(
        "a node of three lost for good, `--workers 1:2`, exact mode: one worker goes on to the end",
        node_kinds.stays_away_from_fewer,
        lines=2,
    ),
    "elastic-drained": _of_node(
        "notice that a node of three is taken away, `--workers 1:2`, exact mode: one worker goes on, no step lost",
        node_kinds.drained,
        lines=1,
        lossless=True,
    ),
}
