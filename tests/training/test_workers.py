"""Several workers give what one gives."""

import json

import numpy as np
import pytest
from training.workers import close, timeless, weights

from raysq.training.goodput import read_attempts


@pytest.mark.parametrize(
    ("workers", "case"),
    [
        *(("2", case) for case in ("dense", "gru", "penalty", "own", "unequal", "host", "gaps", "text")),
        *(("2 devices", case) for case in ("dense", "penalty", "own", "host", "gaps")),
        *(("2 of 2 devices", case) for case in ("dense", "host")),
        *(("3", case) for case in ("penalty", "host")),
    ],
)
def test_workers_equal_one_to_float_rounding(by_workers, workers, case):
    one, several = by_workers["1"][case], by_workers[workers][case]
    close(one, several)
    metrics = {"text": ["accuracy"], "own": ["mae", "double_error", "r2_score"]}.get(case, ["mae"])
    for mine, theirs in zip(one.metrics(), several.metrics(), strict=True):
        for name in ("loss", "val_loss", *metrics, *(f"val_{metric}" for metric in metrics)):
            assert mine[name] == pytest.approx(theirs[name], rel=2e-5), name
    assert one.name == several.name, "the run's id depends on the number of workers"


def test_the_chief_alone_makes_samples_and_keeps_epochs(by_workers):
    one, several = by_workers["1"]["sampled"], by_workers["2"]["sampled"]
    close(one, several)
    assert [each["epoch"] for each in several.samples()] == [0, 1, 2] and several.kept_epochs() == [2]
    assert one.samples()[0] == several.samples()[0], "the weights before training are the same"
    (before, *_, after) = several.samples()
    assert [s["title"] for s in before["samples"]] == [s["title"] for s in after["samples"]]


@pytest.mark.parametrize("case", ["dropout", "moving"])
def test_two_workers_repeat_bit_for_bit(by_workers, case):
    first, again = by_workers["2"][case], by_workers["2"][f"{case} again"]
    for mine, theirs in zip(weights(first), weights(again), strict=True):
        assert np.array_equal(mine, theirs)
    assert timeless(first) == timeless(again)


@pytest.mark.parametrize("case", ["moving", "penalty"])
def test_sums_by_a_gather_equal_those_around_a_ring(by_workers, case):
    for gathered, ring in zip(weights(by_workers["2"][case]), weights(by_workers["2 in a ring"][case]), strict=True):
        assert np.array_equal(gathered, ring)
    assert timeless(by_workers["2"][case]) == timeless(by_workers["2 in a ring"][case])


@pytest.mark.parametrize(
    ("workers", "case", "operation"),
    [
        *(("2", case, "CollectiveGatherV2") for case in ("dense", "moving")),
        ("3", "penalty", "CollectiveGatherV2"),
        *(("2 in a ring", case, "CollectiveReduceV2") for case in ("moving", "penalty")),
    ],
)
def test_a_step_has_one_collective_and_an_evaluation_none(by_workers, workers, case, operation):
    """With moving statistics, and with clipping, which needs the sum of the gradients."""
    operations = json.loads((by_workers[workers][case].directory / "collectives-0.json").read_text())
    assert operations["_train_steps train"] == [operation] and operations["_eval_steps val"] == []


def test_every_worker_measures_a_step(by_workers):
    """The runs of this case equal that of one worker, which measures nothing."""
    for rank in range(2):
        workers, compute, communication = json.loads(
            (by_workers["2"]["text"].directory / f"cost-{rank}.json").read_text()
        )
        assert workers == 2 and 0 < compute < 10 and 0 < communication < 10


def test_workers_agree_on_overflows_of_a_loss_scale(by_workers):
    """An optimizer that checks each worker's own gradients leaves the others waiting."""
    first, last = by_workers["2"]["float16"].metrics()
    assert 0 < last["val_loss"] < first["val_loss"]


def test_a_loss_that_is_not_finite_ends_all_workers_at_once(by_workers):
    """They trained the other runs after it."""
    run = by_workers["2"]["diverging"]
    said = [(run.directory / f"error-{rank}").read_text() for rank in range(2)]
    assert said[0] == said[1] and "at step 12: lower learning_rate" in said[0]
    assert not run.metrics()


def test_replicas_draw_their_own_masks(by_workers):
    one, two = by_workers["1"]["dropout"], by_workers["2"]["dropout"]
    assert not np.allclose(weights(one)[0], weights(two)[0], rtol=1e-3)
    # Other masks, the same learning.
    assert one.metrics()[-1]["loss"] == pytest.approx(two.metrics()[-1]["loss"], rel=0.15)


def test_replicas_of_one_worker_or_of_several_are_as_many_as_their_devices(by_workers):
    expected = {"1": 1, "2": 2, "3": 3, "2 devices": 2, "2 of 2 devices": 4}
    assert {name: read_attempts(by_workers[name]["host"])[0].replicas for name in expected} == expected


def test_moving_statistics_are_means_over_the_replicas_of_all_workers(by_workers):
    """Two devices of a worker see the same halves of a batch as two workers; four devices see quarters."""
    devices, workers, both = (by_workers[name]["moving"] for name in ("2 devices", "2", "2 of 2 devices"))
    close(devices, workers)
    assert both.metrics()[-1]["loss"] == pytest.approx(workers.metrics()[-1]["loss"], rel=0.15)
    for mine, theirs in zip(weights(both), weights(workers), strict=True):
        assert np.isfinite(mine).all() and mine.shape == theirs.shape
