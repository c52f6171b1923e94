"""n-grams: count them in documents, and look them up in a prefix tree."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Counts:
    """The distinct n-grams of one length, in order of first appearance.

    Attributes:
        counts: int64 of shape (ngrams,), occurrences of each n-gram.
        firsts: int64 of shape (ngrams,), index of the token at which each n-gram first begins.
        terms: int64 of shape (ngrams, length), the codes of the words.
    """

    counts: np.ndarray
    firsts: np.ndarray
    terms: np.ndarray


def count_ngrams(
    codes: np.ndarray, offsets: np.ndarray, words: int, longest: int
) -> Iterator[tuple[np.ndarray, Counts]]:
    """Count the n-grams of 2 to `longest` known words that lie inside one document.

    Args:
        codes: int32 of shape (tokens,), the code of each word; -1 for an unknown word.
        offsets: int64 of shape (documents + 1,), where the tokens of each document begin.
        words: number of words; every code is below it.
        longest: number of words of the longest n-gram.

    Yields:
        For each length, int64 of shape (tokens - length + 1,) and the counts of that length. The array holds the
        index of the n-gram that begins at each token, -1 for none.
    """
    begins = _begins(codes, offsets)
    state, terms = codes.astype(np.int64), None
    for length in range(2, longest + 1):
        keys, exists = _joined(state, codes, begins, words, length)
        encoded = pa.array(keys[exists]).dictionary_encode()
        indices, distinct = encoded.indices.to_numpy(), encoded.dictionary.to_numpy()
        (tokens,) = np.nonzero(exists)
        firsts = np.empty(len(distinct), np.int64)
        firsts[indices[::-1]] = tokens[::-1]  # NumPy keeps the last assignment: in reverse order, the first token
        before, last = np.divmod(distinct, words)
        terms = np.column_stack([before if terms is None else terms[before], last])
        state = np.full(len(keys), -1, np.int64)
        state[exists] = indices
        yield state, Counts(np.bincount(indices, minlength=len(distinct)), firsts, terms)


class NgramTree:
    """Prefix tree that looks up selected n-grams in documents.

    Args:
        terms: int of shape (ngrams, longest), the codes of the words; -1 after the last word.
        ids: int32 of shape (ngrams,), the id of each n-gram.
        words: number of words; every code is below it.
    """

    def __init__(self, terms: np.ndarray, ids: np.ndarray, words: int):
        self._words = words
        self._levels: list[tuple[pa.Array, np.ndarray]] = []
        lengths = (terms >= 0).sum(1)
        state = terms[:, 0].astype(np.int64)
        for length in range(2, terms.shape[1] + 1):
            reaching = lengths >= length
            keys, indices = np.unique(state[reaching] * words + terms[reaching, length - 1], return_inverse=True)
            state = np.zeros(len(terms), np.int64)
            state[reaching] = indices
            # The last entry is the id 0 of absent n-grams. Prefixes that are not selected themselves keep id 0 too.
            ids_of_keys = np.zeros(len(keys) + 1, np.int32)
            ending = lengths == length
            ids_of_keys[state[ending]] = ids[ending]
            self._levels.append((pa.array(keys), ids_of_keys))

    @property
    def levels(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Keys of the n-grams of each length from 2 on, `state * words + last word`, and their ids, then a 0.

        The state is the place of the prefix among the keys of the length before, at first the code of a word.
        """
        return [(keys.to_numpy(), ids) for keys, ids in self._levels]

    def ids(self, codes: np.ndarray, offsets: np.ndarray) -> Iterator[np.ndarray]:
        """Yield, for each length from 2 on, the id of the n-gram that begins at each token.

        Args:
            codes: int32 of shape (tokens,), -1 for an unknown word.
            offsets: int64 of shape (documents + 1,), where the tokens of each document begin.

        Yields:
            int32 of shape (tokens - length + 1,), 0 for no n-gram.
        """
        begins = _begins(codes, offsets)
        state = codes.astype(np.int64)
        for length, (keys, ids_of_keys) in enumerate(self._levels, 2):
            joined, _ = _joined(state, codes, begins, self._words, length)
            state = pc.index_in(pa.array(joined), keys).fill_null(-1).to_numpy().astype(np.int64)
            yield ids_of_keys[state]


def _begins(codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return whether each token is the first of its document."""
    begins = np.zeros(len(codes), bool)
    begins[offsets[:-1][np.diff(offsets) > 0]] = True
    return begins


def _joined(
    state: np.ndarray, codes: np.ndarray, begins: np.ndarray, words: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a key for each n-gram, made of its prefix and its last word, and whether there is one; -1 for none."""
    before, last = state[: max(len(codes) - length + 1, 0)], codes[length - 1 :]
    exists = (before >= 0) & (last >= 0) & ~begins[length - 1 :]
    return np.where(exists, before * words + last, -1), exists
