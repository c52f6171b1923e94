"""Errors of predicted numbers: figures of an evaluation, and sections of a report."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from raysq.problems.charts import Figure, Figures, Histogram, Item, Mark, Scatter, Section, Table, digits3
from raysq.problems.even_rows import evenly

_QUANTILES = (0.5, 0.9, 0.99)
_POINTS = 1500  # most points of a chart
_BINS = 40


def value_errors(truth: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Return the errors of predicted numbers, in their own unit.

    Args:
        truth: true numbers, shape (n, ...).
        predicted: predicted numbers of the same shape.

    Returns:
        `examples`, `mae`, `rmse`, `r2` (share of the variance that is explained; None if there is none), `bias` (mean
        of prediction minus truth) and `quantiles` of the absolute errors.
    """
    truth, predicted = np.asarray(truth, np.float64), np.asarray(predicted, np.float64).reshape(truth.shape)
    error = predicted - truth
    mse, variance = float((error**2).mean()), float(truth.var())
    return {
        "examples": len(truth),
        "mae": float(np.abs(error).mean()),
        "rmse": mse**0.5,
        "r2": 1 - mse / variance if variance else None,
        "bias": float(error.mean()),
        "quantiles": {str(share): float(np.quantile(np.abs(error), share)) for share in _QUANTILES},
    }


def error_table(details: Mapping[str, Any], title: str) -> Table:
    """Return the result of `value_errors` as a table. A share stands for the size below which so many errors are."""
    quantiles = [f"{100 * float(share):g} %" for share in details["quantiles"]]
    columns = ["examples", "MAE", "RMSE", "R\u00b2", "bias", *quantiles]
    row = [details[name] for name in ("examples", "mae", "rmse", "r2", "bias")]
    return Table(columns, [[*row, *details["quantiles"].values()]], title)


def value_section(name: str, truth: np.ndarray, predicted: np.ndarray, where: str) -> Section:
    """Return the section on the errors of a predicted number.

    Args:
        name: name of the target.
        truth: true numbers, shape (n,).
        predicted: predicted numbers, shape (n,).
        where: a sentence that describes the examples.
    """
    details = value_errors(truth, predicted)
    error = predicted - truth
    low, high = np.quantile(error, (0.005, 0.995))
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(np.clip(error, low, high), _BINS, (low, high))
    shown = evenly(len(truth), _POINTS)
    explained = "-" if details["r2"] is None else f"{details['r2']:.3f}"
    items: list[Item] = [
        Figures(
            [
                Figure("Mean absolute error", digits3(details["mae"])),
                Figure("Root mean squared error", digits3(details["rmse"])),
                Figure("R\u00b2", explained, "share of the variance that is explained"),
            ]
        ),
        Scatter(
            "True and predicted", truth[shown].tolist(), predicted[shown].tolist(), f"true {name}", f"predicted {name}"
        ),
        Histogram("Errors", edges, counts, "predicted minus true", [Mark(0.0, "none")], "rows"),
    ]
    return Section(f"Errors of {name}", items, where)
