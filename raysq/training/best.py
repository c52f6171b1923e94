"""Best weights of a run, and its model with these weights."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from raysq import backend
from raysq.data.dataset import Dataset
from raysq.display.terminal import print_message
from raysq.errors import DataError
from raysq.training import checkpoint
from raysq.training.run import Run
from raysq.training.saved import build_as_trained, load_saved

# Variables keyed as in a checkpoint: `model/0` and so on.
Weights = Mapping[str, np.ndarray]


def best_checkpoint(run: Run, on_fallback: Callable[[str], None] = print_message) -> checkpoint.Checkpoint:
    """Return the checkpoint of the best epoch.

    Args:
        run: a run with at least one finished epoch.
        on_fallback: called with a message where a damaged checkpoint is replaced by another one. Defaults to printing
            on standard error.

    Raises:
        DataError: no epoch has finished.
        DamagedError: the checkpoints are damaged.
    """
    best = checkpoint.load_best(run, on_fallback)
    if best is None:
        raise DataError(f"run {run.name} has no finished epoch yet: train it first")
    return best


def best_weights(run: Run, on_fallback: Callable[[str], None] = print_message) -> Weights:
    """Return the variables of the best epoch, or of the kept epoch that `run.epoch` names; see `best_checkpoint`."""
    return best_checkpoint(run, on_fallback).variables if run.epoch is None else _kept_weights(run, run.epoch)


def best_model(run: Run, dataset: Dataset | None = None) -> Any:
    """Return the run's Keras model with the weights of its best epoch, or of the kept epoch that `run.epoch` names.

    Args:
        run: the run.
        dataset: data set the run was trained on. With it, the model is built by its builder and takes the weights of
            the checkpoint, which exists after the first epoch. Without it, the model saved at the end of training is
            loaded from the run's directory alone.

    Raises:
        DataError: the run has no checkpoint or model file yet, or the file cannot be read.
        DamagedError: the checkpoints are damaged.
    """
    if run.epoch is not None:
        return _kept_model(run, run.epoch)
    if dataset is None:
        return load_saved(run)
    model = build_as_trained(run, dataset)
    assign(model, best_weights(run))
    return model


def _kept_model(run: Run, epoch: int) -> Any:
    """Return the run's Keras model with the weights of a kept epoch.

    Raises:
        DataError: the run's data set, from which the model is built, has changed or is missing.
        DamagedError: the weights are damaged.
    """
    weights = _kept_weights(run, epoch)
    dataset = run.open_dataset()
    backend.load()
    from raysq import layers  # imports Keras, which `backend.load` does quietly

    model = build_as_trained(run, dataset)
    assign(model, weights)
    return layers.to_keras(model)


def _kept_weights(run: Run, epoch: int) -> Weights:
    """Return the variables of a kept epoch."""
    kept = checkpoint.load(run.kept(epoch))
    if kept is None:
        raise DataError(f"run {run.name} does not keep the weights of epoch {epoch} any more")
    return kept.variables


def assign(model: Any, weights: Weights) -> None:
    """Assign the weights of a checkpoint to the same Keras model."""
    for number, variable in enumerate(model.variables):
        variable.assign(weights[f"model/{number}"])
