"""Figures of rankings against their definitions, pair by pair and threshold by threshold."""

import numpy as np
import pytest

from raysq.problems.ranking import auc, best_threshold, top_k_accuracy


def random_scores(seed, rows=60):
    random = np.random.RandomState(seed)
    positive = random.rand(rows) < 0.3
    return positive, np.round(np.clip(0.3 * positive + random.rand(rows) * 0.7, 0, 1), 1)  # with ties


@pytest.mark.parametrize("seed", range(3))
def test_auc_is_the_share_of_pairs_in_order(seed):
    positive, scores = random_scores(seed)
    pairs = scores[positive][:, None] - scores[~positive]
    assert auc(positive, scores) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert auc(np.ones(3, bool), np.arange(3)) is None and auc(np.zeros(0, bool), np.zeros(0)) is None


def test_top_k_is_among_the_first_k_and_agrees_with_argmax():
    random = np.random.RandomState(0)
    scores, truth = np.round(random.rand(50, 6), 1), random.randint(0, 6, 50)
    first = np.argsort(-scores, axis=1, kind="stable")
    for k in (1, 3, 6):
        wanted = np.mean([label in row[:k] for label, row in zip(truth, first, strict=True)])
        assert top_k_accuracy(truth, scores, k) == pytest.approx(wanted)
    assert top_k_accuracy(truth, scores, 1) == (scores.argmax(1) == truth).mean()
    assert top_k_accuracy(np.zeros(0, int), np.zeros((0, 6)), 3) is None


def f1(truth, predicted):
    hits = (truth & predicted).sum()
    return 2 * hits / max(truth.sum() + predicted.sum(), 1)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_no_threshold_is_better_than_the_chosen_one(seed, both):
    positive, scores = random_scores(seed)

    def value(threshold):
        predicted = scores > threshold
        return (f1(positive, predicted) + f1(~positive, ~predicted)) / 2 if both else f1(positive, predicted)

    chosen = best_threshold(positive, scores, both=both)
    assert 0 <= chosen < 1 and value(chosen) == pytest.approx(max(value(t) for t in np.linspace(-0.05, 1, 211)))
    assert best_threshold(np.ones(4, bool), scores[:4], both=both) is None


def test_one_half_stays_where_no_threshold_is_better():
    positive, scores = np.array([True, True, False]), np.array([0.9, 0.8, 0.1])
    assert best_threshold(positive, scores, both=True) == best_threshold(positive, scores, both=False) == 0.5
    assert best_threshold(np.array([True, False]), np.array([0.6, 0.6]), both=False) == 0.5


@pytest.mark.parametrize(
    ("positive", "scores", "chosen"),
    [
        ([True, True, False, False], [0.4, 0.0, 0.3, 0.2], 0.35),  # no threshold has the score 0 above it
        ([True, False, False, False], [0.0, 0.6, 0.2, 0.1], 0.8),  # nothing above it is best
        ([True, False, False, False], [0.0, 0.4, 0.2, 0.1], 0.5),
        ([True, False], [0.0, 0.0], 0.5),
        ([True, False], [0.0, 1.0], 1.0),
    ],
)
def test_a_threshold_gives_the_figures_it_is_chosen_by(positive, scores, chosen):
    assert best_threshold(np.array(positive), np.array(scores, np.float32), both=True) == pytest.approx(chosen)
