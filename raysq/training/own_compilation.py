"""Loss, optimizer and metrics of a user's model, from `compile(...)` and `compute_loss`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras

from raysq.errors import UsageError
from raysq.problems.model_outputs import match_outputs
from raysq.problems.specs import BatchSource, Objective
from raysq.training.batch_losses import validate_batch_loss, validate_penalties
from raysq.training.compilation import Compilation, OutputLoss, compile_objective, make_optimizer
from raysq.training.masks import masks_of
from raysq.training.outputs import CompileArguments, pick
from raysq.training.own_losses import own_loss
from raysq.training.own_metrics import own_metrics, validate_masks, validate_metrics
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
    own_total = overridden(model, "compute_loss")
    if replicas > 1 and is_own(name) and own_total is None:
        validate_penalties(model, name, settings, splits, replicas, recorded=compiled)
    # Why loss and metrics see weighted parts of a batch, for messages; empty where they see whole batches.
    parts = f"{replicas} workers or devices" if replicas > 1 else ""
    if any(getattr(examples, "shares", None) is not None for examples in splits.values()):
        parts = "data with targets that were not observed"
    weighted = any(getattr(examples, "weights", None) is not None for examples in splits.values())
    if not compiled and own_total is None:
        compilation = compile_objective(objective, settings, total_steps)
        return (
            _with_masks(compilation, model, name, objective, splits, parts, weighted) if is_own(name) else compilation
        )
    # Of a loss of a whole batch more than some examples tell whether it is a mean.
    batch = sample(splits["train"], *([] if own_total is None or replicas == 1 else [settings.batch_size]))
    given = _arguments(model, name) if compiled else {}
    with user_errors(name, "cannot be called with a batch", everything=True):
        raw = model(batch.x, training=False)
    prediction = match_outputs(raw, batch.y, model)
    arguments = CompileArguments.of(raw, batch.y, model)
    optimizer = model.optimizer if compiled else make_optimizer(settings, total_steps)
    if compiled:
        _validate_optimizer(optimizer, name, replicas)
    losses: dict[str, OutputLoss] | None = None
    if own_total is not None:
        if parts.startswith("data"):
            raise UsageError(
                f"model {name!r}: the compute_loss of its class {own_total} gives one number for all that it sees, "
                f"which is not exact for {parts}: compile the model with a loss of each example instead"
            )
        if not compiled:  # for `super().compute_loss`
            model.compile(optimizer=optimizer, loss=objective.loss, loss_weights=objective.loss_weights)
        validate_batch_loss(model, name, batch, raw, settings, splits, replicas)
        if replicas > 1:
            validate_penalties(model, name, settings, splits, replicas, recorded=True)
    elif given.get("loss") is None and not model.losses:
        raise UsageError(f"model {name!r} is compiled without a loss: compile it with one, or not at all")
    else:
        of_outputs = arguments.losses_by_output(given.get("loss"), name)
        factors = arguments.weights_by_output(given.get("loss_weights"), name)
        losses = {}
        for output, loss in of_outputs.items():
            of_output, predicted = batch.output(output), pick(prediction, output)
            unobserved = parts.startswith("data") and (not output or of_output.observed is not None)
            flags = {"unobserved": unobserved, "weighted": weighted, "divided": replicas > 1}
            losses[output] = replace(own_loss(loss, name, of_output.y, predicted, **flags), weight=factors.get(output))
    metrics, names = dict(objective.metrics), objective.weighted_metrics
    if compiled:
        taken = () if losses is None else tuple(f"{output}_loss" for output in losses)
        metrics, names = own_metrics(dict(given), arguments, name, batch.y, prediction, taken)
    compilation = Compilation(
        optimizer,
        losses,
        metrics,
        names,
        own_optimizer=compiled,
        penalized=compiled and losses is not None and bool(model.losses),
        whole_batches=not parts,
        masked=bool(masks_of(prediction)),
    )
    if compiled:
        validate_metrics(compilation, name, batch.y, prediction, parts, weighted=weighted)
    validate_masks(compilation, name, batch, prediction, parts, weighted=weighted)
    return compilation


def _with_masks(
    compilation: Compilation,
    model: keras.Model,
    name: str,
    objective: Objective,
    splits: Mapping[str, BatchSource],
    parts: str,
    weighted: bool,
) -> Compilation:
    """Return the compilation of the objective with the masks of the predictions.

    They apply to losses that the objective names as Keras does. A loss function of a problem leaves out what it does
    not count itself.
    """
    batch = sample(splits["train"])
    with user_errors(name, "cannot be called with a batch", everything=True):
        prediction = match_outputs(model(batch.x, training=False), batch.y, model)
    masks = masks_of(prediction)
    if not masks:
        return compilation
    by_output = objective.loss if isinstance(objective.loss, Mapping) else {"": objective.loss}
    losses = dict(compilation.losses or {})
    for output in masks:
        if isinstance(by_output.get(output), str):
            of_output = batch.output(output)
            predicted = pick(prediction, output)
            loss = own_loss(by_output[output], name, of_output.y, predicted, unobserved=False, weighted=weighted)
            losses[output] = replace(loss, weight=losses[output].weight)
    compilation = replace(compilation, losses=losses, masked=True)
    validate_masks(compilation, name, batch, prediction, parts, weighted=weighted)
    return compilation


def _arguments(model: keras.Model, name: str) -> Mapping[str, Any]:
    """Return the arguments that `compile` was called with; `get_compile_config` returns them serialized only."""
    config = getattr(model, "_compile_config", None)
    if config is None:
        raise UsageError(f"model {name!r} says that it is compiled and was never: call compile(), or leave it out")
    given: Mapping[str, Any] = config.config
    return given


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
