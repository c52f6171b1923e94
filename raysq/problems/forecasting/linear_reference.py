"""Ridge regression of forecasts, solved in closed form: a reference beside trained models."""

from dataclasses import dataclass

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.even_rows import evenly
from raysq.problems.forecasting.batches import open_splits
from raysq.problems.forecasting.settings import ForecastingSettings
from raysq.problems.ridge_regression import solve_ridge

MOST_ROWS = 100_000  # evenly spaced pasts of targets that it is solved on
MOST_STEPS = 1024  # latest steps of a window that it sees
_BLOCK = 20_000  # most pasts at a time
_CELLS = 1 << 24  # most values of windows at a time


@dataclass(frozen=True)
class LinearReference:
    """Weights of the differences of a target's future from its latest value, the same for all targets.

    Attributes:
        past: weight of the difference of each step from the latest, shape `(steps, rows ahead)`.
        others: weight of the latest value of each input that is no target, shape `(inputs, rows ahead)`.
        bias: shape `(rows ahead,)`.
    """

    past: np.ndarray
    others: np.ndarray
    bias: np.ndarray


def solve(
    dataset: Dataset, settings: ForecastingSettings, targets: tuple[int, ...], others: tuple[int, ...], alpha: float
) -> LinearReference:
    """Solve the regression on the training windows, evenly spaced where there are many.

    Windows count as they weigh in the loss. Targets that are not observed count with the values that the repair of the
    data filled in, and windows without any observed target do not count.

    Args:
        dataset: a prepared series.
        settings: resolved settings.
        targets: indices of the targets among the inputs.
        others: indices of the other inputs.
        alpha: penalty of the squared weights; the bias has none.
    """
    windows = open_splits(dataset, settings)["train"]
    most = max(1, MOST_ROWS // len(targets))
    chosen = evenly(len(windows), most)
    weights = np.ones(len(chosen)) if windows.weights is None else windows.weights[chosen].astype(np.float64)
    gram: np.ndarray | float = 0.0
    cross: np.ndarray | float = 0.0
    features = len(targets) + len(others)
    count = max(1, min(_BLOCK // len(targets), _CELLS // (settings.steps * features)))
    for begin in range(0, len(chosen), count):
        block = slice(begin, begin + count)
        x, y = windows.gather(chosen[block], windows.mapped(), lambda array, rows: array.take(rows))[:2]
        x = x[:, ::-1] if settings.reversed else x
        past = x[:, -MOST_STEPS:, list(targets)].transpose(0, 2, 1).astype(np.float64)
        latest = past[:, :, -1:]
        ahead = y.reshape(len(x), -1, len(targets)).transpose(0, 2, 1) - latest
        shape = (len(x), len(targets))
        beside = np.broadcast_to(x[:, None, -1, list(others)], (*shape, len(others)))
        design = np.concatenate([past - latest, beside, np.ones((*shape, 1))], 2).reshape(shape[0] * shape[1], -1)
        weighted = design * np.repeat(weights[block], len(targets))[:, None]
        gram = gram + weighted.T @ design
        cross = cross + weighted.T @ ahead.reshape(len(design), -1)
    solved, bias = solve_ridge(np.asarray(gram), np.asarray(cross), alpha)
    steps = len(solved) - len(others)
    return LinearReference(solved[:steps], solved[steps:], bias)
