"""Figures of a split beyond the metrics: a classification report, or the errors of an autoencoder."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from raysq.problems import classification_report
from raysq.problems.charts import Table, Text
from raysq.problems.images.settings import ImageSettings

_QUANTILES = (0.1, 0.5, 0.9, 0.99)


def details(facts: Mapping[str, Any], settings: ImageSettings, y: np.ndarray, prediction: np.ndarray) -> dict[str, Any]:
    """Return figures of a split beyond the metrics.

    Args:
        facts: metadata of the run.
        settings: image settings of the run.
        y: class index of each example, shape `(n, 1)`, or the images, shape `(n, height, width, channels)`.
        prediction: output of the model, shape `(n, classes)` or that of the images.

    Returns:
        For labels, the result of `raysq.problems.classification_report.classification_report`. For images, `examples`,
        the mean squared error (`mse`) and mean absolute error (`mae`) of all pixels, and `quantiles` of the mean
        squared errors of the images.
    """
    if settings.target == "label":
        return classification_report.classification_report(y, prediction, facts["classes"], facts["priors"])
    errors = np.empty(len(y))
    absolute = 0.0
    for begin in range(0, len(y), 4096):
        part = slice(begin, begin + 4096)
        off = (y[part].astype(np.float64) - prediction[part]).reshape(len(y[part]), -1)
        errors[part] = (off * off).mean(1)
        absolute += float(np.abs(off).mean(1).sum())
    return {
        "examples": len(y),
        "mse": float(errors.mean()),
        "mae": absolute / len(y),
        "quantiles": {str(share): float(np.quantile(errors, share)) for share in _QUANTILES},
    }


def show(details: Mapping[str, Any], split: str) -> list[Table | Text]:
    """Return the figures of a split as tables and text.

    Args:
        details: result of `details`.
        split: name of the split, for the titles.
    """
    if "confusion" in details:
        return classification_report.report_tables(details, split)
    heads = [
        "images",
        "mean squared error",
        "mean absolute error",
        *(f"{share} quantile" for share in details["quantiles"]),
    ]
    row = [details["examples"], details["mse"], details["mae"], *details["quantiles"].values()]
    return [Table(heads, [row], f"{split}: errors of the images given again")]
