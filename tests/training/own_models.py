"""Models of a person's own, as `--model package.module:function` takes them."""

import keras


def compiled(inputs, *, units: int = 4):
    model = keras.Sequential(
        [keras.Input(inputs.shape), keras.layers.Flatten(), keras.layers.Dense(units), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mean_absolute_error"])
    return model


def normalised(inputs, *, units: int = 4):
    """Batch normalisation, dropout and a penalty: all that a step keeps besides the gradient."""
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


def penalised(inputs):
    """A penalty on the weights, which every replica adds to its own loss."""
    return keras.Sequential(
        [keras.Input(inputs.shape), keras.layers.Flatten(), keras.layers.Dense(inputs.outputs, kernel_regularizer="l2")]
    )
