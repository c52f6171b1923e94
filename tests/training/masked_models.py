"""Compiled models for the rows of test_masks_on_workers.py: lists of ids to a number for each step."""

import keras


def tagger(inputs):
    """Predictions with the mask of the ids."""
    ids = keras.Input(inputs.shape, dtype="int32")
    steps = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    model = keras.Model(ids, keras.layers.Dense(1)(keras.layers.Dense(3, "tanh", kernel_regularizer="l2")(steps)))
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    return model


@keras.saving.register_keras_serializable("masked_models")
class Own(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, y, y_pred, sample_weight) + 0.1 * keras.ops.mean(keras.ops.abs(y_pred))


def own_loss(inputs):
    """A mean over examples by a method of the class."""
    ids = keras.Input(inputs.shape, dtype="int32")
    flat = keras.layers.Flatten()(keras.layers.Embedding(9, 4)(ids))
    outputs = inputs.output_shape[0]
    steps = keras.layers.Reshape((outputs, 1))(keras.layers.Dense(outputs, kernel_regularizer="l2")(flat))
    model = Own(ids, steps)
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    return model
