"""Trainer of the exact mode: the same bits whatever the number of workers.

A batch is cut into a fixed number of canonical replicas. Each has its own rows, random seeds and sums, and is computed
in its own shape by an isolated function. The sums are added in the order of one tree; see `raysq.training.exact_sums`.
Every worker then updates variables of its own with the same sum, as a single process does.
"""

import os
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from raysq.errors import TrainingError, UsageError
from raysq.problems.specs import BatchSource, Objective
from raysq.training.batch_feed import Batch, BatchFeed
from raysq.training.compilation import take_results
from raysq.training.exact_exchange import GatherGroup, TreeSum, isolated
from raysq.training.exact_sums import block
from raysq.training.metric_updates import metric_updates
from raysq.training.model_functions import Forward
from raysq.training.packing import Packing, Vectors
from raysq.training.replica_batches import ReplicaInfo, check_not_empty
from raysq.training.settings import TrainSettings
from raysq.training.trainer import Trainer

Tensor = Any  # TensorFlow has no types


class ExactTrainer(Trainer):
    """Trainer that ends with the same bits for every number of workers.

    Create it outside of a strategy's scope, like the model: its variables are those of a single process.

    Args:
        model, splits, settings, seed, objective, xla, name: see `Trainer`. `settings.exact` is the number of canonical
            replicas.
        group: the workers. Defaults to this process alone.

    Raises:
        UsageError: there are more workers than canonical replicas, or an operation has several threads; see `Trainer`
            for others.
    """

    def __init__(
        self,
        model: keras.Model,
        splits: Mapping[str, BatchSource],
        settings: TrainSettings,
        seed: int,
        objective: Objective,
        xla: bool | Literal["keras_loop"],
        name: str = "model",
        group: GatherGroup | None = None,
    ):
        self._group = group or GatherGroup()
        settings.check_workers(self._group.workers)
        if tf.config.threading.get_intra_op_parallelism_threads() != 1:
            raise UsageError(
                "setting exact needs operations of one thread each, and TensorFlow already runs in this process with "
                "more: train in a process of its own, or give threads=1 to the first call"
            )
        super().__init__(model, splits, settings, seed, objective, xla, name)
        self.replicas = self._group.workers
        self.rank = self._group.rank
        trained = [*model.trainable_variables, *self.model_functions.moving_variables()]
        loss = tf.constant(0.0)
        # One replica after the other where threads are few: side by side they would share them.
        parallel = tf.config.threading.get_inter_op_parallelism_threads() or os.cpu_count() or 1
        self._packings: dict[str, Packing] = {}
        self._tree_sums: dict[str, TreeSum] = {}
        summed = {
            "train": [loss, *trained, *self._metric_variables("train")],
            "eval": self._metric_variables("eval"),
            "counts": [loss, *[loss for _ in self.compilation.masked_losses]],
        }
        for mode, values in summed.items():
            packing = self._packings[mode] = Packing(values)
            self._tree_sums[mode] = TreeSum(settings.exact, self._group, packing, parallel)
        self._initial = {mode: [tf.constant(v.numpy()) for v in self._metric_variables(mode)] for mode in self.metrics}
        owned = len(block(settings.exact, self._group.workers, self._group.rank))
        packing = self._packings["eval"]
        # Sums over the batches of an evaluation, of each canonical replica.
        self._evaluated = [
            [tf.Variable(tf.zeros(*spec)) for spec in zip(packing.lengths(), packing.dtypes, strict=True)]
            for _ in range(owned)
        ]
        self._end_evaluation = tf.function(self._assign_evaluated)

    def _replica_info(self, device: str) -> ReplicaInfo:
        owned = block(self.settings.exact, self._group.workers, self._group.rank)
        return ReplicaInfo(self.settings.exact, owned.start, len(owned), device)

    def _metric_variables(self, mode: str) -> list[Any]:
        return [variable for metric in self.metrics[mode].values() for variable in metric.variables]

    def _rows(self, number: int, batch: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows of one canonical replica of this worker's part of a batch."""
        part = weights.shape[0] // len(self._evaluated)
        rows = slice(number * part, (number + 1) * part)
        return tf.nest.map_structure(lambda array: array[rows], batch), weights[rows]

    # ---- training

    def _train_steps(self, feed: BatchFeed, batch: Tensor, weights: Tensor, totals: Tensor, seeds: Tensor) -> Tensor:
        replica = isolated(lambda *args: self._train_replica(feed, *args))
        count = isolated(lambda *args: self._count_replica(feed, *args))
        loss = tf.constant(0.0)
        for step in tf.range(tf.shape(weights)[0]):
            arguments = (tf.nest.map_structure(lambda part, at=step: part[at], batch), weights[step], totals[step])
            loss += self._exact_step(replica, count, *arguments, seeds[step])
        return loss / tf.maximum(tf.reduce_sum(totals), 1e-9)

    def _exact_step(
        self, replica: Any, count: Any, batch: Tensor, weights: Tensor, total: Tensor, seeds: Tensor
    ) -> Tensor:
        """Make one step and return the sum of the losses."""
        factors = self._all_factors(lambda number: count(*self._rows(number, batch, weights), seeds[number]))
        vectors = self._tree_sums["train"](
            lambda number: replica(*self._rows(number, batch, weights), total, seeds[number], factors)
        )
        loss, *tensors = self._packings["train"].unpack(vectors)
        trainable, moving = len(self.model.trainable_variables), len(self.model_functions.moving_variables())
        changes = tensors[trainable + moving :]
        self._update(tensors[:trainable], tensors[trainable : trainable + moving])
        for variable, value in zip(self._metric_variables("train"), changes, strict=True):
            variable.assign_add(value)
        return loss

    def _train_replica(
        self, feed: BatchFeed, batch: Tensor, weights: Tensor, total: Tensor, seeds: Tensor, factors: dict[str, Tensor]
    ) -> Vectors:
        """Return loss, gradients, moving statistics and changes of the metrics of one canonical replica."""
        gathered = feed.gather(batch)
        forward, gradients, moving = self.gradients(gathered, weights, total, seeds, factors)
        changes = self._metric_changes("train", gathered, forward, weights)
        loss = tf.reduce_sum(forward.losses["loss"] * weights)
        return self._packings["train"].pack([loss, *gradients, *moving, *changes])

    def _count_replica(
        self, feed: BatchFeed, batch: Tensor, weights: Tensor, seeds: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return the counts of one canonical replica; see `ModelFunctions.counts`."""
        return self._packings["counts"].pack(self._counts(feed.gather(batch), weights, seeds))

    def _all_factors(self, leaf: Callable[[int], Vectors]) -> dict[str, Tensor]:
        """Return the factors of masked losses, from the counts of this worker's canonical replicas."""
        if not self.compilation.masked_losses:
            return {}
        return self.model_functions.factors(self._packings["counts"].unpack(self._tree_sums["counts"](leaf)))

    def _metric_changes(self, mode: str, batch: Batch, forward: Forward, weights: Tensor) -> list[Tensor]:
        """Return what a batch adds to the variables of the metrics."""
        changes: list[Tensor] = []
        updates = metric_updates(self.metrics[mode], self.compilation, batch, forward, weights)
        for metric, arguments in updates:
            before = self._initial[mode][len(changes) : len(changes) + len(metric.variables)]
            after = metric.stateless_update_state(before, *arguments)
            changes += [new - old for new, old in zip(after, before, strict=True)]
        return changes

    # ---- evaluation

    def evaluate(self, split: str) -> dict[str, float]:
        check_not_empty(split, self.splits)
        for vectors in self._evaluated:
            for vector in vectors:
                vector.assign(tf.zeros_like(vector))
        padded = not self.compilation.whole_batches
        with self.calls.call(split):
            for batch, weights in self.batches.evaluation(split, self.settings.eval_batch_size, padded=padded):
                self.call(self._eval_steps, split, (batch, weights))
            self._end_evaluation()
            return take_results(self.metrics["eval"], f"{split}_")

    def _eval_steps(self, feed: BatchFeed, batch: Tensor, weights: Tensor) -> None:
        replica = isolated(lambda *args: self._eval_replica(feed, *args))
        count = isolated(lambda *args: self._count_replica(feed, *args))
        for step in tf.range(tf.shape(weights)[0]):
            rows = tf.nest.map_structure(lambda part, at=step: part[at], batch)
            parts = [self._rows(number, rows, weights[step]) for number in range(len(self._evaluated))]
            factors = self._all_factors(lambda number, parts=parts: count(*parts[number]))  # type: ignore[misc]
            for part, vectors in zip(parts, self._evaluated, strict=True):
                for vector, value in zip(vectors, replica(*part, factors), strict=True):
                    vector.assign_add(value)

    def _eval_replica(self, feed: BatchFeed, batch: Tensor, weights: Tensor, factors: dict[str, Tensor]) -> Vectors:
        gathered = feed.gather(batch)
        # Keras's recurrent layers draw dropout masks in evaluation too, without using them. Their generators would then
        # differ between workers.
        with keras.StatelessScope():
            forward = self._predictions(gathered, factors)
        return self._packings["eval"].pack(self._metric_changes("eval", gathered, forward, weights))

    def _assign_evaluated(self) -> None:
        """Assign the sums over all canonical replicas to the metrics."""
        vectors = self._tree_sums["eval"](
            lambda number: tuple(tf.identity(vector) for vector in self._evaluated[number])
        )
        values = self._packings["eval"].unpack(vectors)
        for variable, initial, value in zip(self._metric_variables("eval"), self._initial["eval"], values, strict=True):
            variable.assign(initial + value)

    # ---- workers

    def broadcast(self, value: int) -> int:
        return self._group.gather_values(value)[0]

    def broadcast_array(self, values: np.ndarray) -> np.ndarray:
        return self._group.broadcast(values)

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the values of all variables by name, after a comparison of all workers' values.

        Raises:
            TrainingError: the values differ.
        """
        values = super().snapshot()
        digest = 0
        for value in values.values():
            digest = zlib.crc32(value.tobytes(), digest)
        if len(set(self._group.gather_values(digest))) > 1:
            raise TrainingError(
                "the weights of the workers differ, which the exact mode cannot have: train on CPUs of one type, with "
                "a model that draws its random numbers from Keras's generators"
            )
        return values
