"""Order of additions in the exact mode: one fixed binary tree over canonical replicas, whoever computes its parts.

A floating-point sum depends on the order of its additions. The tree depends only on the number of canonical replicas.
Each worker owns a block of consecutive canonical replicas and adds up the largest subtrees inside its block. Workers
exchange these partial sums, and each of them adds them up to the root. So every number of workers makes the same
additions.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")
Node = tuple[int, int]  # subtree over the canonical replicas [first, end)


def block(replicas: int, workers: int, rank: int) -> range:
    """Return the canonical replicas of a worker; the first workers have one more where they do not divide evenly."""
    each, more = divmod(replicas, workers)
    first = rank * each + min(rank, more)
    return range(first, first + each + (rank < more))


def halves(node: Node) -> tuple[Node, Node]:
    """Return the two subtrees of a node; the left one has the largest power of two of replicas that leaves some."""
    first, end = node
    middle = first + (1 << (end - first - 1).bit_length() - 1)
    return (first, middle), (middle, end)


def partial_sums(replicas: int, owned: range) -> list[Node]:
    """Return the largest subtrees of the tree over `replicas` that lie inside a worker's block, in order."""

    def within(node: Node) -> list[Node]:
        first, end = node
        if end <= owned.start or owned.stop <= first:
            return []
        if owned.start <= first and end <= owned.stop:
            return [node]
        left, right = halves(node)
        return within(left) + within(right)

    return within((0, replicas))


def slots(replicas: int, workers: int) -> int:
    """Return the largest number of partial sums of one worker."""
    return max(len(partial_sums(replicas, block(replicas, workers, rank))) for rank in range(workers))


def add_up(node: Node, values: Mapping[Node, T], add: Callable[[T, T], T]) -> T:
    """Return the sum of a node's canonical replicas, added in the order of the tree.

    Args:
        node: root of the subtree.
        values: sums of nodes that cover the subtree, such as its leaves or partial sums.
        add: addition of two values, the left one first.

    Raises:
        KeyError: `values` lacks a canonical replica.
    """
    if node in values:
        return values[node]
    if node[1] - node[0] == 1:
        raise KeyError(node)
    left, right = halves(node)
    return add(add_up(left, values, add), add_up(right, values, add))
