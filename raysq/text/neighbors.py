"""Queries on word vectors: nearest neighbors, analogies, and rank correlation with human judgments.

Every problem whose models have an Embedding of words uses this module. Reports show `nearest`, and `raysq neighbors`
queries `WordEmbeddings`.
"""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from raysq.errors import DataError, UsageError

_BLOCK = 1 << 24  # maximum cosines computed at a time
_HINTED = 20_000  # most frequent words, among which similar spellings are searched


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Normalize rows to length one, as float32. Rows of zeros stay zero."""
    vectors = np.asarray(vectors, np.float32)
    lengths: np.ndarray = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.float32(1e-12)))


def nearest(
    unit: np.ndarray,
    queries: np.ndarray,
    top: int,
    *,
    among: np.ndarray | None = None,
    without: Sequence[Sequence[int]],
) -> list[list[tuple[int, float]]]:
    """Return the rows with the largest cosine similarity to each query.

    Args:
        among: bool `(rows,)`, rows that may be returned; all when None.
        without: for each query, rows to exclude.

    Returns:
        For each query, at most `top` pairs of row and cosine, the largest cosine first. Ties are in row order.
    """
    neighbors: list[list[tuple[int, float]]] = []
    vectors = unit_rows(queries)
    size = max(1, _BLOCK // max(1, len(unit)))
    for low in range(0, len(vectors), size):
        cosines = vectors[low : low + size] @ unit.T
        if among is not None:
            cosines[:, ~among] = -np.inf
        for row, left in zip(cosines, without[low : low + size], strict=True):
            row[list(left)] = -np.inf
            count = min(top, len(row))
            # Partition first, then sort the few candidates. Ties by row make the result deterministic.
            least = np.partition(row, len(row) - count)[len(row) - count] if count else np.inf
            indices = np.flatnonzero((row >= least) & (row > -np.inf))
            indices = indices[np.argsort(-row[indices], kind="stable")][:count]
            neighbors.append([(int(index), float(row[index])) for index in indices])
    return neighbors


class WordEmbeddings:
    """Words and their vectors.

    Args:
        words: distinct words, the most frequent first where frequencies are known.
        counts: number of occurrences of each word in the training texts, where known.
    """

    def __init__(self, words: Sequence[str], vectors: np.ndarray, counts: Sequence[int] | None = None):
        if len(words) != len(vectors):
            raise DataError(f"{len(words):,} words and {len(vectors):,} vectors do not belong together")
        self.words = tuple(words)
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self.counts = None if counts is None else tuple(counts)
        self._rows = {word: row for row, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._rows

    def __getitem__(self, word: str) -> np.ndarray:
        """Return the vector of a word."""
        return np.asarray(self.vectors[self.position(word)])

    @cached_property
    def unit(self) -> np.ndarray:
        """The vectors, normalized to length one."""
        return unit_rows(self.vectors)

    def find(self, word: str) -> int | None:
        """Find the row of a word, of its other Unicode normal form, or of its lower-case form; None if unknown."""
        # Terminal input may have decomposed accents (NFD), as in file names on macOS.
        forms = (word, unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word))
        for spelling in (*forms, *(spelling.lower() for spelling in forms)):
            if spelling in self._rows:
                return self._rows[spelling]
        return None

    def position(self, word: str) -> int:
        """Return the row of a word, as `find` does, or raise a `UsageError` that suggests similar spellings."""
        row = self.find(word) if isinstance(word, str) else None
        if row is None and (not isinstance(word, str) or not word.strip()):  # a space is a word at level char
            raise UsageError(f"a word must be a text that is not empty, received {word!r}: name one of the texts")
        if row is None:
            close = difflib.get_close_matches(word.lower(), self.words[:_HINTED], n=3, cutoff=0.6)
            hint = f"did you mean {' or '.join(close)}?" if close else "it is rare in the texts, or not in them"
            raise UsageError(f"the word {word!r} is not among the {len(self):,} that the model knows: {hint}")
        return row

    def neighbors(self, word: str, top: int = 10, among: int | None = None) -> list[tuple[str, float]]:
        """Return the words nearest to a word, with the cosine similarity of their vectors.

        Args:
            among: number of first words, which are the most frequent, to search; all when None.

        Raises:
            UsageError: unknown word, or `top` or `among` below 1.
        """
        return self.combine([word], [], top, among)

    def combine(
        self, positive: Sequence[str], negative: Sequence[str], top: int = 10, among: int | None = None
    ) -> list[tuple[str, float]]:
        """Return the words nearest to a sum of words minus others, such as `king` and `woman` minus `man`.

        The normalized vectors are summed (3CosAdd of Levy and Goldberg 2014, as in word2vec and gensim). The given
        words themselves are excluded.

        Args:
            among: number of first words, which are the most frequent, to search; all when None.

        Returns:
            Pairs of word and cosine similarity, the largest first.

        Raises:
            UsageError: unknown word, no word at all, or `top` or `among` below 1.
        """
        if top < 1 or (among is not None and among < 1):
            wrong = top if top < 1 else among
            raise UsageError(f"the number of neighbors, and of words among which they are, is 1 or more: not {wrong}")
        if not positive and not negative:
            raise UsageError("no word was given whose neighbors are wanted")
        added, subtracted = ([self.position(word) for word in words] for words in (positive, negative))
        query = self.unit[added].sum(0) - self.unit[subtracted].sum(0)
        named = None if among is None else np.arange(len(self)) < among
        (neighbors,) = nearest(self.unit, query[None], top, among=named, without=[[*added, *subtracted]])
        return [(self.words[row], cosine) for row, cosine in neighbors]

    def similarity(self, word: str, other: str) -> float:
        """Return the cosine similarity of two words.

        Raises:
            UsageError: unknown word.
        """
        return float(self.unit[self.position(word)] @ self.unit[self.position(other)])


def rank_correlation(values: Iterable[float], others: Iterable[float]) -> float:
    """Return Spearman's rank correlation of two sequences of equal length. Ties get their mean rank.

    Returns:
        A number from -1 to 1, or NaN if one sequence is constant.

    Example:
        >>> rank_correlation([1, 2, 3], [10, 30, 20])
        0.5
    """
    a, b = (_ranks(np.asarray(list(numbers), np.float64)) for numbers in (values, others))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean: np.ndarray = (ends - (counts - 1) / 2)[places]
    return mean


def embedding_of(model: Any, rows: int) -> np.ndarray:
    """Return the word vectors of a Keras model, float32: its first trainable matrix with the given number of rows."""
    for variable in model.variables:
        if len(variable.shape) == 2 and variable.shape[0] == rows and variable.trainable:
            return np.asarray(variable.numpy(), np.float32)
    raise DataError(f"the model has no table of vectors with a row for each of {rows:,} ids: train one that has")


def principal(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Project points onto their two principal components.

    Returns:
        Coordinates `(points, 2)` float64, and the share of the variance along each component. The sign of a component
        is chosen so that its element of largest magnitude is positive.
    """
    centered = np.asarray(points, np.float64) - np.mean(points, 0, dtype=np.float64)
    _, scale, directions = np.linalg.svd(centered, full_matrices=False)
    directions = np.pad(directions, ((0, max(0, 2 - len(directions))), (0, 0)))[:2]
    scale = np.pad(scale, (0, max(0, 2 - len(scale))))
    largest = directions[np.arange(2), np.abs(directions).argmax(1)]
    directions = directions * np.where(largest < 0, -1.0, 1.0)[:, None]
    return centered @ directions.T, scale[:2] ** 2 / max(float((scale**2).sum()), 1e-300)
