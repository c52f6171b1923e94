"""The best weights of a run, and its model with them: all that uses a trained run takes them from here."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.training import checkpoint
from raysq.training.run import Run
from raysq.training.saved import build_as_trained, load_saved


def best_weights(run: Run, on_fallback: Callable[[str], None] = checkpoint.say) -> Mapping[str, np.ndarray]:
    """The values of the best epoch's variables, by name as in a checkpoint: `model/0` and so on.

    Args:
        run: it has finished an epoch.
        on_fallback: called with what is damaged and what stands in for it; standard error if left out.

    Raises:
        DataError: no epoch has finished.
        DamagedError: the checkpoints are damaged.
    """
    saved = checkpoint.load_best(run, on_fallback)
    if saved is None:
        raise DataError(f"run {run.name} has no finished epoch yet: train it first")
    return saved[0]


def best_model(run: Run, dataset: Dataset | None = None) -> Any:
    """The run's Keras model with the weights of its best epoch.

    Args:
        run: a run.
        dataset: what it was trained on. The model is then built by its builder and takes the weights of the checkpoint,
            which a run has after its first epoch. Without it, the model is the one saved at the end of training, which
            needs nothing but the run's folder.

    Raises:
        DataError: the run has not come so far, or its file cannot be read.
        DamagedError: the checkpoints are damaged.
    """
    if dataset is None:
        return load_saved(run)
    model = build_as_trained(run, dataset)
    assign(model, best_weights(run))
    return model


def assign(model: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Give a model the weights of a checkpoint of the same model.

    Args:
        model: built.
        weights: as `best_weights` returns them.
    """
    for number, variable in enumerate(model.variables):
        variable.assign(weights[f"model/{number}"])
