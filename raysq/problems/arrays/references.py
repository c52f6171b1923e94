"""Reference models that are solved and not trained: ridge regression of numbers, logistic regression of classes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from raysq.problems.ridge_regression import solve_ridge

MOST_COLUMNS = 2048  # of the design matrix for ridge regression
MOST_WEIGHTS = 1500  # of a logistic regression
MOST_ROWS = {"ridge": 200_000, "logistic": 20_000}  # evenly spaced rows that a model is solved on
_STEPS = 50
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class LinearSolution:
    """Weights of a linear model.

    Attributes:
        weights: shape (columns, outputs).
        bias: shape (outputs,).
    """

    weights: np.ndarray
    bias: np.ndarray


def ridge(blocks: Iterator[tuple[np.ndarray, np.ndarray]], alpha: float) -> LinearSolution:
    """Solve a ridge regression in closed form, from sums over all rows.

    Args:
        blocks: design matrices of blocks of rows, and their targets of shape (rows, 1).
        alpha: penalty of the squared weights; the bias has none.
    """
    moments: np.ndarray | None = None
    for x, y in blocks:
        rows = np.concatenate([x, y, np.ones((len(x), 1))], 1)
        moments = rows.T @ rows if moments is None else moments + rows.T @ rows
    assert moments is not None
    design = np.delete(moments, -2, 0)  # without the products of y
    return LinearSolution(*solve_ridge(np.delete(design, -2, 1), design[:, -2:-1], alpha))


def logistic(x: np.ndarray, y: np.ndarray, classes: int, alpha: float) -> LinearSolution:
    """Solve a logistic regression by Newton's method: the cross-entropy's sum and the halved squared weights.

    Args:
        x: design matrix.
        y: class of each row.
        classes: number of classes. Two have one column of weights, as one class is what the other is not.
        alpha: penalty of the squared weights; the bias has none.

    Returns:
        A solution with a column of outputs for each class, to be passed to a softmax.
    """
    free = 1 if classes == 2 else classes
    rows = np.concatenate([x, np.ones((len(x), 1))], 1)
    columns = rows.shape[1]
    penalty = np.append(np.full(columns - 1, alpha), 1e-9)  # the biases of many classes are known up to a constant
    truth = np.zeros((len(x), classes))
    truth[np.arange(len(x)), y] = 1.0
    weights = np.zeros((columns, free))
    loss, shares = _loss(rows, truth, weights, penalty)
    for _ in range(_STEPS):
        own = shares[:, -free:]
        gradient = rows.T @ (own - truth[:, -free:]) + penalty[:, None] * weights
        hessian = np.empty((free, columns, free, columns))
        for i in range(free):
            for j in range(i, free):
                curve = own[:, i] * ((i == j) - own[:, j])
                hessian[i, :, j] = rows.T @ (curve[:, None] * rows)
                hessian[j, :, i] = hessian[i, :, j].T
        flat = hessian.reshape(free * columns, -1) + np.diag(np.tile(penalty, free))
        step = np.linalg.solve(flat, gradient.T.reshape(-1)).reshape(free, columns).T
        scale, before = 1.0, loss
        while scale > 1e-6:
            loss, shares = _loss(rows, truth, weights - scale * step, penalty)
            if loss <= before:
                break
            scale /= 2
        else:
            loss, shares = before, _loss(rows, truth, weights, penalty)[1]
            break
        weights = weights - scale * step
        if before - loss <= _TOLERANCE * max(before, 1.0):
            break
    if classes == 2:
        weights = np.concatenate([np.zeros_like(weights), weights], 1)
    return LinearSolution(weights[:-1], weights[-1])


def _loss(rows: np.ndarray, truth: np.ndarray, weights: np.ndarray, penalty: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the penalized loss and the probability of each class."""
    scores = rows @ weights
    if weights.shape[1] < truth.shape[1]:
        scores = np.concatenate([np.zeros_like(scores), scores], 1)
    scores -= scores.max(1, keepdims=True)
    total = np.log(np.exp(scores).sum(1))
    value = float((total - (scores * truth).sum(1)).sum() + 0.5 * (penalty[:, None] * weights**2).sum())
    return value, np.exp(scores - total[:, None])
