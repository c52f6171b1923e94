"""The order of examples: permutations, streams that do not depend on the number of workers, seeds."""

import numpy as np
import pytest

from raysq.data import shuffle


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 65, 1000, 99_136])
def test_every_key_gives_a_permutation(size):
    for key in (0, 1, 2**63):
        assert np.array_equal(np.sort(shuffle.permute(np.arange(size), size, key)), np.arange(size))


def test_keys_and_seeds_give_other_orders():
    first = shuffle.batch_order(1, 1000, 100, 0, 20)
    assert not np.array_equal(first[:10], first[10:]), "two passes have the same order"
    assert not np.array_equal(first, shuffle.batch_order(2, 1000, 100, 0, 20))


def test_the_first_place_is_taken_evenly():
    counts = np.bincount(shuffle.permute(np.zeros(20_000, int), 10, np.arange(20_000)), minlength=10)
    # Chi-square with 9 degrees of freedom: above 27.9 once in a thousand.
    assert ((counts - 2000) ** 2 / 2000).sum() < 27.9


def test_neighbors_are_scattered():
    values = shuffle.permute(np.arange(50_000), 50_000, 7)
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.02
    assert abs(np.corrcoef(np.arange(50_000), values)[0, 1]) < 0.02


def test_a_pass_holds_every_example_once_and_batches_straddle_passes():
    stream = shuffle.batch_order(3, 103, 10, 0, 31).reshape(-1)
    for number in range(3):
        assert np.array_equal(np.sort(stream[number * 103 : (number + 1) * 103]), np.arange(103))


def test_any_step_can_be_asked_for_at_once():
    whole = shuffle.batch_order(4, 777, 32, 0, 60)
    for first, steps in ((0, 1), (17, 5), (59, 1), (24, 30)):
        assert np.array_equal(shuffle.batch_order(4, 777, 32, first, steps), whole[first : first + steps])
    # Far along and over many examples, without materializing anything.
    assert shuffle.batch_order(4, 10**12, 8, 10**9, 2).max() < 10**12


def test_the_stream_is_pinned():
    # These values are a promise: runs of older versions must find their order again.
    assert shuffle.batch_order(0, 1000, 8, 0, 2).tolist() == PINNED


PINNED = [[660, 352, 373, 831, 970, 297, 987, 621], [115, 122, 846, 53, 456, 25, 676, 661]]


@pytest.mark.parametrize("batch_size", [1, 7, 12, 128])
def test_workers_share_out_the_same_batches(batch_size):
    for replicas in (1, 2, 3, 4):
        part = shuffle.replica_slice(batch_size, replicas)
        assert part * replicas >= batch_size > part * (replicas - 1) - replicas


def test_seeds_differ_by_step_replica_and_generator():
    seeds = shuffle.seeds(5, 10, 6, range(3), 2).reshape(-1, 2)
    assert len({tuple(row) for row in seeds.tolist()}) == len(seeds)
    assert (seeds >= 0).all() and (seeds < 2**31).all()
    assert np.array_equal(shuffle.seeds(5, 12, 1, range(1, 2), 2)[0, 0], shuffle.seeds(5, 10, 6, range(3), 2)[2, 1])
