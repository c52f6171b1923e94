"""What a monitor learns of calls."""

import pytest

from raysq.training import call_log
from raysq.training.call_log import CallLog


@pytest.fixture
def clock(monkeypatch):
    """Seconds that each call takes, in order."""
    seconds = [0.0]
    monkeypatch.setattr(call_log.time, "monotonic", lambda: seconds[0])

    def call(log, name, duration):
        with log.call(name):
            during = log.longest()
            seconds[0] += duration
        return during

    return call


def test_the_longest_call_is_known_from_the_third_of_a_name_on(clock):
    log = CallLog()
    # The first call compiles.
    assert [clock(log, "train", seconds) for seconds in (90, 2, 3, 1, 1)] == [0, 0, 2, 3, 3]
    assert clock(log, "val", 7) == 0 and log.longest() is None
    assert log.finished == 6


def test_a_call_that_raises_is_not_finished(clock):
    log = CallLog()
    with pytest.raises(KeyError), log.call("train"):
        raise KeyError
    assert log.finished == 0 and log.longest() is None
