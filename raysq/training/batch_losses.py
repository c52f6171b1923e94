"""Losses that are one number for a batch (`compute_loss`, `add_loss`), and where they are exact on several workers."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from raysq.errors import UsageError
from raysq.problems.specs import BatchSource
from raysq.training.batch_feed import Batch
from raysq.training.masks import mask_of
from raysq.training.own_losses import close
from raysq.training.replica_sums import undivided_losses
from raysq.training.settings import TrainSettings
from raysq.training.user_code import user_errors
from raysq.training.validation import sample


def current_values(model: keras.Model) -> list[tuple[Any, Any]]:
    """Return the variables of a model with their values, as tensors of the graph that is being traced."""
    return [(variable, keras.ops.convert_to_tensor(variable.value)) for variable in model.variables]


def call_with_penalties(model: keras.Model, x: Any) -> tuple[Any, list[Any]]:
    """Return the predictions for a batch without dropout, and the penalties of this call; no variable changes."""
    with keras.StatelessScope(state_mapping=current_values(model), collect_losses=True):
        return model(x, training=False), list(model.losses)


def batch_loss(model: keras.Model, batch: Batch, prediction: Any, *, training: bool) -> Any:
    """Return the loss of a batch from the model's own `compute_loss`, called as Keras calls it in one process.

    `prediction` is the result of calling the model.
    """
    parameters = inspect.signature(model.compute_loss).parameters
    named = "training" in parameters or any(part.kind is part.VAR_KEYWORD for part in parameters.values())
    weights = (batch.sample_weight or {}).get("")
    with undivided_losses():
        return model.compute_loss(batch.x, batch.y, prediction, weights, **({"training": training} if named else {}))


def validate_batch_loss(
    model: keras.Model,
    name: str,
    batch: Batch,
    prediction: Any,
    settings: TrainSettings,
    splits: Mapping[str, BatchSource],
    replicas: int,
) -> None:
    """Try the model's own `compute_loss` on a batch.

    Args:
        model, name, settings, splits, replicas: see `raysq.training.own_compilation.compilation_of`.
        batch: some training examples.
        prediction: result of calling the model.

    Raises:
        UsageError: it fails, returns no number, or is not the mean of its values for the parts of a batch.
    """

    def value(rows: slice, training: bool) -> Any:
        part, raw = batch, prediction
        if rows != slice(None):
            part, raw = keras.tree.map_structure(lambda a: None if a is None else a[rows], (batch, prediction))
        with user_errors(name, "fails in compute_loss", everything=True):
            return batch_loss(model, part, raw, training=training)

    whole = value(slice(None), training=False)
    if whole is None or tuple(getattr(whole, "shape", ())) != ():
        what = "None" if whole is None else f"values of shape {tuple(whole.shape)}"
        raise UsageError(f"model {name!r}: its compute_loss must return one number, it returns {what}")
    if replicas == 1:
        return
    what = f"model {name!r}: the compute_loss of its class gives one number for all that it sees, which is exact only"
    _validate_sizes(what, settings, splits, replicas)
    size = len(keras.tree.flatten(batch.x)[0]) // replicas
    masked = any(mask_of(output) is not None for output in keras.tree.flatten(prediction))
    for training in (False, True):
        parts = [value(slice(size * part, size * (part + 1)), training) for part in range(replicas)]
        if masked or not close(value(slice(None), training), sum(parts) / replicas):
            of = "examples without masks" if masked else "examples"
            raise UsageError(
                f"{what} for {replicas} workers or devices if it is a mean over the {of}: compile the model with a "
                f"loss of each example, or train with one worker"
            )


def validate_penalties(
    model: keras.Model,
    name: str,
    settings: TrainSettings,
    splits: Mapping[str, BatchSource],
    replicas: int,
    *,
    recorded: bool,
) -> None:
    """Refuse penalties on activations that are not exact on parts of a batch, or on parts with padding rows.

    Args:
        model, name, settings, splits, replicas: see `raysq.training.own_compilation.compilation_of`.
        recorded: whether losses of evaluations include penalties.
    """
    on_weights = sum(getattr(variable, "regularizer", None) is not None for variable in model.trainable_variables)
    x = sample(splits["train"]).x
    with user_errors(name, "cannot be called with a batch", everything=True):
        if len(call_with_penalties(model, x)[1]) <= on_weights:
            return
    what = f"model {name!r} has penalties on activations (add_loss or activity_regularizer), which are exact only"
    _validate_sizes(what, settings, splits if recorded else {}, replicas)
    rows = len(keras.tree.flatten(x)[0])
    first, second = slice(rows // 2), slice(rows // 2, None)
    with user_errors(name, "cannot be called with a batch", everything=True):
        whole, *halves = (_penalty(model, x, part) for part in (slice(None), first, second))
    if not close(whole, sum(halves) / 2):
        raise UsageError(
            f"{what} for {replicas} workers or devices if they are means over the batch: use ops.mean, or one worker"
        )


def _validate_sizes(what: str, settings: TrainSettings, splits: Mapping[str, BatchSource], replicas: int) -> None:
    """Refuse batches of which replicas would have parts of several sizes.

    Args:
        what: the beginning of the message.
        settings: training settings.
        splits: batch sources of evaluations, and others.
        replicas: number of replicas over all workers.
    """
    if settings.batch_size % replicas:
        raise UsageError(
            f"{what} where batch_size divides over the {replicas} workers or devices, received {settings.batch_size}"
        )
    for split in ("val", "test"):
        count = len(splits.get(split, ()))
        size = min(settings.eval_batch_size, count)
        if count and (count % size or size % replicas):
            raise UsageError(
                f"{what} where batches of evaluations divide over the {replicas} workers or devices, and the {split} "
                f"split has {count:,} examples with eval_batch_size={settings.eval_batch_size}: train with one worker"
            )


def _penalty(model: keras.Model, x: Any, rows: slice) -> Any:
    """Return the sum of the penalties for some rows of a batch."""
    _, penalties = call_with_penalties(model, keras.tree.map_structure(lambda part: part[rows], x))
    return sum(keras.ops.sum(keras.ops.cast(penalty, "float32")) for penalty in penalties)
