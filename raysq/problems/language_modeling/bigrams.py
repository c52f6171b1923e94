"""Bigram model with interpolated Kneser-Ney smoothing, from the counts of the training sentences."""

from dataclasses import dataclass

import numpy as np

from raysq.problems.language_modeling.settings import UNKNOWN


@dataclass(frozen=True, eq=False)
class Bigrams:
    """Sparse bigram probabilities: p(next | word) = `shares[word, next]` + `backoff[word]` * `lower[next]`.

    Attributes:
        begins: int32 of shape (features + 1,), where the pairs of each word begin.
        nexts: int32 of shape (pairs,), the id that follows.
        shares: float32 of shape (pairs,), the discounted share of the pair among the pairs of its word.
        backoff: float32 of shape (features,), the weight of the lower order.
        lower: float32 of shape (features,), the probability of an id after any word.

    Example:
        >>> bigrams = Bigrams.of(before, after, features)
        >>> bigrams.backoff[word] * bigrams.lower[next]  # probability of a pair without counts
    """

    begins: np.ndarray
    nexts: np.ndarray
    shares: np.ndarray
    backoff: np.ndarray
    lower: np.ndarray

    @classmethod
    def of(cls, before: np.ndarray, after: np.ndarray, features: int) -> "Bigrams":
        """Count pairs of ids and smooth the counts.

        Source: Chen and Goodman 1999, section 2.7 (interpolated Kneser-Ney), with one discount for all counts. The
        discount is Ney's leaving-one-out estimate n1 / (n1 + 2 n2), where n1 and n2 are the numbers of pairs that
        occur once and twice. The lower order counts the distinct words before an id. It is discounted in the same way
        and interpolated with 1 / ids.

        Args:
            before: ids of shape (n,).
            after: ids of shape (n,), the id that follows each element of `before`.
            features: number of ids; padding and the start token are never predicted.
        """
        pairs, counts = np.unique(before.astype(np.int64) * features + after, return_counts=True)
        first, nexts = pairs // features, pairs % features
        begins = np.searchsorted(first, np.arange(features + 1))
        total = np.bincount(first, counts, features)
        discount = discounted(counts)
        shares = (counts - discount) / total[first]
        kinds = np.diff(begins)
        backoff = np.where(total > 0, discount * kinds / np.maximum(total, 1), 1.0)
        histories = np.bincount(nexts, minlength=features)  # distinct words before each id
        less = discounted(histories[histories > 0])
        possible = np.arange(features) >= UNKNOWN
        rest = less * np.count_nonzero(histories) / len(pairs)
        lower = np.maximum(histories - less, 0) / len(pairs) + rest * possible / possible.sum()
        return cls(
            begins.astype(np.int32),
            nexts.astype(np.int32),
            shares.astype(np.float32),
            backoff.astype(np.float32),
            lower.astype(np.float32),
        )


def discounted(counts: np.ndarray) -> float:
    """Return the discount of every count, n1 / (n1 + 2 n2), or 0.5 if no count is 1 or no count is 2.

    Args:
        counts: occurrences of each pair; n1 and n2 are the numbers of counts 1 and 2.
    """
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else 0.5
