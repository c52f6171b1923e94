"""Ids that are repeated in a batch: an optimizer gets the sum of their gradients, as of a dense layer over one-hot ids.

Keras's `fit` gives Adam the parts of the sum, and their squares added up are not the square of the sum.
"""

import keras
import numpy as np
import pytest
from training.fit_cases import BATCH, EVAL, ROWS, STEPS, Rows

from raysq.problems.specs import Objective
from raysq.training.settings import TrainSettings
from raysq.training.trainer import Trainer

IDS = 9


def trained(first, rows):
    ids = keras.Input((5,), dtype="int32")
    output = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(first(ids)))
    model = keras.Model(ids, output)
    random = np.random.default_rng(3)
    model.set_weights([random.normal(size=weight.shape) for weight in model.weights])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    settings = TrainSettings(batch_size=BATCH, eval_batch_size=EVAL)
    Trainer(model, {"train": rows, "val": rows}, settings, 0, Objective("mse", {}), False, "own:model").train(0, STEPS)
    return model.get_weights()


def test_embeddings_get_the_sum_of_the_gradients_of_an_id():
    random = np.random.default_rng(0)
    rows = Rows(random.integers(0, IDS, (ROWS, 5)).astype(np.int32), random.normal(size=(ROWS, 2)).astype(np.float32))
    dense = keras.layers.Dense(3, use_bias=False)
    by_ids = trained(keras.layers.Embedding(IDS, 3), rows)
    by_one_hot = trained(lambda ids: dense(keras.ops.one_hot(ids, IDS)), rows)
    for found, right in zip(by_ids, by_one_hot, strict=True):
        assert found == pytest.approx(right, rel=1e-4, abs=1e-5)
