"""Sums over replicas, with the gather of two equal workers in place of the collective."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from raysq.training import replica_sums  # noqa: E402


def test_tensors_of_any_float_type_are_summed_and_keep_their_types(monkeypatch):
    gathered = []

    def gather(rows, workers):
        gathered.append(rows.dtype)
        return tf.concat([rows] * workers, 0)

    monkeypatch.setattr(replica_sums, "gather", gather)
    tensors = [
        tf.constant([[1.0, 2.0], [3.0, 4.0]]),
        tf.constant([0.5, 1.5], tf.bfloat16),
        tf.constant(7.0, tf.float64),
        tf.constant([2.0], tf.float32),
    ]
    sums = replica_sums.ReplicaSums(2, 1, on_gpu=False)(tensors)
    # bfloat16 travels with float32, since its own gather does not exist.
    assert gathered == [tf.float32, tf.float64]
    for tensor, total in zip(tensors, sums, strict=True):
        assert total.dtype == tensor.dtype and total.shape == tensor.shape
        assert np.array_equal(tf.cast(total, tf.float64), 2 * tf.cast(tensor, tf.float64))


def test_one_replica_sums_nothing():
    tensors = [tf.constant([1.0])]
    assert replica_sums.ReplicaSums(1, 1, on_gpu=False)(tensors) is tensors
