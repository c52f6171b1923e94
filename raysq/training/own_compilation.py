"""Loss, optimizer and metrics of a user's model, from `compile(...)` and `compute_loss`."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from raysq.errors import UsageError
from raysq.problems.model_outputs import match_outputs
from raysq.problems.specs import BatchSource, Objective
from raysq.training.batch_feed import Batch
from raysq.training.compilation import Compilation, OutputLoss, compile_objective, make_optimizer
from raysq.training.outputs import CompileArguments, pick
from raysq.training.own_losses import close, own_loss
from raysq.training.own_metrics import own_metrics, validate_metrics
from raysq.training.settings import TrainSettings
from raysq.training.user_code import is_own, user_errors
from raysq.training.validation import overridden, sample


def compilation_of(
    model: keras.Model,
    name: str,
    objective: Objective,
    settings: TrainSettings,
    total_steps: int,
    splits: Mapping[str, BatchSource],
    replicas: int,
) -> Compilation:
    """Return the compilation of a model; the objective and the settings complete what the model does not define.

    Args:
        model: a Keras model.
        name: name of the model, for messages.
        objective: loss and metrics of a model that defines none.
        settings: training settings.
        total_steps: number of steps of all epochs.
        splits: batch sources by split. The loss and metrics of a user's model are tried on some of their examples.
        replicas: number of replicas over all workers.

    Raises:
        UsageError: raysq cannot train with the user's loss, optimizer or metrics, or not with several replicas, or
            not where targets are unobserved.
    """
    compiled = bool(getattr(model, "compiled", False))
    if replicas > 1 and is_own(name) and overridden(model, "compute_loss") is None:
        _validate_penalties(model, name, settings, splits, replicas, recorded=compiled)
    if not compiled and overridden(model, "compute_loss") is None:
        return compile_objective(objective, settings, total_steps)
    batch = sample(splits["train"])
    # Why loss and metrics see weighted parts of a batch, for messages; empty where they see whole batches.
    parts = f"{replicas} workers or devices" if replicas > 1 else ""
    if any(getattr(examples, "shares", None) is not None for examples in splits.values()):
        parts = "data with targets that were not observed"
    weighted = any(getattr(examples, "weights", None) is not None for examples in splits.values())
    given = _arguments(model, name) if compiled else {}
    with user_errors(name, "cannot be called with a batch", everything=True):
        raw = model(batch.x, training=False)
    prediction = match_outputs(raw, batch.y, model)
    arguments = CompileArguments.of(raw, batch.y, model)
    optimizer = model.optimizer if compiled else make_optimizer(settings, total_steps)
    if compiled:
        _validate_optimizer(optimizer, name, replicas)
    losses: dict[str, OutputLoss] | None = None
    if owner := overridden(model, "compute_loss"):
        if parts:
            raise UsageError(
                f"model {name!r}: the compute_loss of its class {owner} gives one number for all that it sees, which "
                f"is not exact for {parts}: compile the model with a loss of each example instead"
            )
        if not compiled:  # for `super().compute_loss`
            model.compile(optimizer=optimizer, loss=objective.loss, loss_weights=objective.loss_weights)
        with user_errors(name, "fails in compute_loss", everything=True):
            value = batch_loss(model, batch, raw, training=False)
            _validate_batch_loss(value, name)
    elif given.get("loss") is None and not model.losses:
        raise UsageError(f"model {name!r} is compiled without a loss: compile it with one, or not at all")
    else:
        of_outputs = arguments.losses_by_output(given.get("loss"), name)
        factors = arguments.weights_by_output(given.get("loss_weights"), name)
        losses = {}
        for output, loss in of_outputs.items():
            of_output, predicted = batch.output(output), pick(prediction, output)
            mask = parts.startswith("data") and (not output or of_output.observed is not None)
            function = own_loss(loss, name, of_output.y, predicted, mask=mask, weighted=weighted)
            losses[output] = OutputLoss(function, factors.get(output))
    if not compiled:
        return Compilation(
            optimizer, losses, dict(objective.metrics), objective.weighted_metrics, whole_batches=not parts
        )
    taken = () if losses is None else tuple(f"{output}_loss" for output in losses)
    metrics, names = own_metrics(dict(given), arguments, name, batch.y, prediction, taken)
    compilation = Compilation(
        optimizer,
        losses,
        metrics,
        names,
        own_optimizer=True,
        penalized=losses is not None and bool(model.losses),
        whole_batches=not parts,
    )
    validate_metrics(compilation, name, batch.y, prediction, parts, weighted=weighted)
    return compilation


def call_with_penalties(model: keras.Model, x: Any) -> tuple[Any, list[Any]]:
    """Return the predictions for a batch without dropout, and the penalties of this call; no variable changes."""
    mapping = [(variable, keras.ops.convert_to_tensor(variable.value)) for variable in model.variables]
    with keras.StatelessScope(state_mapping=mapping, collect_losses=True):
        return model(x, training=False), list(model.losses)


def batch_loss(model: keras.Model, batch: Batch, prediction: Any, *, training: bool) -> Any:
    """Return the loss of a batch from the model's own `compute_loss`, called as Keras calls it.

    `prediction` is the result of calling the model.
    """
    parameters = inspect.signature(model.compute_loss).parameters
    named = "training" in parameters or any(part.kind is part.VAR_KEYWORD for part in parameters.values())
    weights = (batch.sample_weight or {}).get("")
    return model.compute_loss(batch.x, batch.y, prediction, weights, **({"training": training} if named else {}))


def _arguments(model: keras.Model, name: str) -> Mapping[str, Any]:
    """Return the arguments that `compile` was called with; `get_compile_config` returns them serialized only."""
    config = getattr(model, "_compile_config", None)
    if config is None:
        raise UsageError(f"model {name!r} says that it is compiled and was never: call compile(), or leave it out")
    given: Mapping[str, Any] = config.config
    return given


def _validate_batch_loss(value: Any, name: str) -> None:
    if value is None or tuple(getattr(value, "shape", ())) != ():
        what = "None" if value is None else f"values of shape {tuple(value.shape)}"
        raise UsageError(f"model {name!r}: its compute_loss must return one number, it returns {what}")


def _validate_penalties(
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
        model, name, settings, splits, replicas: see `compilation_of`.
        recorded: whether losses of evaluations include penalties.
    """
    on_weights = sum(getattr(variable, "regularizer", None) is not None for variable in model.trainable_variables)
    x = sample(splits["train"]).x
    with user_errors(name, "cannot be called with a batch", everything=True):
        if len(call_with_penalties(model, x)[1]) <= on_weights:
            return
    what = f"model {name!r} has penalties on activations (add_loss or activity_regularizer), which are exact only"
    if settings.batch_size % replicas:
        raise UsageError(
            f"{what} where batch_size divides over the {replicas} workers or devices, received {settings.batch_size}"
        )
    rows = len(keras.tree.flatten(x)[0])
    first, second = slice(rows // 2), slice(rows // 2, None)
    with user_errors(name, "cannot be called with a batch", everything=True):
        whole, *halves = (_penalty(model, x, part) for part in (slice(None), first, second))
    if not close(whole, sum(halves) / 2):
        raise UsageError(
            f"{what} for {replicas} workers or devices if they are means over the batch: use ops.mean, or one worker"
        )
    for split in ("val", "test") if recorded else ():
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


def _validate_optimizer(optimizer: keras.Optimizer, name: str, replicas: int) -> None:
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if getattr(inner, "use_ema", False) and not inner.ema_overwrite_frequency:
        raise UsageError(
            f"model {name!r}: its optimizer keeps averages of the weights (use_ema) that only Keras's fit puts in "
            f"their place at the end: set ema_overwrite_frequency, or leave use_ema out"
        )
    if replicas > 1 and getattr(inner, "use_ema", False):
        raise UsageError(
            f"model {name!r}: its optimizer keeps averages of the weights (use_ema), which Keras cannot put in their "
            f"place on several workers or devices: leave use_ema out, or train with one"
        )
    if replicas > 1 and getattr(inner, "gradient_accumulation_steps", None):
        raise UsageError(
            f"model {name!r}: its optimizer's gradient_accumulation_steps are for one worker: raise batch_size instead"
        )
