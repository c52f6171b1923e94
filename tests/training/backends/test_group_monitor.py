"""Workers are ended that no longer answer, and none that only take long."""

from types import SimpleNamespace

import pytest
from ray.exceptions import ActorDiedError, RaySystemError
from ray.train.v2._internal.exceptions import UserExceptionWithTraceback, WorkerHealthCheckFailedError
from ray.train.v2._internal.execution.controller.state import RestartingState

from raysq.distributed import own_cluster
from raysq.errors import LostError, UsageError
from raysq.training.backends import group_monitor
from raysq.training.backends.group_events import GroupEvents, Member
from raysq.training.backends.group_log import Event
from raysq.training.backends.group_losses import GroupLost, HeadLost, OwnClusterLost
from raysq.training.backends.group_monitor import GroupMonitor
from raysq.training.backends.heartbeat import Beat

MEMBERS = [Member(0, "node", 10), Member(1, "node", 11)]


def beat_of(count, is_ready=True):
    return Beat(count, 0, None, is_ready, started=0)


class Group:
    """A group whose beats a test sets, and its monitor."""

    def __init__(self, monkeypatch):
        self.events = GroupEvents()
        self.beats: dict[Member, Beat] = {}
        self.said: list[str] = []
        self.ended: dict[Member, int] = {}
        self.stopped: list[Member] = []
        monkeypatch.setattr(group_monitor, "_read_beat", self.beats.get)
        monkeypatch.setattr(group_monitor.cluster_values, "get", lambda key: None)
        monkeypatch.setattr(group_monitor.end_processes, "end", self.ended.update)
        monkeypatch.setattr(
            group_monitor.end_processes, "stopped", lambda members: [m for m in members if m in self.stopped]
        )
        monkeypatch.setattr(group_monitor.end_processes, "end_stopped_starts", lambda: None)
        self.monitor = GroupMonitor(self.events, lambda event: self.said.append(event.text), 100.0)
        self.start()

    def start(self):
        self.events.before_worker_group_start(None)
        self.events.members = list(MEMBERS)

    def pass_time(self, seconds, beating=(), calls=True, longest=0.1, is_ready=True):
        """Let time pass, in which some workers beat, and finish calls."""
        for _ in range(seconds):
            for member in beating:
                beat = self.beats.get(member, beat_of(0))
                self.beats[member] = Beat(beat.count + 1, beat.calls + calls, longest, is_ready, member.pid)
            self.monitor._look(1.0)
            self.monitor._tell()


@pytest.fixture
def group(monkeypatch):
    return Group(monkeypatch)


def test_a_silent_worker_is_ended_once_and_told_in_one_line(group):
    group.pass_time(100, MEMBERS)
    group.pass_time(50, MEMBERS[:1])
    assert not group.ended
    group.pass_time(1, MEMBERS[:1])
    assert group.ended == {MEMBERS[1]: 11}, "with the moment of its start"
    group.events.log.append(Event("worker 1 (process 11) was lost"))
    group.start()
    group.pass_time(40, MEMBERS)
    assert group.said == ["worker 1 (process 11) has not answered for 51 s"]
    group.events.log.append(Event("worker 0 (process 10) was lost"))
    group.pass_time(1, MEMBERS)
    assert group.said[1:] == ["worker 0 (process 10) was lost"]
    group.monitor.check()


def test_both_silent_workers_are_ended_together(group):
    group.pass_time(1, MEMBERS)
    group.pass_time(2, MEMBERS[1:])  # its last beats
    group.pass_time(60)
    assert list(group.ended) == MEMBERS
    assert group.said == ["worker 0 (process 10), worker 1 (process 11) have not answered for 49 s"]


def test_calls_of_unknown_length_may_take_minutes(group):
    """The first call traces and compiles; a worker between calls may write a checkpoint while the others wait."""
    group.pass_time(3599, MEMBERS, calls=False, longest=0.0)
    for _ in range(3700):
        group.pass_time(1, MEMBERS[:1], calls=False)
        group.pass_time(1, MEMBERS[1:], calls=False, longest=None)
    assert not group.ended


def test_a_first_call_that_hangs_ends_all_after_a_time_that_can_be_set(group, monkeypatch):
    monkeypatch.setenv("RAYSQ_FIRST_CALL_TIMEOUT", "600")
    group.monitor._first_call_seconds = group_monitor.first_call_seconds()
    group.pass_time(600, MEMBERS, calls=False, longest=0.0)
    assert not group.ended
    group.pass_time(1, MEMBERS, calls=False, longest=0.0)
    assert group.said == ["no worker has finished its steps for 601 s"]


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan"])
def test_a_time_of_first_calls_that_is_none_is_refused(value, monkeypatch):
    monkeypatch.setenv("RAYSQ_FIRST_CALL_TIMEOUT", value)
    with pytest.raises(UsageError, match=f"RAYSQ_FIRST_CALL_TIMEOUT must be .* above 0, received '{value}'"):
        GroupMonitor(GroupEvents(), print, 100.0)


def test_loading_libraries_may_silence_a_worker_for_as_long_as_its_start(group):
    group.pass_time(2, MEMBERS, is_ready=False)
    group.pass_time(400)
    assert not group.ended
    group.pass_time(1)
    assert group.said == ["worker 0 (process 10), worker 1 (process 11) have not answered for 401 s"]


def test_a_worker_that_is_stopped_while_it_loads_libraries_is_noticed_at_once(group):
    group.stopped = [MEMBERS[1]]
    group.pass_time(2, MEMBERS, is_ready=False)
    group.pass_time(50, MEMBERS[:1], is_ready=False)
    assert not group.ended
    group.pass_time(1, MEMBERS[:1], is_ready=False)
    assert group.ended == {MEMBERS[1]: 11}
    assert group.said == ["worker 1 (process 11) has not answered for 51 s"]


def test_a_worker_that_is_stopped_later_is_looked_at_again(group):
    group.pass_time(2, MEMBERS, is_ready=False)
    group.pass_time(55, MEMBERS[:1], is_ready=False)
    group.stopped = [MEMBERS[1]]
    group.pass_time(6, MEMBERS[:1], is_ready=False)
    assert group.ended == {MEMBERS[1]: 11}


def test_a_call_that_hangs_ends_all(group):
    group.pass_time(50 + 3 * 600, MEMBERS, calls=False, longest=600.0)
    assert not group.ended
    group.pass_time(1, MEMBERS, calls=False, longest=600.0)
    assert list(group.ended) == MEMBERS and group.said == ["no worker has finished its steps for 1851 s"]


def test_a_slow_worker_is_no_hanging_group(group):
    for _ in range(200):
        group.pass_time(1, MEMBERS[:1], calls=False)
        group.pass_time(1, MEMBERS[1:])
    assert not group.ended


def test_workers_that_nobody_replaces_are_a_loss_of_the_group(group):
    group.pass_time(1, MEMBERS)
    group.pass_time(51)
    group.monitor.check()
    group.pass_time(51)
    with pytest.raises(GroupLost, match="were not replaced"):
        group.monitor.check()


def test_a_group_that_does_not_start_is_lost(group):
    group.events.before_worker_group_start(None)
    group.pass_time(399)
    group.events.before_worker_group_start(None)
    group.pass_time(400)
    group.monitor.check()
    group.pass_time(2)
    with pytest.raises(GroupLost, match="the workers did not start in 400 s"):
        group.monitor.check()


def test_members_are_known_though_the_group_has_ended(group):
    group.pass_time(1, MEMBERS[:1])
    left = group.monitor.members()
    group.events.before_worker_group_shutdown(None)
    group.monitor._look(1.0)
    assert left == {MEMBERS[0]: 10, MEMBERS[1]: 0} and group.monitor.members() == {}
    group.monitor.clear_away(left)
    assert group.ended == left


def test_only_a_head_that_does_not_answer_counts_as_lost(group, monkeypatch):
    """Workers are ended first and told in the caller's thread, where no storage or terminal keeps the monitor."""

    def fail(reason):
        raise BrokenPipeError

    group.monitor._on_message = fail
    group.pass_time(1, MEMBERS)
    group.monitor._unanswered = 40.0
    for _ in range(51):
        group.monitor._look(1.0)
    assert list(group.ended) == MEMBERS and group.monitor._unanswered == 0.0
    group.monitor.check()

    def refuse(key):
        raise RaySystemError("no head")

    monkeypatch.setattr(group_monitor.cluster_values, "get", refuse)
    group.monitor._unanswered = 40.0
    group.monitor._look(1.0)
    assert group.monitor._unanswered == 40.0


def test_an_error_of_the_monitor_is_raised_where_the_group_is_waited_for(group, monkeypatch):
    monkeypatch.setattr(group_monitor, "_read_beat", lambda member: 1 // 0)
    monkeypatch.setattr(group_monitor.heartbeat, "INTERVAL", 0.01)
    with group.monitor:
        group.monitor._thread.join(10)
        with pytest.raises(ZeroDivisionError):
            group.monitor.check()


def test_a_head_that_does_not_answer_is_lost(group, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(group_monitor.time, "monotonic", lambda: now[0])
    group.monitor._checked = 0.0
    now[0] = 1000.0  # the driver itself was stopped
    group.monitor.check()
    for error, options in ((HeadLost, None), (OwnClusterLost, {})):
        monkeypatch.setattr(own_cluster, "options", lambda options=options: options)
        with pytest.raises(error, match="has not answered for 50 s"):
            for _ in range(30):
                now[0] += 2
                group.monitor.check()
        group.monitor._unanswered = 0.0
    monkeypatch.setattr(own_cluster, "lost_server", lambda: "raylet")
    with pytest.raises(OwnClusterLost, match="raylet ended"):
        group.monitor.check()


@pytest.mark.parametrize(
    ("failures", "reason"),
    [
        (
            {0: UserExceptionWithTraceback(LostError("a worker was lost"), ""), 1: ActorDiedError()},
            "worker 1 (process 11) was lost",
        ),
        (
            {rank: WorkerHealthCheckFailedError("a check failed", ActorDiedError()) for rank in (0, 1)},
            "worker 0 (process 10), worker 1 (process 11) were lost",
        ),
        (
            {0: UserExceptionWithTraceback(LostError("gone"), ""), 1: UserExceptionWithTraceback(OSError("full"), "")},
            "worker 1 (process 11) failed (full)",
        ),
        (
            {0: UserExceptionWithTraceback(LostError("Deadline Exceeded"), "")},
            "a worker no longer answered the others",
        ),
        ({}, "the workers did not start (no room)"),
    ],
)
def test_restarts_are_told_with_their_reason(failures, reason):
    events = GroupEvents()
    events.members = list(MEMBERS)
    error = SimpleNamespace(worker_failures=failures, controller_failure="no room")
    state = RestartingState(training_failed_error=error)
    events.after_controller_state_update(None, SimpleNamespace())
    events.after_controller_state_update(None, state)
    events.after_controller_state_update(state, state)  # it waits for room
    assert events.log == [Event(reason)]
