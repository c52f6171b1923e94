"""Errors of an autoencoder's reconstructions."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from raysq.problems.charts import Table

_QUANTILES = (0.1, 0.5, 0.9, 0.99)
_BATCH = 4096  # images compared at a time


def reconstruction_errors(images: np.ndarray, reconstructions: np.ndarray) -> dict[str, Any]:
    """Return the errors of reconstructed images.

    Args:
        images: the images, shape `(n, height, width, channels)`.
        reconstructions: output of the model, of the same shape.

    Returns:
        `examples`, the mean squared error (`mse`) and mean absolute error (`mae`) of all pixels, and `quantiles` of the
        mean squared errors of the images.
    """
    errors = np.empty(len(images))
    absolute = 0.0
    for begin in range(0, len(images), _BATCH):
        part = slice(begin, begin + _BATCH)
        difference = (images[part].astype(np.float64) - reconstructions[part]).reshape(len(images[part]), -1)
        errors[part] = (difference * difference).mean(1)
        absolute += float(np.abs(difference).mean(1).sum())
    return {
        "examples": len(images),
        "mse": float(errors.mean()),
        "mae": absolute / len(images),
        "quantiles": {str(share): float(np.quantile(errors, share)) for share in _QUANTILES},
    }


def error_table(details: Mapping[str, Any], split: str) -> Table:
    """Return the result of `reconstruction_errors` for a split as a table."""
    columns = [
        "images",
        "mean squared error",
        "mean absolute error",
        *(f"{share} quantile" for share in details["quantiles"]),
    ]
    row = [details["examples"], details["mse"], details["mae"], *details["quantiles"].values()]
    return Table(columns, [row], f"{split}: errors of the images given again")
