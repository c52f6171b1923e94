"""Compiled models of the cases of `training.fit_cases`."""

from typing import Any

import numpy as np

STEPS = 6  # of training
STEPS_OF_IDS = 5  # of a sequence


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


def compute_loss_of_a_maximum():
    import keras

    class Own(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.max(keras.ops.abs(y - y_pred))

    x = keras.Input((4,))
    model = Own(x, keras.layers.Dense(2)(x))
    model.compile(keras.optimizers.SGD(0.05))
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


def pooled_ids(ragged: bool = False):
    import keras

    x = keras.Input((None if ragged else STEPS_OF_IDS,), dtype="int32", ragged=ragged)
    embedded = keras.layers.Embedding(9, 3, mask_zero=not ragged)(x)
    model = keras.Model(x, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(embedded)))
    model.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
    return model


def pooled_ragged_ids():
    return pooled_ids(ragged=True)


def tagger(**arguments: Any) -> Any:
    """A class for each step, with the mask of the ids up to the loss."""
    import keras

    def of_first(y, prediction):
        return prediction[..., 0] - keras.ops.cast(y == 0, prediction.dtype)

    layers = [
        keras.layers.Embedding(9, 3, mask_zero=True),
        keras.layers.LSTM(3, return_sequences=True),
        keras.layers.Dense(3, "softmax"),
    ]
    model = keras.Sequential([keras.Input((STEPS_OF_IDS,), dtype="int32"), *layers])
    loss = "sparse_categorical_crossentropy"
    measured = {"metrics": ["accuracy", of_first], "weighted_metrics": ["sparse_categorical_crossentropy"]}
    model.compile(**{"optimizer": keras.optimizers.SGD(0.5), "loss": loss, **measured, **arguments})
    return model


def masked_and_dropped():
    """A penalty, dropout and a metric that knows no masks beside a loss that does."""
    import keras

    masked = keras.layers.Masking(2.0)
    x = keras.Input((STEPS_OF_IDS,), dtype="int32")
    steps = keras.layers.Lambda(lambda ids: keras.ops.cast(ids[..., None] - 3, "float32") / 3, (STEPS_OF_IDS, 1))(x)
    hidden = keras.layers.Dense(4, kernel_regularizer="l2")(keras.layers.Dropout(0.0)(masked(steps)))
    model = keras.Model(x, keras.layers.Dense(1)(hidden))
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae", keras.metrics.RootMeanSquaredError()])
    return model


def one_masked_output():
    import keras

    x = keras.Input((STEPS_OF_IDS,), dtype="int32")
    steps = keras.layers.LSTM(3, return_sequences=True)(keras.layers.Embedding(9, 3, mask_zero=True)(x))
    price = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(steps))
    model = keras.Model(x, {"tag": keras.layers.Dense(3, "softmax")(steps), "price": price})
    losses, metrics = {"tag": LOSSES["sold"], "price": "mse"}, {"tag": ["accuracy"], "price": ["mae"]}
    model.compile(
        keras.optimizers.SGD(0.3), losses, loss_weights={"tag": 2.0, "price": 0.1}, metrics=metrics, weighted_metrics=[]
    )
    return model


def ignored_class():
    """A loss with a mask of its own, which lies in the targets."""
    import keras

    return tagger(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=1))
