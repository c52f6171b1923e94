"""Several inputs and outputs by name: losses, weights and masks are those of plain NumPy."""

import keras
import numpy as np
import pytest
from training.named_rows import ROWS, NamedRows

from raysq.data import shuffle
from raysq.errors import UsageError
from raysq.problems.model_outputs import match_outputs
from raysq.problems.specs import Objective, OutputMetric
from raysq.training import replica_batches
from raysq.training.settings import TrainSettings
from raysq.training.trainer import Trainer

OBJECTIVE = Objective(
    {"price": "mse", "sold": "sparse_categorical_crossentropy"},
    {
        "price_mae": OutputMetric("price", "mae"),
        "weighted_price_mae": OutputMetric("price", "mae"),
        "sold_accuracy": OutputMetric("sold", "sparse_categorical_accuracy"),
    },
    {"sold": 0.25},
    ("weighted_price_mae",),
)


def model(form=dict):
    keras.utils.set_random_seed(0)
    size, kind = keras.Input((4,), name="size"), keras.Input((), dtype="int32", name="kind")
    both = keras.layers.Concatenate()([size, keras.layers.Embedding(5, 3)(kind)])
    price = keras.layers.Dense(2, name="price")(both)
    sold = keras.layers.Dense(3, "softmax", name="sold")(both)
    outputs = {"sold": sold, "price": price} if form is dict else [sold, price]
    return keras.Model({"kind": kind, "size": size}, outputs)


def trainer(train, val=None, form=dict, **settings):
    settings = {"batch_size": 8, "eval_batch_size": 10, "optimizer": "sgd", "learning_rate": 0.1, **settings}
    splits = {"train": train, "val": val or train}
    return Trainer(model(form), splits, TrainSettings(**settings), 0, OBJECTIVE, False)


def expected(rows, predictions, indices):
    """Losses and metrics over the given examples, by NumPy."""
    price, sold = (np.asarray(predictions[name])[indices] for name in ("price", "sold"))
    error = price - rows.price[indices]
    weights = getattr(rows, "weights", np.ones(len(rows), np.float32))[indices]
    seen = rows.observed[indices] if hasattr(rows, "shares") else np.ones_like(error)
    factor = np.ones(len(indices))
    if hasattr(rows, "shares"):
        factor = rows.shares["price"][indices] / rows.shares["price"].mean()
    each = (error**2 * seen).sum(1) / np.maximum(seen.sum(1), 1)
    losses = {
        "price_loss": np.mean(each * factor * weights),
        "sold_loss": np.mean(-np.log(sold[np.arange(len(indices)), rows.sold[indices, 0]]) * weights),
    }
    return {
        "loss": losses["price_loss"] + 0.25 * losses["sold_loss"],
        **losses,
        "price_mae": np.average(np.abs(error), weights=seen),
        "weighted_price_mae": np.average(np.abs(error), weights=seen * weights[:, None]),
        "sold_accuracy": np.mean(sold.argmax(1) == rows.sold[indices, 0]),
    }


def rows_of(case):
    weights = np.random.default_rng(5).random(ROWS).astype(np.float32) * 2
    weights[3] = 0
    return NamedRows(weights if "weights" in case else None, masked="masked" in case)


@pytest.mark.parametrize("case", ["plain", "weights", "masked", "masked and weights"])
@pytest.mark.parametrize(("form", "on_host"), [(dict, False), (list, True)])
def test_losses_and_metrics_are_those_of_numpy(monkeypatch, case, form, on_host):
    if on_host:
        monkeypatch.setattr(replica_batches, "HOST_BYTES", 0)
    rows = rows_of(case)
    made = trainer(rows, form=form)
    predictions = dict(zip(("price", "sold"), made.predict("val")[1].values(), strict=True))
    found = made.evaluate("val")
    right = expected(rows, predictions, np.arange(ROWS))
    assert found == {f"val_{name}": pytest.approx(value, rel=1e-5) for name, value in right.items()}
    batch = shuffle.batch_order(0, ROWS, 8, 0, 1)[0]
    right = expected(rows, predictions, batch)
    assert made.train(0, 1) == pytest.approx(right["loss"], rel=1e-5)
    assert made.take_train_metrics() == {name: pytest.approx(value, rel=1e-5) for name, value in right.items()}


def test_the_mean_loss_of_an_output_is_over_its_observed_values():
    rows = rows_of("masked")
    made = trainer(rows)
    error = made.predict("val")[1]["price"] - rows.price
    loss = np.average(error**2, weights=rows.observed)
    assert made.evaluate("val")["val_price_loss"] == pytest.approx(loss, rel=1e-5)


def test_examples_without_weight_do_not_train():
    weights = np.ones(ROWS, np.float32)
    weights[::2] = 0
    rows = NamedRows(weights)
    made, other = trainer(rows), trainer(NamedRows(weights))
    other.splits["train"].price[::2] = 1e6
    other = trainer(other.splits["train"])
    for each in (made, other):
        each.train(0, 4)
    for mine, theirs in zip(made.model.get_weights(), other.model.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


def test_other_outputs_than_the_targets_are_refused():
    made = trainer(NamedRows())
    y, predictions = made.predict("val")
    with pytest.raises(UsageError, match="outputs price, cost, and the targets of the data are price, sold"):
        match_outputs({"price": predictions["price"], "cost": predictions["sold"]}, y, made.model)
    with pytest.raises(UsageError, match="gives 2 outputs, and the data have one target"):
        match_outputs([*predictions.values()], y["price"], made.model)
