"""Design matrix of a linear model: numbers, tensors in a row, and a column of 0 and 1 for each id of a category."""

from collections.abc import Mapping

import numpy as np

from raysq.problems.specs import ArraySpec


def is_ids(spec: ArraySpec) -> bool:
    """Whether an input is one id of a category."""
    return spec.categories is not None and tuple(spec.shape) == (1,)


def width_of(spec: ArraySpec) -> int:
    """Return the number of columns of an input in a design matrix."""
    return spec.categories or 0 if spec.categories is not None else int(np.prod(spec.shape))


def design(inputs: Mapping[str, ArraySpec], x: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the design matrix of a batch, float64 of shape (rows, columns).

    Args:
        inputs: inputs by name, without lists of ids.
        x: batch by name.
    """
    parts: list[np.ndarray] = []
    for name, spec in inputs.items():
        values = x[name]
        if is_ids(spec):
            one_hot = np.zeros((len(values), width_of(spec)))
            one_hot[np.arange(len(values)), values[:, 0]] = 1.0
            parts.append(one_hot)
        else:
            mean, deviation = spec.extra.get("mean", 0.0), spec.extra.get("deviation", 1.0)
            parts.append((values.reshape(len(values), -1).astype(np.float64) - mean) / deviation)
    return np.concatenate(parts, 1)


def divided(inputs: Mapping[str, ArraySpec], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the rows of a weight matrix by input."""
    ends = np.cumsum([width_of(spec) for spec in inputs.values()])[:-1]
    return dict(zip(inputs, np.split(weights, ends), strict=True))
