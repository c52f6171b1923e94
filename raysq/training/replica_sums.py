"""Sums of tensors over all replicas, in one collective for each dtype."""

import itertools
from typing import Any

import keras
import tensorflow as tf

from raysq.errors import TrainingError
from raysq.training.scaling import gathers

# Collectives are known by a group and an instance within it, which TensorFlow numbers from 1.
_GROUP_KEY = 1 << 20
# Workers trace the same functions in the same order, so they count alike.
_instances = itertools.count(1)

Tensor = Any  # TensorFlow has no types


class ReplicaSums:
    """Sum over the replicas of a strategy. Create it in the strategy's scope.

    Args:
        replicas: number of replicas over all workers.
        local_replicas: number of replicas of this worker.
        on_gpu: whether replicas are GPUs, whose collectives are NCCL's.
    """

    def __init__(self, replicas: int, local_replicas: int, on_gpu: bool):
        self._replicas = replicas
        self._may_gather = replicas > 1 and local_replicas == 1 and not on_gpu

    def __call__(self, tensors: list[Tensor]) -> list[Tensor]:
        """Return the sum of each tensor over all replicas; equal bits on every replica.

        Args:
            tensors: tensors of fixed shapes, in replica context.
        """
        if self._replicas == 1 or not tensors:
            return tensors
        size = sum(tensor.shape.num_elements() * tensor.dtype.size for tensor in tensors)
        if not (self._may_gather and gathers(size, self._replicas)):
            summed = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensors)
            return list(summed)
        sums: dict[int, Tensor] = {}
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
            numbers = [number for number, tensor in enumerate(tensors) if tensor.dtype == dtype]
            shapes = [tensors[number].shape for number in numbers]
            flat = tf.concat([tf.reshape(tensors[number], [-1]) for number in numbers], 0)
            total = tf.add_n(tf.unstack(self._gather(flat)))
            parts = tf.split(total, [shape.num_elements() for shape in shapes])
            reshaped = (tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True))
            sums |= zip(numbers, reshaped, strict=True)
        return [sums[number] for number in range(len(tensors))]

    def _gather(self, vector: Tensor) -> Tensor:
        """Return the vectors of all replicas, of shape (replicas, size)."""
        rows = tf.raw_ops.CollectiveGatherV2(
            input=vector[None],
            group_size=self._replicas,
            group_key=_GROUP_KEY,
            instance_key=next(_instances),
            ordering_token=[],
        )
        return tf.ensure_shape(rows, (self._replicas, *vector.shape))


def leave_sums_to_trainer(optimizer: keras.Optimizer) -> None:
    """Let an optimizer apply gradients as they are, without summing them over the replicas first.

    Sums are formed by `ReplicaSums`, before clipping and before a loss scale is checked for overflow: Keras would clip
    each replica's gradients, and would wait forever in a sum that a replica with an overflow leaves out.

    Raises:
        TrainingError: this version of Keras sums elsewhere.
    """
    for part in (optimizer, getattr(optimizer, "inner_optimizer", None)):
        if part is None:
            continue
        if not hasattr(part, "_all_reduce_sum_gradients"):
            raise TrainingError(f"Keras {keras.__version__} cannot train with several replicas: pip install 'raysq'")
        part._all_reduce_sum_gradients = list


def assign_all(strategy: tf.distribute.Strategy, variables: list[Any], values: list[Tensor]) -> None:
    """Assign values that are equal on all replicas, in cross-replica context, as mirrored variables require."""
    for variable, value in zip(variables, values, strict=True):
        strategy.extended.update(
            variable, lambda target, new: target.assign(tf.cast(new, target.dtype)), args=(value,), group=False
        )
