"""Models of a person's own, as `--model package.module:function` takes them."""

import json
import os

import keras
import numpy as np


def compiled(inputs, *, units: int = 4):
    model = keras.Sequential(
        [keras.Input(inputs.shape), keras.layers.Flatten(), keras.layers.Dense(units), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mean_absolute_error"])
    return model


def normalized(inputs, *, units: int = 4):
    """Batch normalization, dropout and a penalty: all that a step keeps besides the gradient."""
    return keras.Sequential(
        [
            keras.Input(inputs.shape),
            keras.layers.Flatten(),
            keras.layers.Dense(units, kernel_regularizer="l2"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(inputs.outputs),
        ]
    )


def penalized(inputs):
    """A penalty on the weights, which every replica adds to its own loss."""
    return keras.Sequential(
        [keras.Input(inputs.shape), keras.layers.Flatten(), keras.layers.Dense(inputs.outputs, kernel_regularizer="l2")]
    )


def convolved(inputs):
    """Gradients that depend on the number of rows and of threads, and all that `normalized` has."""
    return keras.Sequential(
        [
            keras.Input(inputs.shape),
            keras.layers.Reshape((*inputs.shape, 1)),
            keras.layers.Conv2D(4, 3, kernel_regularizer="l2"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(inputs.outputs),
        ]
    )


# ---- what raysq trains as Keras's own `fit` does


def unbuilt(inputs):
    """Has no weights before its first batch."""
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3), keras.layers.Dense(inputs.outputs)])


@keras.saving.register_keras_serializable("own_models")
class Subclassed(keras.Model):
    """Never called, its `call` takes no `training`; the dropout must act all the same."""

    def __init__(self, outputs, **kwargs):
        super().__init__(**kwargs)
        self.count = outputs
        self.flat, self.drop = keras.layers.Flatten(), keras.layers.Dropout(0.9)
        self.head = keras.layers.Dense(outputs, kernel_initializer="ones")

    def call(self, x):
        return self.head(self.drop(self.flat(x)))

    def get_config(self):
        return {"outputs": self.count}


def subclassed(inputs):
    return Subclassed(inputs.outputs)


@keras.saving.register_keras_serializable("own_models")
class Weighing(keras.Model):
    """A loss with a weight of its own, no mean over examples, and the penalties by way of Keras's."""

    def __init__(self, outputs, **kwargs):
        super().__init__(**kwargs)
        self.count = outputs
        self.flat = keras.layers.Flatten()
        self.head = keras.layers.Dense(outputs, kernel_regularizer="l2", activity_regularizer="l2")
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, x):
        return self.head(self.flat(x))

    def get_config(self):
        return {"outputs": self.count}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        error = keras.ops.max(keras.ops.square(y - y_pred))
        return super().compute_loss(x, y, y_pred, sample_weight) + (0.1 if training else 0.2) * error * self.scale**2


def weighing(inputs):
    return Weighing(inputs.outputs)


def double_error(y, prediction):
    return 2.0 * keras.ops.mean(keras.ops.abs(y - prediction), -1)


def batch_error(y, prediction):
    """One number for a batch, which may be of rows that are there only to fill it up."""
    return keras.ops.max(keras.ops.abs(y - prediction))


class Worst(keras.metrics.Metric):
    """Takes no heed of weights, and does not add up over parts of a batch."""

    def __init__(self, name="worst", **kwargs):
        super().__init__(name=name, **kwargs)
        self.most = self.add_weight(name="most", initializer="zeros")

    def update_state(self, y, prediction, sample_weight=None):
        self.most.assign(keras.ops.maximum(self.most, keras.ops.max(keras.ops.abs(y - prediction))))

    def result(self):
        return self.most


class Count(Worst):
    """Counts rows, without weights."""

    def update_state(self, y, prediction, sample_weight=None):
        self.most.assign_add(keras.ops.cast(keras.ops.shape(y)[0], "float32"))


def _plain(inputs):
    return keras.Sequential([keras.Input(inputs.shape), keras.layers.Flatten(), keras.layers.Dense(inputs.outputs)])


def _compiled(inputs, **arguments):
    model = _plain(inputs)
    model.compile(**{"optimizer": keras.optimizers.SGD(0.05), "loss": "mse", **arguments})
    return model


def measured(inputs):
    """Metrics of every form."""
    return _compiled(inputs, metrics=["mae", double_error, batch_error, Worst(), Count("rows"), "r2_score"])


def clipping(inputs):
    """An optimizer that clips gradients, with a loss of the user's."""

    def error(y, prediction):
        return keras.ops.square(y - prediction)

    optimizer = keras.optimizers.SGD(0.5, global_clipnorm=0.1)
    return _compiled(inputs, loss=error, optimizer=optimizer, metrics=["mae", double_error, "r2_score"])


# ---- what several workers can, and cannot, put together


def sums(inputs):
    metrics = ["mae", "r2_score", double_error, keras.metrics.RootMeanSquaredError(), keras.metrics.MeanSquaredError()]
    return _compiled(inputs, metrics=metrics)


def active(inputs):
    model = _plain(inputs)
    return keras.Sequential([*model.layers, keras.layers.ActivityRegularization(0.1)])


def worst(inputs):
    return _compiled(inputs, metrics=[Worst()])


def counting(inputs):
    return _compiled(inputs, metrics=[Count()])


def scalar_metric(inputs):
    return _compiled(inputs, metrics=[batch_error])


def mixing(inputs):
    """A loss that weighs outputs, so that it is no mean over them."""

    def mixed(y, prediction):
        return keras.ops.sum(keras.ops.square(y - prediction), -1)

    return _compiled(inputs, loss=mixed)


def accumulating(inputs):
    return _compiled(inputs, optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))


def unequal(inputs):
    """Weights that are set in the function, others on every worker; those of the chief count."""
    model = _plain(inputs)
    rank = json.loads(os.environ.get("TF_CONFIG", '{"task": {"index": 0}}'))["task"]["index"]
    model.set_weights([np.full(weight.shape, 0.01 + rank, np.float32) for weight in model.get_weights()])
    return model


# ---- settings


def with_settings(inputs, *, learning_rate: float = 0.02, batch_size: int = 8, lookback: int = 10, units: int = 4):
    """Keywords that are settings of other sections, too."""
    return _compiled(inputs, optimizer=keras.optimizers.SGD(learning_rate))


def positional(inputs, units=4):
    return _plain(inputs)


def without_default(inputs, *, units):
    return _plain(inputs)


def annotated_wrongly(inputs, *, units: "Nowhere" = 4):  # noqa: F821
    return _plain(inputs)


# ---- what raysq refuses


def raises(inputs):
    raise RuntimeError("the table of sizes is missing")


def counts(inputs, *, built: str, alone: bool = False):
    """Fails, on one of the workers or on all, and counts how often it was tried."""
    with open(built, "a") as file:
        file.write("built\n")
    if not alone or '"index": 0' in os.environ["TF_CONFIG"]:
        raise RuntimeError("no table")
    return _plain(inputs)


def nothing(inputs):
    _plain(inputs)


def text(inputs):
    return "a model"


def fails_in_call(inputs):
    class Failing(keras.Model):
        def call(self, x):
            return x @ keras.ops.ones((99, 1))

    return Failing()


def two_inputs(inputs):
    pair = [keras.Input(inputs.shape), keras.Input((3,))]
    return keras.Model(pair, keras.layers.Dense(1)(pair[1]))


def other_input(inputs):
    return keras.Sequential([keras.Input((7,)), keras.layers.Dense(inputs.outputs)])


def two_outputs(inputs):
    start = keras.Input(inputs.shape)
    flat = keras.layers.Flatten()(start)
    return keras.Model(start, [keras.layers.Dense(inputs.outputs)(flat), keras.layers.Dense(2)(flat)])


def dictionary(inputs):
    plain = _plain(inputs)
    return keras.Model(plain.inputs, {"answer": plain.outputs[0]})


def leaves(inputs):
    raise SystemExit("enough")


def stateful(inputs):
    return keras.Sequential([keras.layers.GRU(4, stateful=True), keras.layers.Dense(inputs.outputs)])


def ragged(inputs):
    x = keras.Input((None, inputs.shape[1]), ragged=True)
    return keras.Model(x, keras.layers.Dense(inputs.outputs)(keras.layers.GlobalAveragePooling1D()(x)))


def fixed_batch(inputs):
    return keras.Sequential(
        [keras.Input(inputs.shape, batch_size=16), keras.layers.Flatten(), keras.layers.Dense(inputs.outputs)]
    )


def every_row(inputs):
    return keras.Sequential([keras.Input(inputs.shape), keras.layers.Dense(1)])


def no_axis(inputs):
    """Predictions (batch,) beside y (batch, 1) would make errors (batch, batch)."""
    return keras.Sequential([_plain(inputs), keras.layers.Reshape(())])


def frozen(inputs):
    model = _plain(inputs)
    model.trainable = False
    return model


def weightless(inputs):
    return keras.Sequential([keras.Input(inputs.shape), keras.layers.Lambda(lambda x: x[:, -1, :1])])


class Stepping(keras.Model):
    def train_step(self, data):
        raise AssertionError("is not called")


class Tracking(keras.Model):
    def __init__(self, *arguments, **kwargs):
        super().__init__(*arguments, **kwargs)
        self.tracker = keras.metrics.Mean("tracker")


def _of(form, inputs):
    plain = _plain(inputs)
    return form(plain.inputs, plain.outputs[0])


def own_train_step(inputs):
    return _of(Stepping, inputs)


def own_tracker(inputs):
    return _of(Tracking, inputs)


def several_losses(inputs):
    return _compiled(inputs, loss=["mse", "mae"])


def sum_loss(inputs):
    return _compiled(inputs, loss=keras.losses.MeanSquaredError(reduction="sum"))


def one_number_loss(inputs):
    return _compiled(inputs, loss=batch_error)


def no_loss(inputs):
    model = _plain(inputs)
    model.compile("sgd")
    return model


def averaging(inputs):
    return _compiled(inputs, optimizer=keras.optimizers.Adam(use_ema=True))


def failing_metric(inputs):
    def broken_metric(y, prediction):
        raise KeyError("no such column")

    return _compiled(inputs, metrics=[broken_metric])


def vector_metric(inputs):
    return _compiled(inputs, metrics=[keras.metrics.R2Score(class_aggregation=None)])


def twice_the_metric(inputs):
    return _compiled(inputs, metrics=["mae", "mae"])


def taken_name(inputs):
    return _compiled(inputs, metrics=[keras.metrics.MeanSquaredError("seconds")])


def talkative(inputs):
    """Says what it builds, as notebooks do."""
    model = penalized(inputs)
    print("building")
    model.summary()
    return model


def in_fours(inputs):
    """Steps of four in a call, with metrics of both directions."""
    model = keras.Sequential([keras.Input(inputs.shape), keras.layers.Flatten(), keras.layers.Dense(inputs.outputs)])
    model.compile(keras.optimizers.SGD(0.002), "mae", metrics=["mean_squared_error"], steps_per_execution=4)
    return model
