"""Models of tables that tell two classes apart by one output."""

import keras


def without_loss(inputs):
    """Sell soon, and where it is a target the price."""
    given = {name: keras.Input(spec.shape, name=name, dtype=spec.dtype) for name, spec in inputs.inputs.items()}
    hidden = keras.layers.Dense(16, activation="relu")(given["numbers"])
    sold = keras.layers.Dense(1, activation="sigmoid", name="sold")(hidden)
    several = len(inputs.targets_by_name) > 1
    return keras.Model(given, {"sold": sold, "price": keras.layers.Dense(1, name="price")(hidden)} if several else sold)


def one_output(inputs):
    """The same model with a loss of its own."""
    model = without_loss(inputs)
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model
