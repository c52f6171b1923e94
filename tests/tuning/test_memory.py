"""Memory of a search: what is said before, which trials wait, and how running out ends."""

from types import SimpleNamespace

import pytest

from raysq.distributed import memory
from raysq.tuning import memory as room
from raysq.tuning.memory import Throttle

GIGABYTE = 1_000_000_000


@pytest.fixture
def machine(monkeypatch):
    """A machine whose memory the test sets: what is left, and what this search holds."""
    state = {"left": 10 * GIGABYTE, "taken": 0}
    monkeypatch.setattr(memory, "unreserved", lambda: state["left"])
    monkeypatch.setattr(memory, "resident_total", lambda process: state["taken"])
    return state


def test_what_a_trial_needs_and_has_is_said():
    assert room.estimate(0, 100_000_000, 1) == 800_000_000
    assert room.estimate(GIGABYTE, 100_000_000, 2) == 3 * GIGABYTE  # what trials took counts more, as does its process
    message = room.describe(GIGABYTE, left=9 * GIGABYTE, count=2, concurrent=2)
    assert message == "memory: a trial takes about 1.0 GB, 9.0 GB are left: 2 beside each other"
    message = room.describe(GIGABYTE, left=2 * GIGABYTE, count=2, concurrent=4)
    assert message.endswith("2 beside each other instead of 4")
    message = room.describe(4 * GIGABYTE, left=GIGABYTE, count=1, concurrent=4)
    assert "one at a time, which may be too much" in message


def test_a_trial_waits_where_another_search_took_the_memory(machine):
    said = []
    throttle = Throttle(GIGABYTE, 3, said.append)
    assert not throttle.must_wait(0)
    throttle.on_trial_start(1)
    assert not throttle.must_wait(1)
    # The first one has promised itself 1 GB and does not hold it yet: 1.5 GB are not enough for two.
    machine["left"] = 1.5 * GIGABYTE
    assert throttle.must_wait(1) and throttle.must_wait(1)
    assert said == ["1.5 GB of memory are left, and a trial takes about 1.0 GB: further ones wait"]
    machine["taken"] = GIGABYTE  # now it does, and 1.5 GB are left besides
    assert not throttle.must_wait(1)
    throttle.on_trial_start(2)
    # Trials turn out to take more.
    throttle.raise_estimate(2 * GIGABYTE)
    assert throttle.must_wait(2)
    # One that ended left its process, and that its memory.
    assert not throttle.must_wait(1)
    # Where none runs, waiting would never end.
    machine["left"] = 0
    assert not throttle.must_wait(0)


def test_after_running_out_fewer_run_beside_each_other(machine):
    said = []
    throttle = Throttle(GIGABYTE, 3, said.append)
    for handed in (1, 2, 3):
        throttle.on_trial_start(handed)
    throttle.lower_limit()
    assert throttle.must_wait(2) and not throttle.must_wait(1)
    throttle.lower_limit()
    throttle.lower_limit()
    assert throttle.must_wait(1) and not throttle.must_wait(0)
    assert said == [f"a trial ran out of memory: {count} at a time from now on" for count in (2, 1)]


def test_memory_is_not_looked_at_on_a_cluster(machine):
    machine["left"] = 0
    throttle = Throttle(0, 3, lambda line: None)
    throttle.on_trial_start(1)
    throttle.raise_estimate(GIGABYTE)
    assert not throttle.must_wait(1) and throttle.explain(RuntimeError("a node was lost")) is None


def test_a_trial_whose_process_the_memory_monitor_ended_says_so(machine, tmp_path):
    from raysq.tuning.ray_tune import SessionCallback

    # As Ray 2.60 writes it; of any process that was killed it names the kernel's OOM killer as a possible cause.
    monitor = (
        "1 worker(s) were killed due to the node running low on memory.\nOOM kill reason: Memory usage 5633667072B"
    )
    killed = (
        "Some common causes include: (1) the process was killed by the OOM killer due to high memory usage, (2) ..."
    )
    ended, ran_out = [], []
    session = SimpleNamespace(
        on_process_lost=lambda name, memory: ran_out.append(memory) or 0,
        on_trial_end=lambda name, error: ended.append(error),
    )
    path = tmp_path / "error.txt"
    trial = SimpleNamespace(config={"trial": ["trial-01", 0, {}]}, error_file=str(path))
    for texts, said in (([killed, monitor], room.OUT_OF_MEMORY), ([monitor, killed], room.LOST)):
        path.write_text(
            "".join(f"Failure # {number} (occurred at noon)\n{text}\n" for number, text in enumerate(texts))
        )
        SessionCallback(session).on_trial_error(1, [], trial)
        assert ended.pop() == said
    assert ran_out == [True, False]


def test_rays_last_paragraph_becomes_one_line(machine):
    ray = pytest.importorskip("ray")
    error = ray.exceptions.OutOfMemoryError(
        "Memory on the node was 22.9GB / 23.5GB (0.97), which exceeds the memory usage threshold of 0.95.\n\n"
        "To adjust the kill threshold, set the environment variable `RAY_memory_usage_threshold` when starting Ray. "
        "To disable worker killing, set the environment variable `RAY_memory_monitor_refresh_ms` to zero."
    )
    machine["left"] = 400_000_000
    line = str(Throttle(GIGABYTE, 2, lambda line: None).explain(error))
    assert "RAY_" not in line and "\n" not in line
    assert line.startswith(
        "this machine ran out of memory: a trial takes about 1.0 GB, 2 ran beside each other, 0.4 GB"
    )
    assert "--max-concurrent 1" in line
    # A raylet that the kernel ended says nothing of memory.
    assert Throttle(GIGABYTE, 2, lambda line: None).explain(RuntimeError("the raylet died")) is not None
    machine["left"] = 9 * GIGABYTE
    assert Throttle(GIGABYTE, 2, lambda line: None).explain(RuntimeError("the raylet died")) is None
