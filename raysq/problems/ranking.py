"""Figures of how well scores rank examples, and the threshold that separates two classes best."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


def auc(positive: np.ndarray, scores: np.ndarray) -> float | None:
    """Return the area under the ROC curve: the chance that a positive example has a higher score than a negative one.

    Equal scores count one half. None without examples of both kinds.

    Args:
        positive: bool of shape (n,).
        scores: shape (n,).

    Example:
        >>> auc(np.array([True, False, True]), np.array([0.9, 0.5, 0.5]))
        0.75
    """
    count = int(positive.sum())
    others = len(positive) - count
    if not count or not others:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # mean rank of equal scores, from 1
    return float((ranks[places][positive].sum() - count * (count + 1) / 2) / (count * others))


def auc_by_class(
    names: Sequence[str], positives: Iterable[np.ndarray], scores: np.ndarray
) -> tuple[dict[str, float | None], float | None]:
    """Return the AUC of each class or label by name, and the mean of those that are known.

    Args:
        names: names of the classes.
        positives: for each class, which examples are of it, bool of shape (n,).
        scores: shape (n, classes).
    """
    areas = {name: auc(of, scores[:, number]) for number, (name, of) in enumerate(zip(names, positives, strict=True))}
    known = [area for area in areas.values() if area is not None]
    return areas, sum(known) / len(known) if known else None


def top_k_accuracy(truth: np.ndarray, scores: np.ndarray, k: int) -> float | None:
    """Return the share of examples whose true class is among the k classes of the highest scores.

    Of equal scores, the class of the lower index comes first. None without examples.

    Args:
        truth: index of the true class, shape (n,).
        scores: shape (n, classes).
        k: number of classes.
    """
    if not len(truth):
        return None
    own = scores[np.arange(len(truth)), truth][:, None]
    before = (scores > own).sum(1) + ((scores == own) & (np.arange(scores.shape[1]) < truth[:, None])).sum(1)
    return float((before < k).mean())


HALF = 0.5


@dataclass(frozen=True)
class Cuts:
    """Counts of two classes on either side of each possible threshold.

    Attributes:
        thresholds: thresholds in descending order; examples above one are taken for positive.
        hits: positive examples above each.
        alarms: negative examples above each.
        positives: number of positive examples.
        negatives: number of negative examples.
    """

    thresholds: np.ndarray
    hits: np.ndarray
    alarms: np.ndarray
    positives: int
    negatives: int

    @classmethod
    def of(cls, positive: np.ndarray, scores: np.ndarray) -> "Cuts":
        """Return the cuts above, between and below distinct scores from 0 to 1, in the middle of each two."""
        order = np.argsort(-scores, kind="stable")
        positive, scores = positive[order], scores[order].astype(np.float64)
        (ends,) = np.nonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else (np.empty(0, np.int64),)
        bounds = np.concatenate([[1.0], scores[ends], [0.0]])
        thresholds = (bounds[:-1] + bounds[1:]) / 2
        hits, above = np.append(0, np.cumsum(positive)[ends]), np.append(0, ends + 1)
        reached = thresholds > 0  # a score of 0 lies above none
        thresholds, hits, above = thresholds[reached], hits[reached], above[reached]
        total = int(positive.sum())
        return cls(thresholds, hits, above - hits, total, len(scores) - total)

    @property
    def f1(self) -> np.ndarray:
        """F1 of the positive class at each threshold."""
        values: np.ndarray = 2 * self.hits / np.maximum(self.hits + self.alarms + self.positives, 1)
        return values

    @property
    def macro_f1(self) -> np.ndarray:
        """Mean of the F1 of both classes at each threshold."""
        misses, rejected = self.positives - self.hits, self.negatives - self.alarms
        other = 2 * rejected / np.maximum(rejected + misses + self.negatives, 1)
        mean: np.ndarray = (self.f1 + other) / 2
        return mean


def best_threshold(positive: np.ndarray, scores: np.ndarray, *, both: bool) -> float | None:
    """Return the threshold with the highest F1: 0.5 if there is none better, of others the one closest to it.

    None without examples of both kinds.

    Args:
        positive: bool of shape (n,).
        scores: probability of the positive class, shape (n,).
        both: whether the mean F1 of both classes counts, else that of the positive class.

    Example:
        >>> best_threshold(np.array([True, True, False]), np.array([0.4, 0.3, 0.1]), both=True)
        0.2
    """
    if positive.all() or not positive.any():
        return None
    cuts = Cuts.of(positive, scores)
    values = cuts.macro_f1 if both else cuts.f1
    (best,) = np.nonzero(values == values.max())
    if (scores > HALF).sum() in (cuts.hits + cuts.alarms)[best]:
        return HALF
    chosen: float = cuts.thresholds[best[np.argmin(np.abs(cuts.thresholds[best] - HALF))]]
    return float(chosen)
