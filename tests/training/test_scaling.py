"""Forecasts of a step's cost, and advice on the number of workers."""

import pytest

from raysq.training.scaling import GRPC, CostModel, Interconnect, StepCost, milliseconds


def test_a_ring_passes_twice_and_a_gather_once():
    link = Interconnect("", 1.0, 100.0, gathers=True)
    assert link.seconds(1000, 1) == 0
    assert link.seconds(1000, 2) == 1 + 10
    assert link.seconds(1000, 4) == 3 + 30
    assert link.seconds(10**6, 2) == 2 + 10**4
    assert link.seconds(10**6, 4) == 6 + 1.5 * 10**4
    assert link._replace(gathers=False).seconds(1000, 4) == 6 + 15
    assert link._replace(gathers=False, trees=True).seconds(1000, 5) == 6 + 16


def test_the_model_goes_through_two_batches():
    model = CostModel.fit({256: 0.011, 64: 0.005}, 4000)
    assert model.step(256, 1, GRPC).compute_seconds == pytest.approx(0.011)
    assert model.step(256, 4, GRPC).compute_seconds == pytest.approx(0.005)
    assert model.constant_seconds == pytest.approx(0.003)
    assert model.step(256, 4, GRPC).communication_seconds == GRPC.seconds(4000, 4)
    # A share that takes as long as the whole gains nothing.
    assert CostModel.fit({256: 0.011, 64: 0.012}, 4000) == (0.011, 0.0, 4000)


def test_the_fastest_number_of_workers_has_a_row_for_each():
    slow = CostModel(0.0, 1.0, 4000)
    assert slow.fastest(100, GRPC).workers == 64
    assert slow.fastest(10**6, GRPC).workers == 512
    assert CostModel(0.0, 1e-6, 10**8).fastest(256, GRPC).workers == 1


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (StepCost(2, 0.0003, 0.0004), "for 0.3 ms and communicates for 0.4 ms: --workers 1 is faster"),
        (StepCost(4, 0.001, 0.002), "for 1 ms and communicates for 2 ms: more workers will not help"),
        (StepCost(4, 0.001, 0.003), "--workers 1 is faster"),
        (StepCost(2, 0.012, 0.0005), None),
    ],
)
def test_advice_names_both_costs(cost, words):
    assert words in (cost.advice() or "") if words else cost.advice() is None


def test_durations_are_short():
    assert [milliseconds(value) for value in (0.000354, 0.0121, 1.5)] == ["0.35 ms", "12 ms", "1,500 ms"]
