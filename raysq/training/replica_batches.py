"""Batches of one worker at each step, from arrays on the device or prefetched from memory-mapped files."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from raysq.data import shuffle
from raysq.problems.base import BatchSource
from raysq.training.batch_feed import BatchFeed

# Above this the arrays stay on disk and batches are gathered on the host.
HOST_BYTES = 256 * 2**20
_EVALUATED = 16  # batches per call in evaluation


@dataclass(frozen=True)
class ReplicaInfo:
    """Position of a worker in its group.

    Attributes:
        replicas: number of replicas over all workers.
        rank: rank of this worker.
        local: number of replicas of this worker.
        device: device that holds the arrays of batch sources of at most `HOST_BYTES`.
    """

    replicas: int
    rank: int
    local: int
    device: str

    def part(self, rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return this worker's part of global batches, padded with rows of weight 0.

        Args:
            rows: example indices of shape (steps, batch).
            weights: weights of the same shape.

        Returns:
            The indices and weights of this worker, of shape (steps, part * local), where a part is the share of one
            replica.
        """
        part = shuffle.replica_slice(rows.shape[1], self.replicas)
        short = part * self.replicas - rows.shape[1]
        # Padding repeats a row of the batch, so that the model sees valid values only.
        rows = np.concatenate([rows, np.repeat(rows[:, :1], short, 1)], 1)
        weights = np.pad(weights, ((0, 0), (0, short)))
        begin = self.rank * self.local * part
        mine = slice(begin, begin + self.local * part)
        return rows[:, mine], weights[:, mine]


class ReplicaBatches:
    """Batches of all splits for one worker.

    Args:
        splits: batch sources by split.
        place: position of the worker in its group.
        size: number of examples of a global training batch.
        seed: seed of the order and of the random generators.
        generators: number of random generators of the model. Each is seeded at every step.

    Attributes:
        feeds: batch feed of each split that has examples.
        size: number of examples of a global training batch. It may be set, or changed with `renew`.
        seed: seed of the order and of the random generators. Change it with `renew`.
    """

    def __init__(
        self, splits: Mapping[str, BatchSource], place: ReplicaInfo, size: int, seed: int, generators: int
    ) -> None:
        self.size = size
        self.seed = seed
        self._splits = splits
        self._place = place
        self._generators = generators
        # Arrays shared by several splits are placed once. The array is kept with its copy, so that its id stays unique.
        self._placed: dict[int, tuple[np.ndarray, tf.Tensor]] = {}
        self.feeds = {name: self._feed(examples) for name, examples in splits.items() if len(examples)}
        self._pool = ThreadPoolExecutor(1)
        self._ahead: tuple[tuple[int, int], Future] | None = None

    def renew(self, size: int, seed: int) -> None:
        """Switch to another run over the same examples.

        Args:
            size: number of examples of a global training batch.
            seed: seed of the order and of the random generators.
        """
        self.size, self.seed, self._ahead = size, seed, None

    def _feed(self, examples: BatchSource) -> BatchFeed:
        if examples.nbytes > HOST_BYTES:
            return BatchFeed(examples, None)
        placed = {}
        for key, array in examples.arrays().items():
            if id(array) not in self._placed:
                with tf.device(self._place.device):
                    self._placed[id(array)] = array, tf.constant(array)
            placed[key] = self._placed[id(array)][1]
        return BatchFeed(examples, placed)

    def train(self, first_step: int, steps: int) -> tuple:
        """Return the batches of global steps `[first_step, first_step + steps)`.

        Where batches are gathered on the host, those of the next steps are gathered in the background.

        Returns:
            The batches, their weights of shape (steps, batch), the total weight of each global batch of shape
            (steps,), and the seeds of each step and replica.
        """
        ahead, self._ahead = self._ahead, None
        asked = (first_step, steps)
        found = ahead[1].result() if ahead is not None and ahead[0] == asked else self._train(*asked)
        if self.feeds["train"].placed is None:
            following = (first_step + steps, steps)
            self._ahead = (following, self._pool.submit(self._train, *following))
        return found

    def _train(self, first_step: int, steps: int) -> tuple:
        rows = shuffle.batch_order(self.seed, len(self._splits["train"]), self.size, first_step, steps)
        weights = self._weights("train", rows)
        totals = weights.sum(1)  # over the batches of all workers, so equal on each of them
        rows, weights = self._place.part(rows, weights)
        first = self._place.rank * self._place.local
        replicas = range(first, first + self._place.local)
        seeds = shuffle.seeds(self.seed, first_step, steps, replicas, self._generators)
        return self.feeds["train"].batch(rows), weights, totals, seeds

    def _weights(self, split: str, rows: np.ndarray) -> np.ndarray:
        """Return the weight of each example: the share of its outputs that were observed."""
        shares = getattr(self._splits[split], "shares", None)
        return np.ones(rows.shape, np.float32) if shares is None else shares[rows].astype(np.float32)

    def evaluation(self, split: str, size: int, *, padded: bool = True) -> Iterator[tuple[Any, np.ndarray, float]]:
        """Iterate once over all examples of a split, up to 16 batches at a time.

        Args:
            split: name of the split.
            size: number of examples of a global batch.
            padded: whether to fill the last batch with rows of weight 0. If False, the last batch may be shorter.

        Yields:
            Batches, their weights, and the share of the split that is done after them.
        """
        count = len(self._splits[split])
        size = min(size, count)
        batches = -(-count // size)
        for first in range(0, batches, _EVALUATED):
            rows = np.arange(first * size, min(first + _EVALUATED, batches) * size).reshape(-1, size)
            done = min(first + _EVALUATED, batches) / batches
            parts = [rows]
            if not padded and rows[-1, -1] >= count:
                parts = [part for part in (rows[:-1], rows[-1:, : count - rows[-1, 0]]) if len(part)]
            for part in parts:
                inside = part < count
                part = np.where(inside, part, 0)
                weights = np.where(inside, self._weights(split, part), np.float32(0))
                part, weights = self._place.part(part, weights)
                yield self.feeds[split].batch(part), weights, done

    def single(self, split: str, size: int) -> Iterator[tuple[Any, int]]:
        """Iterate over all examples of a split in order, one batch at a time, for one replica.

        Args:
            split: name of the split.
            size: number of examples of a batch.

        Yields:
            A batch, and the number of examples from its first one to the end of the split. If that number is below
            `size`, the rows after it are padding.
        """
        count = len(self._splits[split])
        size = min(size, count)
        for first in range(0, count, size):
            rows = np.minimum(np.arange(first, first + size), count - 1)  # one batch size, compiled once
            yield tf.nest.map_structure(lambda part: part[0], self.feeds[split].batch(rows[None])), count - first
