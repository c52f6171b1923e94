"""Build a user's own model, and refuse it before the first step where raysq's loop would not train it as intended."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from raysq.config import join_names
from raysq.errors import UsageError
from raysq.problems.model_outputs import match_outputs
from raysq.problems.specs import ArraySpec, BatchSource, InputSpec
from raysq.training.batch_feed import Batch, BatchFeed
from raysq.training.compilation import parts
from raysq.training.user_code import user_errors

_ROWS = 4
# Methods of `keras.Model` that only Keras's own loops call. raysq's trainer calls `compute_loss` alone.
_FIT_METHODS = ("train_step", "test_step", "predict_step", "compute_metrics", "fit", "evaluate")


def call_builder(name: str, builder: Callable[..., Any], inputs: InputSpec, settings: Mapping[str, Any]) -> keras.Model:
    """Call a user's builder with the input spec and its keyword settings, and return the Keras model.

    Raises:
        UsageError: the builder fails or does not return a Keras model.
    """
    with user_errors(name, "cannot be built", everything=True):
        model = builder(inputs, **settings)
    if not isinstance(model, keras.Model):
        what = "nothing (no `return`?)" if model is None else f"{type(model).__name__}: {str(model)[:60]}"
        raise UsageError(f"model {name!r} must return a Keras model, its function returns {what}")
    return model


def build_own_model(
    name: str,
    builder: Callable[..., Any],
    inputs: InputSpec,
    settings: Mapping[str, Any],
    examples: BatchSource,
) -> keras.Model:
    """Build a user's model with all its weights.

    Args:
        name: name of the builder, `package.module:function`.
        builder: the function or model class.
        inputs: input spec, the builder's positional argument.
        settings: keyword arguments of the builder.
        examples: batch source. The model is called with some examples, which creates the weights of a model without
            an input shape.

    Returns:
        The Keras model.

    Raises:
        UsageError: the builder fails, or raysq cannot train the model.
    """
    model = call_builder(name, builder, inputs, settings)
    _validate_inputs(model, name, inputs)
    _validate_class(model, name)
    batch = sample(examples)
    with user_errors(name, "cannot be called with a batch", everything=True):
        prediction = model(batch.x, training=False)
    _validate_predictions(prediction, name, batch, inputs, model)
    if not model.trainable_variables:
        raise UsageError(
            f"model {name!r} has no trainable weights, so there is nothing to learn: "
            f"{'all are frozen (trainable=False)' if model.variables else 'it has no weights at all'}"
        )
    return model


def sample(examples: BatchSource, rows: int = _ROWS) -> Batch:
    """Return a batch of the first examples of a split; examples repeat where there are fewer than `rows`."""
    indices = np.arange(rows) % len(examples)
    feed = BatchFeed(examples, None)
    return feed.gather(tf.nest.map_structure(lambda part: tf.convert_to_tensor(part[0]), feed.batch(indices[None])))


def overridden(model: keras.Model, name: str) -> str | None:
    """Return the name of the class that overrides a method of `keras.Model`; None where the method is Keras's own."""
    if name in vars(model):
        return type(model).__name__
    for owner in type(model).__mro__:
        if name in vars(owner):
            return None if owner.__module__.partition(".")[0] == "keras" else owner.__name__
    return None


def _validate_inputs(model: keras.Model, name: str, inputs: InputSpec) -> None:
    tensors = getattr(model, "inputs", None) or []
    if len(inputs.inputs) > 1:
        _validate_names(tensors, name, inputs)
    elif len(tensors) > 1:
        raise UsageError(
            f"model {name!r} has {len(tensors)} inputs, and an example of this data has one, of shape {inputs.shape}: "
            f"begin it with keras.Input(inputs.shape) and take it apart in the model"
        )
    for tensor in tensors:
        batch, *shape = tensor.shape
        if getattr(tensor, "ragged", False) or getattr(tensor, "sparse", False):
            raise UsageError(
                f"model {name!r} takes ragged or sparse inputs, and the batches of these data are dense arrays of one "
                f"width, lists filled with 0 at the end: leave ragged and sparse out of keras.Input; padding may be "
                f"masked (Embedding with mask_zero=True, or Masking)"
            )
        spec = inputs.inputs.get(tensor.name) if len(inputs.inputs) > 1 else None
        expected = inputs.shape if spec is None else spec.shape
        if batch is not None:
            raise UsageError(
                f"model {name!r} has a batch size of its own ({batch}), and batches here have several sizes: leave "
                f"batch_size out of keras.Input; models that keep a state from batch to batch are not supported"
            )
        fits = len(shape) == len(expected) and all(
            None in pair or pair[0] == pair[1] for pair in zip(shape, expected, strict=True)
        )
        # Keras adds or drops a last axis of size 1 of an input.
        if not fits and (spec is None or _squeezed(shape) != _squeezed(expected)):
            of_name = "" if spec is None else f" {tensor.name!r}"
            raise UsageError(
                f"model {name!r} takes inputs{of_name} of shape {tuple(shape)}, and an example of this data has shape "
                f"{expected}: begin it with keras.Input({'inputs.shape' if spec is None else expected})"
            )
    stateful = [layer.name for layer in parts(model) if getattr(layer, "stateful", False)]
    if stateful:
        raise UsageError(
            f"model {name!r} keeps a state from batch to batch (stateful=True in {', '.join(stateful)}), which has no "
            f"meaning where examples are drawn at random: leave stateful out"
        )


def _squeezed(shape: Sequence[int | None]) -> tuple[int | None, ...]:
    return tuple(shape[:-1] if shape and shape[-1] == 1 else shape)


def _validate_names(tensors: list[Any], name: str, inputs: InputSpec) -> None:
    """Refuse a functional model whose inputs are not among the named inputs of the data."""
    unknown = [tensor.name for tensor in tensors if tensor.name not in inputs.inputs]
    if unknown:
        raise UsageError(
            f"model {name!r} has an input {unknown[0]!r}, and the inputs of this data are "
            f"{join_names(list(inputs.inputs))}: name them, as in keras.Input(inputs.inputs[NAME].shape, name=NAME)"
        )


def _validate_class(model: keras.Model, name: str) -> None:
    for method in _FIT_METHODS:
        if owner := overridden(model, method):
            two = "; two models with an optimizer each (a GAN) have no such loss, and cannot be trained"
            raise UsageError(
                f"model {name!r}: its class {owner} has a {method} of its own, which raysq's training loop would not "
                f"call: write compute_loss(x, y, y_pred, sample_weight, training) instead, or compile the model with "
                f"a loss and metrics{two if method == 'train_step' else ''}"
            )
    # Metrics given to compile() are handled in `own_compilation`.
    kept = [part.name for part in model.metrics if type(part).__name__ != "CompileMetrics" and part.name != "loss"]
    if kept:
        raise UsageError(
            f"model {name!r} updates metrics itself ({', '.join(kept)}), which raysq would not show: give metrics in "
            f"compile(metrics=[...])"
        )


def _validate_predictions(prediction: Any, name: str, batch: Batch, inputs: InputSpec, model: keras.Model) -> None:
    if isinstance(batch.y, Mapping):
        try:
            outputs = match_outputs(prediction, batch.y, model)
        except UsageError as error:
            raise UsageError(f"model {name!r}: {error}") from None
        for output, values in outputs.items():
            spec = inputs.targets_by_name.get(output)
            shape = None if spec is None else spec.shape if spec.categories is None else (spec.categories,)
            _validate_prediction(values, f"{name!r}, output {output!r},", shape, spec, model.compiled)
        return
    wanted = (_ROWS, *inputs.output_shape)
    if isinstance(prediction, (list, tuple, dict)):
        what = f"{len(prediction)} outputs" if len(prediction) > 1 else f"its output in a {type(prediction).__name__}"
        raise UsageError(
            f"model {name!r} gives {what}, and here it must give one tensor, of shape {wanted} for {_ROWS} examples"
        )
    target = next(iter(inputs.targets_by_name.values()), None)
    _validate_prediction(prediction, repr(name), inputs.output_shape, target, model.compiled)


def _validate_prediction(
    prediction: Any, model: str, wanted: tuple[int, ...] | None, target: ArraySpec | None, compiled: bool
) -> None:
    """Refuse predictions of a wrong shape.

    Args:
        prediction: predictions for `_ROWS` examples.
        model: the model, and its output where there are several, for messages.
        wanted: shape of one prediction; None where the loss alone decides on it.
        target: what is predicted, or None where the problem does not describe it. A model that is compiled may tell
            two classes apart by one output, the probability of the second.
        compiled: whether the model brings its own loss.
    """
    shape = tuple(prediction.shape)
    single = target is not None and target.categories == 2 and shape == (_ROWS, 1)
    if not (single and compiled) and (shape[:1] != (_ROWS,) if wanted is None else shape != (_ROWS, *wanted)):
        remedy = (
            '; for one output, the probability of the second class, compile the model with loss="binary_crossentropy"'
            if single
            else ""
        )
        raise UsageError(
            f"model {model} has outputs of the wrong shape: for {_ROWS} examples it gives {shape}, "
            f"and what is predicted has shape {f'({_ROWS}, ...)' if wanted is None else (_ROWS, *wanted)}{remedy}"
        )
    if not prediction.dtype.is_floating:
        raise UsageError(f"model {model} predicts {prediction.dtype.name}, and losses need floating-point numbers")
