"""Masks of Keras up to the predictions of a user's model; test_compile_and_fit.py compares them with `fit`."""

import keras
import numpy as np
import pytest
from training.fit_cases import CASES, data_of
from training.fit_models import STEPS_OF_IDS, tagger

from raysq.errors import UsageError
from raysq.problems.specs import Objective
from raysq.training.own_compilation import compilation_of
from raysq.training.settings import TrainSettings
from raysq.training.trainer import Trainer

TAGS = CASES["masked predictions"]


class Reading(keras.metrics.Metric):
    """Counts the steps that are not masked."""

    def __init__(self, name="reading"):
        super().__init__(name=name)
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y, prediction, sample_weight=None):
        mask = getattr(prediction, "_keras_mask", keras.ops.ones(keras.ops.shape(y)))
        self.count.assign_add(keras.ops.sum(keras.ops.cast(mask, "float32")))

    def result(self):
        return self.count


class Total(Reading):
    """Sums up what the first class gets, with weights."""

    def __init__(self):
        super().__init__("total")

    def update_state(self, y, prediction, sample_weight=None):
        values = keras.ops.sum(prediction[..., 0], -1)
        self.count.assign_add(keras.ops.sum(values if sample_weight is None else values * sample_weight))


def each_class(y, prediction):
    return prediction


def compilation(model, case=TAGS, objective=None, **arrays):
    splits = {name: data_of(case, seed) for name, seed in (("train", 1), ("val", 2))}
    for name, values in arrays.items():
        setattr(splits["train"], name, values)
    objective = objective or Objective("mse", {})
    return compilation_of(model, "own:tagger", objective, TrainSettings(batch_size=8), 6, splits, 1)


@pytest.mark.parametrize(
    ("arguments", "arrays", "message"),
    [
        ({"metrics": [Reading()]}, {}, "the mask .* its metric 'reading' reads the mask itself"),
        ({"metrics": []}, {"shares": np.ones(37)}, "raysq cannot combine"),
        ({"loss": each_class}, {}, r"loss each_class gives values of shape \(4, 5, 3\) for predictions with a mask"),
        (
            {"weighted_metrics": [Total()], "metrics": []},
            {"weights": np.ones(37, np.float32)},
            "the metric 'total' has no place for one",
        ),
    ],
)
def test_what_cannot_be_masked_as_by_keras_is_refused(arguments, arrays, message):
    with pytest.raises(UsageError, match=message) as raised:
        compilation(tagger(**arguments), **arrays)
    assert "\n" not in str(raised.value)


def test_a_loss_of_all_steps_is_not_masked():
    model = tagger()
    steps = keras.Sequential([keras.Input((STEPS_OF_IDS,), dtype="int32"), *model.layers[:-1], keras.layers.Dense(3)])
    assert compilation(tagger()).masked_losses == ("",)
    dropped = keras.Sequential([*steps.layers, keras.layers.Reshape((STEPS_OF_IDS, 3))])
    dropped.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert not compilation(dropped).masked and not compilation(dropped).masked_losses


def test_masks_apply_to_the_losses_of_the_problem_where_a_model_is_not_compiled():
    """And not to a loss that is a function of the problem, which knows what it does not count."""

    def build():
        keras.utils.set_random_seed(0)
        embedding, head = keras.layers.Embedding(9, 3, mask_zero=True), keras.layers.Dense(3, "softmax")
        return keras.Sequential([keras.Input((STEPS_OF_IDS,), dtype="int32"), embedding, head])

    loss, metrics = "sparse_categorical_crossentropy", {"accuracy": "sparse_categorical_accuracy"}
    settings = TrainSettings(batch_size=8, eval_batch_size=10, optimizer="sgd", learning_rate=0.5)
    splits = {"train": data_of(TAGS, 1), "val": data_of(TAGS, 2)}
    plain, compiled = build(), build()
    compiled.compile(keras.optimizers.SGD(0.5), loss, metrics=["sparse_categorical_accuracy"])
    results = []
    for model in (plain, compiled):
        trainer = Trainer(model, splits, settings, 0, Objective(loss, metrics), False, "own:tagger")
        trainer.train(0, 6)
        results.append([*model.get_weights(), *trainer.evaluate("val").values()])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    by_keras = compiled.evaluate(splits["val"].x, splits["val"].y, batch_size=10, verbose=0)
    np.testing.assert_allclose(results[1][-2:], by_keras, rtol=1e-5)

    own = Objective(keras.losses.sparse_categorical_crossentropy, metrics)
    assert not compilation(build(), objective=own).masked_losses
