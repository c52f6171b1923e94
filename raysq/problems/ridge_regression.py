"""Ridge regression in closed form, from sums over rows."""

import numpy as np


def solve_ridge(gram: np.ndarray, cross: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights, of shape (columns, outputs), and the bias, of shape (outputs,), of a ridge regression.

    Args:
        gram: products of the columns of the design with each other, the last of which is 1 in each row.
        cross: products of these columns with the targets.
        alpha: penalty of the squared weights; the bias has none.
    """
    total = max(gram[-1, -1], 1e-12)
    means, of_targets = gram[-1, :-1] / total, cross[-1] / total
    centered = gram[:-1, :-1] - total * np.outer(means, means)
    weights = np.linalg.solve(
        centered + alpha * np.eye(len(centered)), cross[:-1] - total * np.outer(means, of_targets)
    )
    return weights, of_targets - means @ weights
