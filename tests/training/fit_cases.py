"""Compiled models trained by `model.fit`, by raysq alone, and by raysq on two devices, with the same batches.

Usage: fit_cases.py FILE [CASE ...]: writes the weights and figures of the cases, or of all, to FILE as JSON. It runs in
a process of its own, since logical devices are set before TensorFlow starts.
"""

import json
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from training import fit_models
from training.fit_models import STEPS, STEPS_OF_IDS

ROWS, BATCH, EVAL = 37, 8, 10
EVEN = 40  # rows of which all batches divide over two devices


class Rows:
    """Arrays or dicts of arrays as a batch source."""

    nbytes = 100

    def __init__(self, x: Any, y: Any, weights: np.ndarray | None = None):
        self.x, self.y = x, y
        if weights is not None:
            self.weights = weights

    def __len__(self):
        return len(next(iter(self.arrays().values())))

    def _named(self):
        for part in ("x", "y"):
            nest = getattr(self, part)
            yield from (
                (f"{part}/{key}", value) for key, value in (nest.items() if isinstance(nest, dict) else [("", nest)])
            )

    def arrays(self):
        return dict(self._named())

    mapped = arrays

    def gather(self, indices, arrays, take):
        def of(part):
            values = {key[2:]: take(array, indices) for key, array in arrays.items() if key.startswith(part)}
            return values.get("", values)

        return of("x"), of("y")

    def rows(self, indices):
        """x, y and weights of some examples, as `fit` takes them."""
        weights = getattr(self, "weights", None)
        x, y = (
            {key: value[indices] for key, value in nest.items()} if isinstance(nest, dict) else nest[indices]
            for nest in (self.x, self.y)
        )
        if weights is not None:
            weights = weights[indices]
            if not isinstance(y, dict) and y.shape[1:] == (STEPS_OF_IDS,):  # Keras wants one for each step
                weights = np.repeat(weights[:, None], STEPS_OF_IDS, 1)
        return x, y, weights


@dataclass(frozen=True)
class Case:
    """A case: builds the compiled model, and says what it is trained on.

    Attributes:
        build: returns the model.
        data: "table" (4 numbers to 2), "named" (two inputs and outputs by name), "ids" (sequences padded with 0),
            "tags" and "steps" (the same to a class or a number for each step), "both" (the same to two outputs by
            name), or "classes".
        weights: whether examples have weights.
        two: whether two devices train it, too.
        exact: whether it is trained in the exact mode, too.
        rows: number of examples.
        ragged: builds the model of `fit`, where that takes RaggedTensors and raysq's takes ids padded with 0.
        precision: dtype policy.
        reorder: converts y for `fit`.
    """

    build: Any
    data: str = "table"
    weights: bool = False
    two: bool = True
    exact: bool = False
    rows: int = ROWS
    ragged: Any = None
    precision: str = "float32"
    reorder: Any = field(default=lambda y: y)


def data_of(case: Case, seed: int) -> Rows:
    random, rows = np.random.default_rng(seed), case.rows
    weights = random.random(rows).astype(np.float32) * 2 if case.weights else None
    table = random.normal(size=(rows, 4)).astype(np.float32)
    target = (table[:, :2] * 2 + random.normal(size=(rows, 2)) * 0.1).astype(np.float32)
    if case.data == "table":
        return Rows(table, target, weights)
    if case.data == "classes":
        return Rows(table, (table.sum(1) > 0).astype(np.int32)[:, None], weights)
    if case.data in ("ids", "tags", "steps", "both"):
        ids = random.integers(1, 9, (rows, STEPS_OF_IDS)).astype(np.int32)
        ids[np.arange(STEPS_OF_IDS) >= random.integers(1, 6, rows)[:, None]] = 0
        tags = random.integers(0, 3, (rows, STEPS_OF_IDS)).astype(np.int32)
        steps = (ids[..., None] % 4 - tags[..., None]).astype(np.float32)
        targets = {"ids": target, "tags": tags, "steps": steps, "both": {"tag": tags, "price": target}}
        return Rows(ids, targets[case.data], weights)
    kind = random.integers(0, 5, rows).astype(np.int32)
    sold = random.integers(0, 3, (rows, 1)).astype(np.int32)
    return Rows({"size": table, "kind": kind}, {"price": target + kind[:, None], "sold": sold}, weights)


CASES = {
    "outputs in a dict": Case(fit_models.outputs_in_a_dict, "named"),
    "outputs in a dict, weights": Case(fit_models.outputs_in_a_dict, "named", weights=True),
    "outputs in a list": Case(fit_models.outputs_in_a_list, "named", reorder=lambda y: [y["sold"], y["price"]]),
    "outputs in a nest": Case(
        fit_models.outputs_in_a_nest,
        "named",
        reorder=lambda y: {"first": {"a": y["price"]}, "second": {"b": y["sold"]}},
    ),
    "one loss for all outputs": Case(
        fit_models.one_loss_for_all_outputs, "named", reorder=lambda y: [y["price"], y["sold"]]
    ),
    "an output without a loss": Case(fit_models.an_output_without_a_loss, "named"),
    "own loss and metric": Case(fit_models.own_loss_and_metric),
    "own loss and metric, weights": Case(fit_models.own_loss_and_metric, weights=True),
    "weight of the loss": Case(fit_models.weight_of_the_loss),
    "scheduled optimizer": Case(fit_models.scheduled_optimizer),
    "adam with decay": Case(fit_models.adam_with_decay),
    "averages of weights": Case(fit_models.averages_of_weights, two=False),
    "flags of the loop": Case(fit_models.flags_of_the_loop),
    "classes": Case(fit_models.classes, "classes"),
    "compute_loss": Case(fit_models.compute_loss, two=False),
    "compute_loss, even": Case(fit_models.compute_loss, rows=EVEN, exact=True),
    "compute_loss, weights": Case(fit_models.compute_loss, weights=True, rows=EVEN),
    "compute_loss of a maximum": Case(fit_models.compute_loss_of_a_maximum, rows=EVEN, two=False),
    "regularized": Case(fit_models.regularized),
    "added loss": Case(fit_models.added_loss, two=False),
    "added loss, even": Case(fit_models.added_loss, rows=EVEN),
    "only added losses": Case(fit_models.only_added_losses, two=False),
    "only added losses, even": Case(fit_models.only_added_losses, rows=EVEN),
    "frozen and pretrained": Case(fit_models.frozen_and_pretrained),
    "masked inputs": Case(fit_models.masked_inputs, "ids"),
    "ragged inputs in fit": Case(fit_models.pooled_ids, "ids", ragged=fit_models.pooled_ragged_ids),
    "masked predictions": Case(fit_models.tagger, "tags", exact=True),
    "masked predictions, weights": Case(fit_models.tagger, "tags", weights=True),
    "masked predictions, a penalty": Case(fit_models.masked_and_dropped, "steps"),
    "masked predictions of one output": Case(fit_models.one_masked_output, "both", exact=True),
    "ignored class": Case(fit_models.ignored_class, "tags"),
    "float16": Case(fit_models.plain, precision="mixed_float16"),
    "bfloat16": Case(fit_models.plain, precision="mixed_bfloat16"),
}


def by_fit(case: Case, train: Rows, val: Rows) -> dict[str, Any]:
    from raysq.data import shuffle

    order = shuffle.batch_order(0, len(train), BATCH, 0, STEPS).reshape(-1)
    (x, y, weights), (val_x, val_y, val_weights) = train.rows(order), val.rows(np.arange(len(val)))
    model = (case.ragged or case.build)()
    if case.ragged:
        import tensorflow as tf

        x, val_x = tf.RaggedTensor.from_tensor(x, padding=0), tf.RaggedTensor.from_tensor(val_x, padding=0)
    validation = (val_x, case.reorder(val_y), *([] if val_weights is None else [val_weights]))
    history = model.fit(
        x,
        case.reorder(y),
        sample_weight=weights,
        batch_size=BATCH,
        shuffle=False,
        verbose=0,
        validation_data=validation,
        validation_batch_size=EVAL,
    )
    return result(model, {name: values[0] for name, values in history.history.items()})


def by_raysq(case: Case, train: Rows, val: Rows, exact: int = 0) -> dict[str, Any]:
    from raysq.problems.specs import Objective
    from raysq.training.exact_trainer import ExactTrainer
    from raysq.training.settings import TrainSettings
    from raysq.training.trainer import Trainer

    settings = TrainSettings(batch_size=BATCH, eval_batch_size=EVAL, precision=case.precision, exact=exact)
    model = case.build()
    trainer = (ExactTrainer if exact else Trainer)(
        model, {"train": train, "val": val}, settings, 0, Objective("mse", {}), False, "own:model"
    )
    trainer.train(0, STEPS)
    return result(model, {**trainer.take_train_metrics(), **trainer.evaluate("val")})


def result(model: Any, figures: dict[str, float]) -> dict[str, Any]:
    return {"weights": [weight.tolist() for weight in model.get_weights()], "figures": figures}


def main() -> None:
    from raysq import backend

    backend.load()
    import keras
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    tf.config.threading.set_intra_op_parallelism_threads(1)  # as the exact mode needs
    tf.config.experimental.enable_op_determinism()
    two_devices = tf.distribute.MirroredStrategy(["/CPU:0", "/CPU:1"])  # another one would repeat its collectives
    results: dict[str, dict[str, Any]] = {}
    for name in sys.argv[2:] or CASES:
        case = CASES[name]
        train, val = data_of(case, 1), data_of(case, 2)
        keras.config.set_dtype_policy(case.precision)

        def run(how: Any, devices: Any = None, case=case, train=train, val=val) -> dict[str, Any]:
            keras.utils.clear_session()
            keras.utils.set_random_seed(0)
            with devices.scope() if devices else nullcontext():
                return how(case, train, val)

        results[name] = {"fit": run(by_fit), "one": run(by_raysq)}
        if case.exact:
            results[name]["exact"] = run(partial(by_raysq, exact=2))
        try:
            results[name]["two"] = run(by_raysq, two_devices)
        except Exception as error:
            if case.two:
                raise
            results[name]["refused"] = f"{type(error).__name__}: {error}"
    with open(sys.argv[1], "w") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main()
