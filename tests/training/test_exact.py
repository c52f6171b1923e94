"""Any number of workers gives the same bits with the setting `exact`."""

import numpy as np
import pytest
from training.workers import timeless

from raysq.training import checkpoint

CASES = ("convolved", "lstm", "negatives")


@pytest.mark.parametrize("case", CASES)
def test_two_workers_then_three_end_with_the_bits_of_one(by_workers, case):
    one, several = by_workers["exact"][case], by_workers["3"][case]
    assert timeless(one) == timeless(several)
    assert one.metrics()[-1]["loss"] < one.metrics()[0]["loss"]
    (mine, state), (theirs, other) = (checkpoint.load(run.last) for run in (one, several))
    assert {**state, "seconds": 0} == {**other, "seconds": 0}
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        assert np.array_equal(value, theirs[name]), name
    assert one.result()["metrics"] == several.result()["metrics"]
    assert one.name == several.name, "the run's id depends on the number of workers"
