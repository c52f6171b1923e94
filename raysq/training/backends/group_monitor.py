"""Monitor of a worker group in the driver: it ends workers that no longer answer, and says what was lost."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from raysq.distributed import cluster_values, own_cluster
from raysq.training.backends import end_processes, heartbeat
from raysq.training.backends.group_events import GroupEvents, Member
from raysq.training.backends.group_losses import GroupLost, HeadLost, OwnClusterLost
from raysq.training.backends.heartbeat import Beat

# Without a beat for so long, a process is stopped or unreachable. Threads of a busy process still beat.
SILENCE_SECONDS = 50.0
# Starting a process may take minutes on a busy machine.
_PROCESS_SECONDS = 300.0
_REMEMBER_SECONDS = 5.0  # between two looks at the processes of Ray on this machine
_MAX_TICK = 2 * heartbeat.INTERVAL


@dataclass
class _Watch:
    """What is known of one worker.

    Attributes:
        beat: its last beat.
        silence: seconds without a new beat.
        waiting: seconds in the present call.
        ended: whether this monitor has ended it.
    """

    beat: Beat = field(default_factory=lambda: Beat(0, 0, None))
    silence: float = 0.0
    waiting: float = 0.0
    ended: bool = False


class GroupMonitor:
    """Context manager with a thread that watches the heartbeats of a group.

    Time counts in ticks of at most two seconds, so that a driver which was stopped itself accuses nobody.

    Args:
        events: the group.
        on_message: called with the reason of each restart of the group.
        start_seconds: seconds that Ray Train waits for the resources of a group.
    """

    def __init__(self, events: GroupEvents, on_message: Callable[[str], None], start_seconds: float):
        self._events = events
        self._on_message = on_message
        self._start_seconds = start_seconds + _PROCESS_SECONDS
        self._lost: GroupLost | None = None
        self._watches: dict[Member, _Watch] = {}
        self._restarts = len(events.restarts)
        self._starts = 0
        self._starting = 0.0  # seconds of the present start
        self._announced = False
        self._unanswered = 0.0
        self._checked = time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True, name="group monitor")

    def __enter__(self) -> "GroupMonitor":
        own_cluster.remember()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()

    def check(self) -> None:
        """Raise an error if the group cannot go on by itself. Call it every second from the thread that waits for it.

        Raises:
            OwnClusterLost: Ray on this machine was lost.
            GroupLost: the group cannot be started again.
            HeadLost: the head of the cluster does not answer.
        """
        if server := own_cluster.lost_server():
            raise OwnClusterLost(f"Ray on this machine was lost ({server} ended)")
        if self._lost is not None:
            raise self._lost
        now = time.monotonic()
        self._unanswered += min(now - self._checked, _MAX_TICK)
        self._checked = now
        if self._unanswered <= SILENCE_SECONDS:
            return
        if own_cluster.options() is not None:
            raise OwnClusterLost(f"Ray on this machine has not answered for {SILENCE_SECONDS:g} s")
        raise HeadLost(
            f"the head of the Ray cluster has not answered for {SILENCE_SECONDS:g} s; once it runs again, the same "
            "command continues from the last checkpoint"
        )

    def clear_away(self) -> None:
        """End what is left of a group that was given up."""
        from ray.exceptions import RayError
        from ray.util.placement_group import remove_placement_group

        try:
            end_processes.end(self._events.members)
            for placement_group in self._events.placement_groups:
                remove_placement_group(placement_group)
        except (RayError, RuntimeError):
            pass  # the cluster breaks down just now, which the next group will meet

    def _loop(self) -> None:
        last = looked = time.monotonic()
        while not self._end.wait(heartbeat.INTERVAL):
            now = time.monotonic()
            tick, last = min(now - last, _MAX_TICK), now
            if now - looked > _REMEMBER_SECONDS:
                looked = now
                own_cluster.remember()
            try:
                self._look(tick)
            except Exception:  # the head does not answer now; `check` counts for how long
                continue
            self._unanswered = 0.0

    def _look(self, tick: float) -> None:
        members = self._events.members
        beats = {member: _read_beat(member) for member in members}
        cluster_values.get("")  # the head must answer, though there are no workers now
        for reason in self._events.restarts[self._restarts :]:
            self._restarts += 1
            if not self._announced:
                self._on_message(reason)
            self._announced = False
        self._watches = {member: self._watches.get(member, _Watch()) for member in members}
        for member, beat in beats.items():
            _update(self._watches[member], beat, tick)
        self._judge(tick)

    def _judge(self, tick: float) -> None:
        """End the workers that keep the group from going on."""
        silent = [member for member, watch in self._watches.items() if watch.silence > SILENCE_SECONDS]
        is_starting = not self._watches and self._events.starts == self._starts
        self._starts, self._starting = self._events.starts, self._starting + tick if is_starting else 0.0
        if self._starting > self._start_seconds:
            self._lost = GroupLost(f"the workers did not start in {self._start_seconds:g} s")
        elif any(self._watches[member].ended for member in silent):
            self._lost = GroupLost(f"lost workers were not replaced in {SILENCE_SECONDS:g} s")
        elif silent:
            # Those that fell silent with the first one, in another second, are ended with it.
            silent = [m for m, watch in self._watches.items() if watch.silence > SILENCE_SECONDS - 2 * _MAX_TICK]
            names, has = ", ".join(map(str, silent)), "has" if len(silent) == 1 else "have"
            self._end_workers(silent, f"{names} {has} not answered for {SILENCE_SECONDS:g} s")
        elif (limit := self._call_limit()) is not None:
            waiting = min(watch.waiting for watch in self._watches.values())
            if waiting > limit:
                self._end_workers(list(self._watches), f"no worker has finished its steps for {waiting:.0f} s")

    def _call_limit(self) -> float | None:
        """Return the seconds after which a call that all workers are in hangs, or None if not all are in a known one.

        A worker outside of a call may save a checkpoint for minutes, while the others wait for it in a call.
        """
        known = [watch.beat.longest for watch in self._watches.values() if watch.beat.longest is not None]
        return SILENCE_SECONDS + max(known) if known and len(known) == len(self._watches) else None

    def _end_workers(self, members: list[Member], reason: str) -> None:
        self._announced = True  # the restart that follows
        self._on_message(reason)
        for member in members:
            self._watches[member] = _Watch(ended=True)
        end_processes.end(members)


def _read_beat(member: Member) -> Beat | None:
    value = cluster_values.get(heartbeat.key(member.node, member.pid))
    return None if value is None else Beat.from_bytes(value)


def _update(watch: _Watch, beat: Beat | None, tick: float) -> None:
    """Update what is known of a worker after some seconds."""
    if beat is None or beat.count == watch.beat.count:
        watch.silence += tick
        return
    watch.silence = 0.0
    is_waiting = beat.calls == watch.beat.calls and beat.longest is not None
    watch.waiting = watch.waiting + tick if is_waiting else 0.0
    watch.beat = beat
