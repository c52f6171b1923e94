"""Solved reference models: they are where the gradient of their penalized loss is zero."""

import numpy as np
import pytest

from raysq.problems.arrays.references import logistic, ridge


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_ridge_regression_is_solved_from_blocks(random):
    x = random.normal(3, 2, (90, 4))
    y = x @ [[1.0], [-2.0], [0.0], [0.5]] + 7 + random.normal(size=(90, 1))
    solution = ridge(iter([(x[:40], y[:40]), (x[40:], y[40:])]), 2.0)
    error = x @ solution.weights + solution.bias - y
    np.testing.assert_allclose(x.T @ error + 2.0 * solution.weights, 0, atol=1e-8)
    assert abs(error.sum()) < 1e-9


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_regression_is_at_the_minimum(random, classes):
    x = random.normal(size=(120, 3))
    y = np.argmax(x @ random.normal(size=(3, classes)) + random.gumbel(size=(120, classes)), 1)
    solution = logistic(x, y, classes, 0.5)
    scores = x @ solution.weights + solution.bias
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    error = shares - np.eye(classes)[y]
    free = slice(1, None) if classes == 2 else slice(None)
    np.testing.assert_allclose((x.T @ error + 0.5 * solution.weights)[:, free], 0, atol=1e-4)
    assert np.abs(error.sum(0)).max() < 1e-4


def test_separable_classes_have_finite_weights(random):
    x = np.concatenate([random.normal(-5, 0.1, (20, 1)), random.normal(5, 0.1, (20, 1))])
    solution = logistic(x, np.repeat([0, 1], 20), 2, 1.0)
    assert np.isfinite(solution.weights).all() and solution.weights[0, 1] > 0
