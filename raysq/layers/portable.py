"""Conversion of models with layers of raysq to layers of Keras."""

from typing import Any

import keras


def to_keras(model: keras.Model) -> keras.Model:
    """Convert a model so that it loads without raysq: same predictions, with layers and operations of Keras only.

    A layer of raysq defines its conversion in `as_keras`, which is called with the arguments of the layer. Layers
    without `as_keras` are copied with their weights.

    Returns:
        The converted model. A model without such layers, or that is neither sequential nor functional, is returned
        unchanged.
    """
    if not any(hasattr(layer, "as_keras") for layer in model.layers) or not getattr(model, "inputs", None):
        return model
    copies: list[tuple[Any, Any]] = []

    def copied(layer: Any) -> Any:
        if hasattr(layer, "as_keras") or not isinstance(layer, keras.layers.Layer):
            return layer  # operations have no weights to copy
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
        portable = keras.Model(inputs, outputs, name=model.name)
    else:
        portable = keras.models.clone_model(model, clone_function=copied, call_function=called)
    for layer, copy in copies:
        for target, source in zip(copy.variables, layer.variables, strict=True):
            target.assign(source)
    return portable


def table(values: Any, name: str, trainable: bool = True) -> keras.layers.Embedding:
    """Return an Embedding layer whose rows are the given weights."""
    layer = keras.layers.Embedding(*values.shape, trainable=trainable, dtype="float32", name=name)
    layer.build(None)
    layer.embeddings.assign(values)
    return layer


def vector(values: Any, name: str, like: Any, trainable: bool = True) -> Any:
    """Return a weight vector repeated for each example, `(batch, len(values))`. `like` are ids, for the batch size."""
    return table(values[None], name, trainable)(keras.ops.zeros_like(like[:, 0]))
