"""Every number of workers makes the same additions."""

import pytest

from raysq.training.exact_sums import add_up, block, partial_sums, slots

SIZES = range(1, 18)


def leaves(owned):
    return {(number, number + 1): str(number) for number in owned}


def add(left, right):
    return f"({left}+{right})"


@pytest.mark.parametrize("replicas", SIZES)
def test_all_numbers_of_workers_make_the_same_expression(replicas):
    alone = add_up((0, replicas), leaves(range(replicas)), add)
    for workers in range(1, replicas + 1):
        exchanged = {}
        for rank in range(workers):
            owned = block(replicas, workers, rank)
            nodes = partial_sums(replicas, owned)
            assert 1 <= len(nodes) <= slots(replicas, workers)
            exchanged |= {node: add_up(node, leaves(owned), add) for node in nodes}
        assert add_up((0, replicas), exchanged, add) == alone
        used = sorted(number for first, end in exchanged for number in range(first, end))
        assert used == list(range(replicas)), "each canonical replica is in one partial sum"


@pytest.mark.parametrize("replicas", SIZES)
def test_blocks_follow_each_other_and_differ_by_one_at_most(replicas):
    for workers in range(1, replicas + 1):
        blocks = [block(replicas, workers, rank) for rank in range(workers)]
        assert [number for each in blocks for number in each] == list(range(replicas))
        assert max(map(len, blocks)) - min(map(len, blocks)) <= 1


def test_the_tree_is_balanced_and_workers_that_divide_a_power_of_two_exchange_one_sum_each():
    assert add_up((0, 5), leaves(range(5)), add) == "(((0+1)+(2+3))+4)"
    assert [slots(8, workers) for workers in (1, 2, 4, 8)] == [1, 1, 1, 1]
    assert slots(8, 3) == 2


def test_a_missing_canonical_replica_is_an_error():
    with pytest.raises(KeyError, match="3"):
        add_up((0, 4), leaves(range(3)), add)
