"""A model of Keras's own layers that computes what one with raysq's layers does."""

from typing import Any

import keras


def to_keras(model: keras.Model) -> keras.Model:
    """A model for people who have Keras and not raysq: the same predictions, by Keras's own layers and operations.

    A layer of raysq's says by `as_keras`, called as the layer is, how. One that does not say it, and any other layer,
    is copied with its weights. A model without such layers is returned as it is.

    Args:
        model: a sequential or functional model with its weights; others are returned as they are.
    """
    if not any(hasattr(layer, "as_keras") for layer in model.layers) or not getattr(model, "inputs", None):
        return model
    copies: list[tuple[Any, Any]] = []

    def copied(layer: Any) -> Any:
        if hasattr(layer, "as_keras") or not isinstance(layer, keras.layers.Layer):
            return layer  # an operation has no weights
        copy = type(layer).from_config(layer.get_config())
        copies.append((layer, copy))
        return copy

    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(layer, "as_keras", layer)(*args, **kwargs)

    if isinstance(model, keras.Sequential):
        start = model.inputs[0]
        inputs = keras.Input(batch_shape=start.shape, dtype=start.dtype, name=start.name)
        outputs = inputs
        for layer in model.layers:
            outputs = called(copied(layer), outputs)
        made = keras.Model(inputs, outputs, name=model.name)
    else:
        made = keras.models.clone_model(model, clone_function=copied, call_function=called)
    for layer, copy in copies:
        for mine, its in zip(copy.variables, layer.variables, strict=True):
            mine.assign(its)
    return made


def table(values: Any, name: str, trainable: bool = True) -> keras.layers.Embedding:
    """A table `(rows, columns)` of a layer's weights, looked up by ids."""
    layer = keras.layers.Embedding(*values.shape, trainable=trainable, dtype="float32", name=name)
    layer.build(None)
    layer.embeddings.assign(values)
    return layer


def vector(values: Any, name: str, like: Any, trainable: bool = True) -> Any:
    """A vector of a layer's weights for each example, `(batch, len(values))`; `like` are ids `(batch, any)`."""
    return table(values[None], name, trainable)(keras.ops.zeros_like(like[:, 0]))
