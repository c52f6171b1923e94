"""Monitor of a worker group in the driver: it ends workers that no longer answer, and says what was lost."""

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from raysq.distributed import cluster_values, own_cluster
from raysq.environment import environment_seconds
from raysq.training.backends import end_processes, heartbeat
from raysq.training.backends.group_events import GroupEvents, Member
from raysq.training.backends.group_log import Event
from raysq.training.backends.group_losses import GroupLost, HeadLost, OwnClusterLost, unreachable_errors
from raysq.training.backends.heartbeat import Beat

# Without a beat for so long, a process is stopped or unreachable. Threads of a busy process still beat.
SILENCE_SECONDS = 50.0
# Starting a process, and loading libraries from a slow file system, may take minutes.
_PROCESS_SECONDS = 300.0
# Interval at which processes that start, and are silent, are looked at.
_STOPPED_SECONDS = 10.0
# The first calls of a name trace and compile, or are the first evaluation of a large split.
_FIRST_CALL_SECONDS = 3600.0
# A machine that others use too may slow a call down to a third.
_SLOWDOWN = 3.0
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

    beat: Beat = field(default_factory=lambda: Beat(0, 0, None, is_ready=False, started=0))
    silence: float = 0.0
    waiting: float = 0.0
    ended: bool = False

    @property
    def is_starting(self) -> bool:
        """Whether the process may still load its libraries."""
        return not (self.beat.is_ready or self.ended)

    def excess(self, start_seconds: float) -> float:
        """Return the seconds of silence beyond those allowed, negative within them."""
        return self.silence - (start_seconds if self.is_starting else SILENCE_SECONDS)


class GroupMonitor:
    """Context manager with a thread that watches the heartbeats of a group.

    Time counts in ticks of at most two seconds, so that a driver which was stopped itself accuses nobody.

    Args:
        events: the group.
        on_event: called with each event of the group, in the thread that calls `check`.
        start_seconds: seconds that Ray Train waits for the resources of a group.

    Raises:
        UsageError: RAYSQ_FIRST_CALL_TIMEOUT is not a number of seconds.
    """

    def __init__(self, events: GroupEvents, on_event: Callable[[Event], None], start_seconds: float):
        self._events = events
        self._on_event = on_event
        self._start_seconds = start_seconds + _PROCESS_SECONDS
        self._first_call_seconds = first_call_seconds()
        self._untold: deque[Event] = deque()
        self._lost: Exception | None = None
        self._watches: dict[Member, _Watch] = {}
        self._read = len(events.log)
        self._starts = 0
        self._starting = 0.0  # seconds of the present start
        self._announced = False
        self._unanswered = 0.0
        self._checked = time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True, name="group monitor")

    def __enter__(self) -> "GroupMonitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._tell()

    def check(self) -> None:
        """Tell what was lost, and raise an error if the group cannot go on by itself.

        Call it every second from the thread that waits for the group.

        Raises:
            OwnClusterLost: Ray on this machine was lost.
            GroupLost: the group cannot be started again.
            HeadLost: the head of the cluster does not answer.
        """
        self._tell()
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

    def members(self) -> dict[Member, int]:
        """Return the present workers with the moments of their starts, see `end_processes.end`."""
        watches = dict(self._watches)
        return {m: watches[m].beat.started if m in watches else 0 for m in {*watches, *self._events.members}}

    def clear_away(self, members: Mapping[Member, int]) -> None:
        """End what is left of a group that was given up.

        Args:
            members: `members` before its end.
        """
        from ray.util.placement_group import remove_placement_group

        # Errors: the cluster breaks down just now, which the next group will meet.
        with contextlib.suppress(*unreachable_errors()):
            end_processes.end(members)
        for placement_group in self._events.placement_groups:
            with contextlib.suppress(*unreachable_errors()):
                remove_placement_group(placement_group)

    def _loop(self) -> None:
        try:
            last = time.monotonic()
            while not self._end.wait(heartbeat.INTERVAL):
                now = time.monotonic()
                tick, last = min(now - last, _MAX_TICK), now
                self._look(tick)
        except Exception as error:  # raised by `check`: a group must not be without a monitor
            self._lost = error

    def _look(self, tick: float) -> None:
        members = self._events.members
        try:
            beats = {member: _read_beat(member) for member in members}
            cluster_values.get("")  # the head must answer, though there are no workers now
        except unreachable_errors():  # `check` counts for how long
            return
        self._unanswered = 0.0
        for event in self._events.log[self._read :]:
            self._read += 1
            if not (event.is_loss and self._announced):
                self._untold.append(event)
            self._announced = self._announced and not event.is_loss
        self._watches = {member: self._watches.get(member, _Watch()) for member in members}
        for member, beat in beats.items():
            _update(self._watches[member], beat, tick)
        self._judge(tick)

    def _tell(self) -> None:
        """Pass the events on. Not from the monitor's thread: shared storage and a terminal may block it."""
        while self._untold:
            event = self._untold.popleft()
            with contextlib.suppress(Exception):  # that nobody can be told is no reason to end training
                self._on_event(event)

    def _judge(self, tick: float) -> None:
        """End the workers that keep the group from going on."""
        excess = {member: watch.excess(self._start_seconds) for member, watch in self._watches.items()}
        stopped = self._stopped(tick)
        silent = [member for member in excess if excess[member] > 0 or member in stopped]
        is_starting = not (self._watches or self._events.is_waiting) and self._events.starts == self._starts
        self._starts, self._starting = self._events.starts, self._starting + tick if is_starting else 0.0
        if _is_due(self._starting, tick):
            end_processes.end_stopped_starts()  # the restart that follows is told
        if self._starting > self._start_seconds:
            self._lost = GroupLost(f"the workers did not start in {self._start_seconds:g} s")
        elif any(self._watches[member].ended for member in silent):
            self._lost = GroupLost(f"lost workers were not replaced in {SILENCE_SECONDS:g} s")
        elif silent:
            # Those that fell silent with the first one, in another second, are ended with it.
            silent = [member for member in excess if excess[member] > -2 * _MAX_TICK or member in stopped]
            names, has = ", ".join(map(str, silent)), "has" if len(silent) == 1 else "have"
            seconds = min(self._watches[member].silence for member in silent)
            self._end_workers(silent, f"{names} {has} not answered for {int(seconds)} s")
        elif (limit := self._call_limit()) is not None:
            waiting = min(watch.waiting for watch in self._watches.values())
            if waiting > limit:
                self._end_workers(list(self._watches), f"no worker has finished its steps for {waiting:.0f} s")

    def _stopped(self, tick: float) -> list[Member]:
        """Return the workers that were stopped while they load their libraries, when silence alone tells nothing."""
        watches = {member: watch for member, watch in self._watches.items() if watch.is_starting}
        due = {member: watch.beat.started for member, watch in watches.items() if _is_due(watch.silence, tick)}
        with contextlib.suppress(*unreachable_errors()):
            return end_processes.stopped(due) if due else []
        return []

    def _call_limit(self) -> float | None:
        """Return the seconds after which a call that all workers are in hangs, or None if not all are in one.

        A worker outside of a call may save a checkpoint for minutes, while the others wait for it in a call.
        """
        longest = [watch.beat.longest for watch in self._watches.values() if watch.beat.longest is not None]
        if not longest or len(longest) < len(self._watches):
            return None
        return SILENCE_SECONDS + _SLOWDOWN * max(longest) if all(longest) else self._first_call_seconds

    def _end_workers(self, members: list[Member], reason: str) -> None:
        started = {member: self._watches[member].beat.started for member in members}
        for member in members:
            self._watches[member] = _Watch(self._watches[member].beat, ended=True)
        self._announced = True  # the restart that follows
        # Errors: those that still run will be silent for another while, and the group is given up.
        with contextlib.suppress(*unreachable_errors()):
            end_processes.end(started)
        self._untold.append(Event(reason))


def first_call_seconds() -> float:
    """Return the longest time of a call of unknown length, from RAYSQ_FIRST_CALL_TIMEOUT (default 3600).

    Raises:
        UsageError: the value is not a number of seconds above 0.
    """
    return environment_seconds("RAYSQ_FIRST_CALL_TIMEOUT", _FIRST_CALL_SECONDS, lambda seconds: seconds > 0, " above 0")


def _is_due(silence: float, tick: float) -> bool:
    """Return whether to look at a silent process: after `SILENCE_SECONDS`, and from then on at an interval."""
    beyond = silence - SILENCE_SECONDS
    return beyond > 0 and math.ceil(beyond / _STOPPED_SECONDS) > math.ceil((beyond - tick) / _STOPPED_SECONDS)


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
