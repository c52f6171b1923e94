"""Sums over canonical replicas in a graph: added in the order of the tree, with one collective for several workers."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import tensorflow as tf

from raysq.errors import UsageError
from raysq.training.exact_sums import Node, add_up, block, partial_sums, slots
from raysq.training.gather import gather
from raysq.training.packing import Packing, Vectors

Tensor = Any  # TensorFlow has no types


def isolated(function: Callable[..., Any]) -> Any:
    """Return a `tf.function` that is optimized and run by itself, whatever the graph around it.

    Inlined into a graph, its operations would be merged and reordered with others, which depend on the number of
    canonical replicas of a worker.
    """
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


class GatherGroup:
    """Workers that exchange vectors. Every worker must create it, and call `gather` equally often.

    A strategy's own operations add in an order that depends on the number of workers.

    Args:
        workers: number of workers.
        rank: rank of this worker.
    """

    def __init__(self, workers: int = 1, rank: int = 0) -> None:
        self.workers, self.rank = workers, rank
        # TensorFlow sorts the members of a group by their names: the place of each rank among them.
        self._places = list(range(workers))
        self._gather_word = tf.function(
            lambda word: gather(word, workers), input_signature=[tf.TensorSpec((1,), tf.float32)]
        )
        self._gather_first = tf.function(lambda rows: self.gather(rows)[0])  # traced for each shape
        ranks = self.gather_values(rank)
        self._places = [ranks.index(rank) for rank in range(workers)]

    @classmethod
    def of(cls, strategy: Any) -> Self:
        """Return the group of a worker's strategy, or a group of one where there is none.

        Raises:
            UsageError: the worker has several devices.
        """
        if strategy is None:
            return cls()
        resolver = strategy.cluster_resolver
        devices = len(strategy.extended.worker_devices)
        if devices > 1 or resolver is None:
            raise UsageError(
                f"setting exact needs one device for each worker, and a worker has {devices}: give each of them a "
                f"worker (--workers {devices}), or hide them (CUDA_VISIBLE_DEVICES=0)"
            )
        return cls(strategy.num_replicas_in_sync, resolver.task_id or 0)

    def gather(self, rows: Tensor) -> list[Tensor]:
        """Return the tensors of all workers in the order of their ranks; in a graph.

        Args:
            rows: float32 tensor of one shape on all workers. Bits pass unchanged, whatever they mean.
        """
        parts = tf.split(gather(rows, self.workers), self.workers)
        return [parts[place] for place in self._places]

    def gather_values(self, value: int) -> list[int]:
        """Return a whole number of at most 32 bits from each worker, by rank."""
        if self.workers == 1:
            return [value]
        word = np.array([value & 0xFFFFFFFF], np.uint32).view(np.float32)
        words = self._gather_word(tf.constant(word)).numpy().view(np.uint32)
        return [int(words[place]) for place in self._places]

    def broadcast(self, values: np.ndarray) -> np.ndarray:
        """Return the float64 array of rank 0; those of other workers have its shape."""
        if self.workers == 1:
            return values
        words = np.atleast_1d(values).view(np.float32)[None]
        first = np.ascontiguousarray(self._gather_first(tf.constant(words)).numpy()[0])
        return first.view(np.float64).reshape(values.shape)


class TreeSum:
    """Sum of vectors over all canonical replicas, the same bits for every number of workers.

    Args:
        replicas: number of canonical replicas.
        group: the workers.
        packing: layout of the vectors.
        parallel: number of canonical replicas that a worker computes at the same time. Defaults to 1.
    """

    def __init__(self, replicas: int, group: GatherGroup, packing: Packing, parallel: int = 1) -> None:
        self._replicas, self._group, self._packing, self._parallel = replicas, group, packing, parallel
        self._add = isolated(lambda left, right: tuple(a + b for a, b in zip(left, right, strict=True)))

    def __call__(self, leaf: Callable[[int], Vectors]) -> Vectors:
        """Return the sum over all canonical replicas; in a graph.

        Args:
            leaf: function of the index of a canonical replica, counted from this worker's first, that returns its
                vectors.
        """
        owned = block(self._replicas, self._group.workers, self._group.rank)
        sums: dict[Node, Vectors] = {}
        for number in owned:
            # Without an order all would run at once, with the memory of all.
            earlier = sums.get((number - self._parallel, number - self._parallel + 1), ())
            with tf.control_dependencies(earlier):
                sums[number, number + 1] = leaf(number - owned.start)
        sums = {node: add_up(node, sums, self._add) for node in partial_sums(self._replicas, owned)}
        if self._group.workers > 1:
            sums = self._exchange(list(sums.values()))
        return add_up((0, self._replicas), sums, self._add)

    def _exchange(self, own: list[Vectors]) -> dict[Node, Vectors]:
        """Return the partial sums of all workers."""
        rows = [self._packing.to_bits(vectors) for vectors in own]
        workers = self._group.workers
        rows += rows[-1:] * (slots(self._replicas, workers) - len(rows))
        sums: dict[Node, Vectors] = {}
        for rank, gathered in enumerate(self._group.gather(tf.stack(rows))):
            nodes = partial_sums(self._replicas, block(self._replicas, workers, rank))
            sums |= {node: self._packing.from_bits(gathered[slot]) for slot, node in enumerate(nodes)}
        return sums
