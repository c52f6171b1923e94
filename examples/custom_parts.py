"""Fit a curve with layers, a loss and a metric of one's own."""

import keras
import numpy as np
from keras import layers, ops
from shared import by_epoch, main, parts

import raysq


def data():
    """Return points, the values of a curve with noise at them, and the part of each point."""
    random = np.random.default_rng(0)
    x = random.uniform(-2, 2, (1280, 3)).astype("float32")
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + random.normal(0, 0.05, 1280)
    return x, ((y - y[:1024].mean()) / y[:1024].std()).astype("float32"), parts(1280, 1024)


@keras.saving.register_keras_serializable()
class Gated(layers.Layer):
    """Dense layer whose outputs are multiplied by gates."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units

    def build(self, shape):
        """Create the weights."""
        self.kernel = self.add_weight((shape[-1], 2 * self.units), name="kernel")
        self.bias = self.add_weight((2 * self.units,), initializer="zeros", name="bias")

    def call(self, x):
        """Return values times gates between 0 and 1."""
        values, gates = ops.split(ops.matmul(x, self.kernel) + self.bias, 2, axis=-1)
        return ops.tanh(values) * ops.sigmoid(gates)

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable()
def log_cosh(y, predicted):
    """Return the logarithm of the hyperbolic cosine of errors."""
    return ops.mean(ops.logaddexp(predicted - y, y - predicted) - ops.log(2.0), axis=-1)


@keras.saving.register_keras_serializable()
class Within(keras.metrics.Metric):
    """Share of predictions within a distance of the truth."""

    def __init__(self, distance=0.2, name="within", **options):
        super().__init__(name=name, **options)
        self.distance = distance
        self.hits, self.total = (self.add_weight((), "zeros", name=part) for part in ("hits", "total"))

    def update_state(self, y, predicted, sample_weight=None):
        """Count."""
        near = ops.cast(ops.abs(y - predicted) < self.distance, "float32")
        weight = ops.ones_like(near) if sample_weight is None else ops.reshape(sample_weight, ops.shape(near))
        self.hits.assign_add(ops.sum(weight * near))
        self.total.assign_add(ops.sum(weight))

    def result(self):
        """Return the share."""
        return ops.divide_no_nan(self.hits, self.total)

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "distance": self.distance}


def build(inputs=None):
    """Build and compile the model."""
    model = keras.Sequential([keras.Input((3,), name="x"), Gated(32), Gated(32), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.3, momentum=0.9), loss=log_cosh, metrics=["mae", Within()])
    return model


def fit():
    x, y, part = data()
    train, val = part == "train", part == "val"
    y = y[:, None]
    # by fit
    keras.utils.set_random_seed(0)
    model = build()
    model.fit(x[train], y[train], batch_size=32, epochs=6, validation_data=(x[val], y[val]))
    # end
    return model.history.history


def on_raysq(workers):
    x, y, part = data()
    # by raysq
    named = {"target": "y", "split_column": "part"}
    raysq.prepare("arrays", source={"x": x, "y": y, "part": part}, settings=named)
    settings = {"batch_size": 32, "epochs": 6, "patience": 0}
    run = raysq.train("arrays", model=build, settings=settings, workers=workers)
    # end
    return by_epoch(run.metrics())


if __name__ == "__main__":
    main(fit, on_raysq)
