"""Batches of one worker at each step, from arrays on the device or prefetched from memory-mapped files."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from raysq.data import shuffle
from raysq.errors import DataError
from raysq.problems.specs import BatchSource
from raysq.training.batch_feed import BatchFeed

# Above this the arrays stay on disk and batches are gathered on the host.
HOST_BYTES = 256 * 2**20
_EVALUATION_BATCHES = 16  # of a call in evaluation

Tensor = Any  # TensorFlow has no types


@dataclass(frozen=True)
class ReplicaInfo:
    """Position of a worker in its group.

    Attributes:
        replicas: number of replicas over all workers.
        first: number of this worker's first replica.
        local: number of replicas of this worker.
        device: device that holds the arrays of batch sources of at most `HOST_BYTES`.
    """

    replicas: int
    first: int
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
        begin = self.first * part
        own = slice(begin, begin + self.local * part)
        return rows[:, own], weights[:, own]


class ReplicaBatches:
    """Batches of all splits for one worker.

    Args:
        splits: batch sources by split.
        replica_info: position of the worker in its group.
        size: number of examples of a global training batch.
        seed: seed of the order and of the random generators.
        generators: number of random generators of the model. Each is seeded at every step.

    Attributes:
        feeds: batch feed of each split that has examples.
    """

    def __init__(
        self, splits: Mapping[str, BatchSource], replica_info: ReplicaInfo, size: int, seed: int, generators: int
    ) -> None:
        self._size, self._seed = size, seed
        self._splits = splits
        self._replica_info = replica_info
        self._generators = generators
        # Arrays shared by several splits are placed once. The array is kept with its copy, so that its id stays unique.
        self._placed: dict[int, tuple[np.ndarray, Tensor]] = {}
        self.feeds = {name: self._feed(examples) for name, examples in splits.items() if len(examples)}
        self._pool = ThreadPoolExecutor(1)
        self._prefetched: tuple[tuple[int, int], Future[tuple[Any, ...]]] | None = None

    def reset(self, size: int, seed: int) -> None:
        """Switch to another run over the same examples; see the class for the arguments."""
        self._size, self._seed, self._prefetched = size, seed, None

    def _feed(self, examples: BatchSource) -> BatchFeed:
        if examples.nbytes > HOST_BYTES:
            return BatchFeed(examples, None)
        placed = {}
        for key, array in examples.arrays().items():
            if id(array) not in self._placed:
                with tf.device(self._replica_info.device):
                    self._placed[id(array)] = array, tf.constant(array)
            placed[key] = self._placed[id(array)][1]
        with tf.device(self._replica_info.device):
            return BatchFeed(examples, placed)

    def train(self, first_step: int, steps: int) -> tuple[Any, ...]:
        """Return the batches of global steps `[first_step, first_step + steps)`.

        Where batches are gathered on the host, those of the next steps are gathered in the background.

        Returns:
            The batches, their weights of shape (steps, batch), the total weight of each global batch of shape
            (steps,), and the seeds of each step and replica.
        """
        key, following = (first_step, steps), (first_step + steps, steps)
        prefetched, self._prefetched = self._prefetched, None
        batches = prefetched[1].result() if prefetched and prefetched[0] == key else self._gather(*key)
        if self.feeds["train"].placed is None:
            self._prefetched = (following, self._pool.submit(self._gather, *following))
        return batches

    def _gather(self, first_step: int, steps: int) -> tuple[Any, ...]:
        rows = shuffle.batch_order(self._seed, len(self._splits["train"]), self._size, first_step, steps)
        weights = self._weights("train", rows)
        totals = weights.sum(1)  # over the batches of all workers, so equal on each of them
        info = self._replica_info
        rows, weights = info.part(rows, weights)
        own = range(info.first, info.first + info.local)
        seeds = shuffle.seeds(self._seed, first_step, steps, own, self._generators)
        return self.feeds["train"].batch(rows), weights, totals, seeds

    def _weights(self, split: str, rows: np.ndarray) -> np.ndarray:
        """Return how much each example counts: the share of its outputs that were observed.

        Shares of several outputs by name are part of the batch; see `raysq.training.batch_feed.sample_weights`.
        """
        shares = getattr(self._splits[split], "shares", None)
        if shares is None or isinstance(shares, Mapping):
            return np.ones(rows.shape, np.float32)
        return np.asarray(shares[rows], np.float32)

    def evaluation(self, split: str, size: int, *, padded: bool = True) -> Iterator[tuple[Any, np.ndarray]]:
        """Iterate once over all examples of a split, up to 16 batches at a time.

        Args:
            split: name of the split.
            size: number of examples of a global batch.
            padded: whether to fill the last batch with rows of weight 0. If False, the last batch may be shorter.

        Yields:
            Batches and their weights.
        """
        count = len(self._splits[split])
        size = min(size, count)
        batches = -(-count // size)
        for first in range(0, batches, _EVALUATION_BATCHES):
            rows = np.arange(first * size, min(first + _EVALUATION_BATCHES, batches) * size).reshape(-1, size)
            parts = [rows]
            if not padded and rows[-1, -1] >= count:
                parts = [part for part in (rows[:-1], rows[-1:, : count - rows[-1, 0]]) if len(part)]
            for part in parts:
                inside = part < count
                part = np.where(inside, part, 0)
                weights = np.where(inside, self._weights(split, part), np.float32(0))
                part, weights = self._replica_info.part(part, weights)
                yield self.feeds[split].batch(part), weights

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


def check_not_empty(split: str, splits: Mapping[str, BatchSource]) -> None:
    """Check that a split has examples.

    Raises:
        DataError: it has none.
    """
    if not len(splits[split]):
        raise DataError(f"the {split} split has no examples", hint="prepare the data with some, or take another split")
