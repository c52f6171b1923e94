"""Collective gather of tensors by all workers, in a graph, without the operations of a strategy.

A strategy sends the shape of a tensor before the tensor itself. Here all workers know the shape.
"""

import itertools
from typing import Any

import tensorflow as tf

# Collectives are known by a group and an instance within it. MultiWorkerMirroredStrategy numbers its groups from 1.
_GROUP_KEY = 1 << 30
# Workers trace the same collectives in the same order, so they count alike. A key must not be used again in a process.
_instance_keys = itertools.count(1)


def gather(rows: Any, workers: int) -> Any:
    """Return the rows of all workers, concatenated in an order that is the same on every worker.

    Args:
        rows: tensor of one shape on all workers, of float16, float32, float64, int32 or int64. Bits pass unchanged.
        workers: number of workers, each with one device.
    """
    gathered = tf.raw_ops.CollectiveGatherV2(
        input=rows, group_size=workers, group_key=_GROUP_KEY, instance_key=next(_instance_keys), ordering_token=[]
    )
    return tf.ensure_shape(gathered, (workers * rows.shape[0], *rows.shape[1:]))
