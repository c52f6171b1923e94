"""Sizes of a group: where there is room, after losses, and where nodes come and go (with Ray: test_elastic.py)."""

from types import SimpleNamespace

import pytest
from ray.core.generated import autoscaler_pb2
from ray.train.v2._internal.execution.controller.state import ReschedulingState
from ray.train.v2._internal.execution.scaling_policy import NoopDecision, ResizeDecision

from raysq.distributed import places
from raysq.distributed.places import Places, replacement_timeout
from raysq.errors import LostError, UsageError
from raysq.training.backends import group_size
from raysq.training.backends.group_events import GroupEvents
from raysq.training.backends.group_losses import NoRoom
from raysq.training.backends.group_size import GroupSize
from raysq.training.worker_range import WorkerRange


class Worker:
    """Stands for a worker on a node of its own."""

    def __init__(self, node):
        self.metadata = SimpleNamespace(node_id=node)
        self.pauses = 0
        self.actor = SimpleNamespace(pause=SimpleNamespace(remote=self._pause))

    def _pause(self):
        self.pauses += 1


class Group:
    """A group's sizes in a cluster and a time that a test sets."""

    def __init__(self, monkeypatch, least, most, alone=False):
        self.now, self.free, self.total, self.draining = 0.0, 0, 0, frozenset()
        self.events = GroupEvents()
        monkeypatch.setattr(group_size.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(group_size.time, "sleep", self.pass_time)
        monkeypatch.setattr(group_size.ray, "is_initialized", lambda: True)
        monkeypatch.setattr(group_size, "find_places", self.find_places)
        monkeypatch.setattr(GroupSize, "_request_nodes", lambda self: None)
        config = SimpleNamespace(_resources_per_worker_not_none={"CPU": 1})
        self.size = GroupSize(config, WorkerRange(least, most), self.events, alone=alone)

    def find_places(self, needs):
        return Places(self.free, max(self.total, self.free), self.draining)

    def pass_time(self, seconds):
        self.now += seconds

    def start(self, free=None, seconds=1000.0):
        """Return the size that the group starts with, and the seconds that this takes."""
        self.free = self.free if free is None else free
        begin = self.now
        while self.now < begin + seconds:
            decision = self.size.make_decision_for_non_running_worker_group()
            if isinstance(decision, ResizeDecision):
                self.workers = [Worker(f"node{rank}") for rank in range(decision.num_workers)]
                return decision.num_workers, self.now - begin
            assert isinstance(decision, NoopDecision) and self.events.is_waiting
        return None, seconds

    def run(self, seconds, paused=False):
        """Let the group run, and return the last decision."""
        status = SimpleNamespace(worker_statuses={0: SimpleNamespace(is_paused=paused)})
        state = SimpleNamespace(workers=self.workers)
        for _ in range(seconds):
            self.now += 1
            decision = self.size.make_decision_for_running_worker_group(state, status)
        return decision

    def lose(self):
        self.size.before_controller_execute_failure_decision(None)

    def lines(self, step=4300):
        lines = [event.line(step) for event in self.events.log]
        self.events.log.clear()
        return lines


def test_an_elastic_group_starts_with_what_has_room(monkeypatch):
    group = Group(monkeypatch, 1, 4)
    assert group.start(free=9) == (4, 0.0) and group.lines() == []
    group = Group(monkeypatch, 1, 4)
    assert group.start(free=2) == (2, 0.0)
    assert group.lines(0) == ["the cluster has room for 2 of 4 workers: training starts with 2 from step 0"]


def test_the_start_waits_a_little_for_what_other_work_holds_and_long_for_the_least(monkeypatch):
    group = Group(monkeypatch, 1, 4)
    group.total = 4
    size, seconds = group.start(free=3)
    assert size == 3 and 5 <= seconds < 7
    group = Group(monkeypatch, 2, 4)
    monkeypatch.setenv("RAYSQ_NODES_TIMEOUT", "100")
    assert group.start(free=1, seconds=99)[0] is None
    assert group.lines() == ["the cluster has room for 1 of 2 workers, waiting up to 100 s for nodes"]
    with pytest.raises(NoRoom, match="did not give 2 workers 1 CPU each in 100 s: .* the same command continues"):
        group.start()


def test_lost_places_are_waited_for_and_then_left(monkeypatch):
    group = Group(monkeypatch, 1, 4)
    group.start(free=4)
    group.run(1)
    group.lose()
    assert group.start(free=4) == (4, 0.0) and group.lines() == []
    group.run(1)
    group.lose()
    size, seconds = group.start(free=2)
    assert size == 2 and 30 <= seconds < 32
    assert group.lines() == ["2 of 4 workers left: training continues with 2 from step 4,300"]
    group.free = 0
    group.run(100)
    group.lose()
    monkeypatch.setenv("RAYSQ_REPLACEMENT_TIMEOUT", "0")
    assert group.start(free=2) == (2, 0.0), "the size before is that of the smaller group"


def test_a_fixed_group_waits_for_its_nodes(monkeypatch):
    group = Group(monkeypatch, 2, 2)
    group.total = 2  # other work holds them: Ray waits for its end
    assert group.start() == (2, 0.0)
    group.run(10)
    group.lose()
    group.total = 1
    assert group.start(seconds=890)[0] is None
    group.total = 2
    group.now += 20  # the driver itself was stopped
    assert group.start()[0] == 2 and group.lines()[-1].endswith("waiting up to 900 s for nodes")
    error = SimpleNamespace(controller_failure=type("WorkerGroupStartupTimeoutError", (Exception,), {})("no room"))
    group.size.after_controller_state_update(None, ReschedulingState(training_failed_error=error))
    with pytest.raises(NoRoom, match="other work holds them"):
        group.start()


def test_a_fixed_group_on_one_machine_waits_for_other_work_but_not_for_ever(monkeypatch):
    group = Group(monkeypatch, 2, 2, alone=True)
    group.total = 2
    assert group.start(free=1) == (2, 0.0), "no node can come: Ray waits for the end of other work"
    error = SimpleNamespace(controller_failure=type("WorkerGroupStartupTimeoutError", (Exception,), {})("no room"))
    for _ in range(4):  # attempts of Ray, of 180 s each
        group.now += 180
        group.size.after_controller_state_update(None, ReschedulingState(training_failed_error=error))
        assert group.start()[0] == 2
    assert group.lines() == ["the cluster has room for 1 of 2 workers, waiting up to 900 s for other work to end"]
    group.now += 181
    with pytest.raises(NoRoom, match="other work holds them"):
        group.start()


def test_a_group_grows_where_room_stays(monkeypatch):
    group = Group(monkeypatch, 1, 3)
    group.start(free=1)
    group.lines()
    group.free = 0
    group.run(20)
    group.free = 5
    group.run(4)
    group.free = 0  # only for a moment
    group.run(20)
    assert not group.workers[0].pauses
    group.free = 5
    group.run(20)
    assert [worker.pauses for worker in group.workers] == [1]
    assert group.run(1, paused=True).num_workers == 0
    assert group.start(free=6) == (3, 0.0)
    assert group.lines() == ["the cluster has room for 3 of 3 workers: training continues with 3 from step 4,300"]
    group.run(20)
    assert not any(worker.pauses for worker in group.workers)


def test_a_group_leaves_a_node_that_is_taken_away(monkeypatch):
    group = Group(monkeypatch, 2, 2)
    group.total = 2
    group.start()
    group.draining = frozenset({"another"})
    group.run(10)
    assert not group.workers[0].pauses
    group.draining = frozenset({"node1"})
    group.run(10)
    assert [worker.pauses for worker in group.workers] == [1, 1]
    group.run(1, paused=True)
    assert group.start()[0] == 2
    assert group.lines() == ["the node of worker 1 is about to be taken away: training continues from step 4,300"]


def test_a_smaller_group_after_a_notice_is_told_in_one_line(monkeypatch):
    group = Group(monkeypatch, 1, 3)
    group.start(free=3)
    group.draining, group.free = frozenset({"node0", "node2"}), 0
    group.run(10)
    group.run(1, paused=True)
    assert group.start(free=1) == (1, 0.0)
    assert group.lines() == [
        "the node of workers 0, 2 is about to be taken away: training continues with 1 from step 4,300"
    ]


def test_a_loss_before_the_pause_is_a_loss(monkeypatch):
    group = Group(monkeypatch, 2, 2)
    group.total = 2
    group.start()
    group.draining = frozenset({"node1"})
    group.run(10)
    group.lose()
    assert group.start()[0] == 2 and group.lines() == []


def test_starts_that_fail_again_and_again_end_with_their_reason(monkeypatch):
    group = Group(monkeypatch, 2, 2)
    group.total = 2
    timeout = type("WorkerGroupStartupTimeoutError", (Exception,), {})("no room")
    for reason, times in ((timeout, 9), (OSError("full"), 3)):
        for _ in range(times):
            assert group.start()[0] == 2
            state = ReschedulingState(training_failed_error=SimpleNamespace(controller_failure=reason))
            group.size.after_controller_state_update(None, state)
    with pytest.raises(LostError, match=r"did not start 3 times in a row \(full\); the same command continues"):
        group.start()


def test_a_head_that_does_not_answer_is_the_business_of_the_monitor(monkeypatch):
    group = Group(monkeypatch, 1, 2)
    group.start(free=2)

    def fail(needs):
        raise RuntimeError("RPC error")

    monkeypatch.setattr(group_size, "find_places", fail)
    group.run(20)
    group.lose()
    assert group.start(seconds=20)[0] is None


def test_places_are_counted_by_node_without_those_that_go():
    def node(status, free, total, **others):
        return autoscaler_pb2.NodeState(
            node_id=b"\x01" * 28,
            status=status,
            available_resources={"CPU": free, **others},
            total_resources={"CPU": total, **others},
        )

    nodes = [
        node(autoscaler_pb2.RUNNING, 1.5, 4, GPU=1),
        node(autoscaler_pb2.IDLE, 8, 8),
        node(autoscaler_pb2.DRAINING, 8, 8, GPU=8),
        node(autoscaler_pb2.DEAD, 8, 8, GPU=8),
    ]
    assert places._count(nodes, {"CPU": 1}) == Places(9, 12, frozenset({"01" * 28}))
    assert places._count(nodes, {"CPU": 1, "GPU": 0.5}) == Places(1, 2, frozenset({"01" * 28}))


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_a_time_for_lost_places_that_is_none_is_refused(value, monkeypatch):
    monkeypatch.setenv("RAYSQ_REPLACEMENT_TIMEOUT", value)
    with pytest.raises(UsageError, match=f"RAYSQ_REPLACEMENT_TIMEOUT must be a number of seconds, received '{value}'"):
        replacement_timeout()
