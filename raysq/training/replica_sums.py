"""Sums of tensors over all replicas, in one collective for each dtype."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from raysq.errors import TrainingError
from raysq.training.gather import gather
from raysq.training.packing import Packing
from raysq.training.scaling import gathers

# bfloat16 has no collective gather on CPUs; it is added as float32.
_WIDER = {"bfloat16": "float32"}

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
        packing = Packing(tensors, _WIDER)
        totals = [tf.add_n(tf.unstack(gather(vector[None], self._replicas))) for vector in packing.pack(tensors)]
        return packing.unpack(tuple(totals))


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
            raise TrainingError(
                f"Keras {keras.__version__} sums gradients in its own way: pip install 'keras>=3.15,<4'"
            )
        part._all_reduce_sum_gradients = list


@contextmanager
def undivided_losses() -> Iterator[None]:
    """Let Keras's losses return the means of what they see, which it divides by the number of replicas.

    Raises:
        TrainingError: this version of Keras divides elsewhere.
    """
    if not tf.distribute.has_strategy():
        yield
        return
    module = sys.modules[keras.losses.Loss.__module__]
    divide = getattr(module, "scale_loss_for_distribution", None)
    if divide is None:
        raise TrainingError(
            f"Keras {keras.__version__} divides losses over workers in its own way: pip install 'keras>=3.15,<4'"
        )
    module.scale_loss_for_distribution = lambda value: value  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.scale_loss_for_distribution = divide  # type: ignore[attr-defined]


def assign_all(strategy: tf.distribute.Strategy, variables: list[Any], values: list[Tensor]) -> None:
    """Assign values that are equal on all replicas, in cross-replica context, as mirrored variables require."""
    for variable, value in zip(variables, values, strict=True):
        strategy.extended.update(
            variable, lambda target, new: target.assign(tf.cast(new, target.dtype)), args=(value,), group=False
        )


def copy_from_chief(strategy: tf.distribute.Strategy, variables: list[Any]) -> None:
    """Give all workers the chief's values of float variables, which a user's model may have set from anywhere.

    Every worker must call it in the strategy's scope.
    """
    variables = [variable for variable in variables if tf.as_dtype(variable.dtype).is_floating]

    values = tf.function(lambda: values_of_chief(strategy, variables))()
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def values_of_chief(strategy: tf.distribute.Strategy, values: Any) -> Any:
    """Return the chief's values on all workers, of which every one must call it.

    Args:
        strategy: the strategy.
        values: a tensor, or a list of tensors and variables, of one structure on all workers.
    """

    def of_chief() -> Any:
        context = tf.distribute.get_replica_context()
        is_chief = tf.equal(context.replica_id_in_sync_group, 0)
        own = [tf.convert_to_tensor(getattr(value, "value", value)) for value in tf.nest.flatten(values)]
        counted = [tf.where(is_chief, value, tf.zeros_like(value)) for value in own]
        return tf.nest.pack_sequence_as(values, context.all_reduce(tf.distribute.ReduceOp.SUM, counted))

    return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], strategy.run(of_chief))
