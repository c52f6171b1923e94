"""Compiled models trained by `model.fit`, by raysq alone, and by raysq on two devices, with the same batches.

Usage: fit_cases.py FILE [CASE ...]: writes the weights and figures of the cases, or of all, to FILE as JSON. It runs in
a process of its own, since logical devices are set before TensorFlow starts.
"""

import json
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ROWS, STEPS, BATCH, EVAL = 37, 6, 8, 10


class Rows:
    """Arrays or dicts of arrays as a batch source."""

    nbytes = 100

    def __init__(self, x: Any, y: Any, weights: np.ndarray | None = None):
        self.x, self.y = x, y
        if weights is not None:
            self.weights = weights

    def __len__(self):
        return ROWS

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
        return x, y, None if weights is None else weights[indices]


@dataclass(frozen=True)
class Case:
    """A case: builds the compiled model, and says what it is trained on.

    Attributes:
        build: returns the model.
        data: "table" (4 numbers to 2), "named" (two inputs and outputs by name), "ids" (sequences padded with 0), or
            "classes".
        weights: whether examples have weights.
        two: whether two devices train it, too.
        precision: dtype policy.
        reorder: converts y for `fit`.
    """

    build: Any
    data: str = "table"
    weights: bool = False
    two: bool = True
    precision: str = "float32"
    reorder: Any = field(default=lambda y: y)


def data_of(case: Case, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    weights = random.random(ROWS).astype(np.float32) * 2 if case.weights else None
    table = random.normal(size=(ROWS, 4)).astype(np.float32)
    target = (table[:, :2] * 2 + random.normal(size=(ROWS, 2)) * 0.1).astype(np.float32)
    if case.data == "table":
        return Rows(table, target, weights)
    if case.data == "classes":
        return Rows(table, (table.sum(1) > 0).astype(np.int32)[:, None], weights)
    if case.data == "ids":
        ids = random.integers(1, 9, (ROWS, 5)).astype(np.int32)
        ids[np.arange(5) >= random.integers(1, 6, ROWS)[:, None]] = 0
        return Rows(ids, target, weights)
    kind = random.integers(0, 5, ROWS).astype(np.int32)
    sold = random.integers(0, 3, (ROWS, 1)).astype(np.int32)
    return Rows({"size": table, "kind": kind}, {"price": target + kind[:, None], "sold": sold}, weights)


def named(form: Any, **arguments: Any) -> Any:
    """A model of two inputs and two outputs in some form, compiled."""
    import keras

    size, kind = keras.Input((4,), name="size"), keras.Input((), dtype="int32", name="kind")
    both = keras.layers.Concatenate()([size, keras.layers.Embedding(5, 3)(kind)])
    price = keras.layers.Dense(2, name="price")(both)
    sold = keras.layers.Dense(3, "softmax", name="sold")(both)
    model = keras.Model({"size": size, "kind": kind}, form(price, sold))
    model.compile(keras.optimizers.SGD(0.05), **arguments)
    return model


def plain(*layers: Any, shape=(4,), dtype: str = "float32", **arguments: Any) -> Any:
    import keras

    head = [*layers, keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input(shape, dtype=dtype), *head])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.05), "loss": "mse", **arguments})
    return model


LOSSES = {"price": "mse", "sold": "sparse_categorical_crossentropy"}
METRICS = {"price": ["mae", "mse"], "sold": ["accuracy"]}


def outputs_in_a_dict():
    return named(
        lambda price, sold: {"price": price, "sold": sold},
        loss=LOSSES,
        loss_weights={"price": 0.5, "sold": 2.0},
        metrics=METRICS,
        weighted_metrics={"price": ["mae"], "sold": ["accuracy"]},
    )


def outputs_in_a_list():
    return named(
        lambda price, sold: [sold, price],
        loss=[LOSSES["sold"], LOSSES["price"]],
        loss_weights=[2.0, 0.5],
        metrics=[["accuracy"], ["mae"]],
    )


def outputs_in_a_nest():
    return named(
        lambda price, sold: {"first": {"a": price}, "second": {"b": sold}},
        loss={"first": {"a": LOSSES["price"]}, "second": {"b": LOSSES["sold"]}},
    )


def one_loss_for_all_outputs():
    import keras

    def error(y, prediction):
        return keras.ops.mean(keras.ops.square(prediction - keras.ops.cast(y, "float32")), -1)

    return named(lambda price, sold: [price, sold], loss=error)


def an_output_without_a_loss():
    return named(lambda price, sold: {"price": price, "sold": sold}, loss={"sold": LOSSES["sold"]})


def own_loss_and_metric():
    import keras

    class Huber(keras.losses.Loss):
        def call(self, y, prediction):
            error = keras.ops.abs(y - prediction)
            return keras.ops.mean(keras.ops.where(error < 1, error**2 / 2, error - 0.5), -1)

    class Bias(keras.metrics.Metric):
        def __init__(self, name="bias"):
            super().__init__(name=name)
            self.total = self.add_weight(shape=(), initializer="zeros", name="total")
            self.count = self.add_weight(shape=(), initializer="zeros", name="count")

        def update_state(self, y, prediction, sample_weight=None):
            values = keras.ops.mean(prediction - y, -1)
            weights = keras.ops.ones_like(values) if sample_weight is None else keras.ops.cast(sample_weight, "float32")
            self.total.assign_add(keras.ops.sum(values * weights))
            self.count.assign_add(keras.ops.sum(weights))

        def result(self):
            return self.total / self.count

    def double(y, prediction):
        return 2.0 * keras.ops.mean(keras.ops.abs(y - prediction), -1)

    return plain(loss=Huber(), metrics=[Bias(), double], weighted_metrics=[Bias("weighted_bias")])


def scheduled_optimizer():
    import keras

    rate = keras.optimizers.schedules.CosineDecay(0.05, STEPS)
    return plain(optimizer=keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, global_clipnorm=0.5))


def adam_with_decay():
    import keras

    return plain(keras.layers.Dense(8, "tanh"), optimizer=keras.optimizers.AdamW(0.01, weight_decay=0.1))


def averages_of_weights():
    import keras

    return plain(optimizer=keras.optimizers.SGD(0.05, use_ema=True, ema_overwrite_frequency=2))


def weight_of_the_loss():
    return plain(loss_weights=[3.0])


def flags_of_the_loop():
    """Arguments of `compile` that change how `fit` runs, not what it computes."""
    return plain(run_eagerly=True, steps_per_execution=2, jit_compile=False)


def classes():
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.SGD(0.05), "binary_crossentropy", metrics=["accuracy", keras.metrics.AUC()])
    return model


def compute_loss():
    import keras

    class Own(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return super().compute_loss(x, y, y_pred, sample_weight) + 0.1 * keras.ops.mean(keras.ops.abs(y_pred))

    x = keras.Input((4,))
    model = Own(x, keras.layers.Dense(2, kernel_regularizer="l2")(x))
    model.compile(keras.optimizers.SGD(0.05), "mse")
    return model


def regularized():
    import keras

    return plain(keras.layers.Dense(3, kernel_regularizer="l2"))


def _penalty():
    import keras

    class Penalty(keras.layers.Layer):
        def call(self, x):
            self.add_loss(0.1 * keras.ops.mean(keras.ops.square(x)))
            return x

    return Penalty()


def added_loss():
    return plain(_penalty())


def only_added_losses():
    import keras

    class Error(keras.layers.Layer):
        """Errors of an autoencoder, which needs no target."""

        def call(self, pair):
            self.add_loss(keras.ops.mean(keras.ops.square(pair[0] - pair[1])))
            return pair[1][:, :2]

    x = keras.Input((4,))
    model = keras.Model(x, Error()((x, keras.layers.Dense(4)(keras.layers.Dense(2)(x)))))
    model.compile(keras.optimizers.SGD(0.05))
    return model


def frozen_and_pretrained():
    import keras

    layer = keras.layers.Dense(3, trainable=False)
    model = plain(layer)
    layer.set_weights([np.linspace(-1, 1, 12).reshape(4, 3), np.full(3, 0.5)])
    return model


def masked_inputs():
    import keras

    return plain(
        keras.layers.Embedding(9, 3, mask_zero=True), keras.layers.LSTM(3), shape=(5,), dtype="int32", metrics=["mae"]
    )


CASES = {
    "outputs in a dict": Case(outputs_in_a_dict, "named"),
    "outputs in a dict, weights": Case(outputs_in_a_dict, "named", weights=True),
    "outputs in a list": Case(outputs_in_a_list, "named", reorder=lambda y: [y["sold"], y["price"]]),
    "outputs in a nest": Case(
        outputs_in_a_nest, "named", reorder=lambda y: {"first": {"a": y["price"]}, "second": {"b": y["sold"]}}
    ),
    "one loss for all outputs": Case(one_loss_for_all_outputs, "named", reorder=lambda y: [y["price"], y["sold"]]),
    "an output without a loss": Case(an_output_without_a_loss, "named"),
    "own loss and metric": Case(own_loss_and_metric),
    "own loss and metric, weights": Case(own_loss_and_metric, weights=True),
    "weight of the loss": Case(weight_of_the_loss),
    "scheduled optimizer": Case(scheduled_optimizer),
    "adam with decay": Case(adam_with_decay),
    "averages of weights": Case(averages_of_weights, two=False),
    "flags of the loop": Case(flags_of_the_loop),
    "classes": Case(classes, "classes"),
    "compute_loss": Case(compute_loss, two=False),
    "compute_loss, weights": Case(compute_loss, weights=True, two=False),
    "regularized": Case(regularized),
    "added loss": Case(added_loss, two=False),
    "only added losses": Case(only_added_losses, two=False),
    "frozen and pretrained": Case(frozen_and_pretrained),
    "masked inputs": Case(masked_inputs, "ids"),
    "float16": Case(plain, precision="mixed_float16"),
    "bfloat16": Case(plain, precision="mixed_bfloat16"),
}


def by_fit(case: Case, train: Rows, val: Rows) -> dict[str, Any]:
    from raysq.data import shuffle

    order = shuffle.batch_order(0, ROWS, BATCH, 0, STEPS).reshape(-1)
    (x, y, weights), (val_x, val_y, val_weights) = train.rows(order), val.rows(np.arange(ROWS))
    model = case.build()
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


def by_raysq(case: Case, train: Rows, val: Rows) -> dict[str, Any]:
    from raysq.problems.specs import Objective
    from raysq.training.settings import TrainSettings
    from raysq.training.trainer import Trainer

    settings = TrainSettings(batch_size=BATCH, eval_batch_size=EVAL, precision=case.precision)
    model = case.build()
    trainer = Trainer(model, {"train": train, "val": val}, settings, 0, Objective("mse", {}), False, "own:model")
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
