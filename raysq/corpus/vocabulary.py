"""One vocabulary of many pieces: counts of each, merged in order, sorted by frequency."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DataError

_TOGETHER = 1 << 18  # codes that are counted together
_UNSEEN = np.iinfo(np.int64).max


def tally(codes: np.ndarray, offsets: np.ndarray, size: int, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each word occurs in the documents that are counted.

    Args:
        codes: int32, the words of all documents.
        offsets: int64 of shape (documents + 1,), where each document's begin.
        size: number of distinct words.
        counted: bool of shape (documents,).

    Returns:
        Two int64 arrays: count of each word; and all words in order of first appearance in the counted documents, those
        that none of them holds at the end.
    """
    if counted.all():
        return _count(codes, size), np.arange(size)
    codes = codes[np.repeat(counted, np.diff(offsets))]
    first = np.full(size, len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last value given to a place stays: its first appearance
    return _count(codes, size), np.argsort(first, kind="stable")


def _count(codes: np.ndarray, size: int) -> np.ndarray:
    """`np.bincount`, without a copy of all codes in the type that it counts in."""
    counts = np.zeros(size, np.int64)
    for begin in range(0, len(codes), _TOGETHER):
        counts += np.bincount(codes[begin : begin + _TOGETHER], minlength=size)
    return counts


class Vocabulary:
    """The words of all pieces, added in order; takes memory for the distinct words alone.

    The words are strings, or ranks (whole numbers from 1) where the source has only those.
    """

    def __init__(self) -> None:
        self._places: dict[Any, int] = {}
        self._counts = np.zeros(0, np.int64)
        self._first = np.zeros(0, np.int64)
        self._added = 0

    def __len__(self) -> int:
        return len(self._places)

    def add(self, words: pa.Array, counts: np.ndarray) -> np.ndarray:
        """Adds the words of a piece, distinct and in order of first appearance, and returns the place of each, int32.

        Args:
            words: strings or ranks.
            counts: occurrences in counted documents; 0 for a word that only others hold.
        """
        values = words.to_numpy(zero_copy_only=False).tolist()
        places = self._places
        found = np.fromiter(map(places.get, values, itertools.repeat(-1)), np.int64, len(values))
        fresh = np.flatnonzero(found < 0)
        found[fresh] = np.arange(len(places), len(places) + len(fresh))
        places.update(zip([values[place] for place in fresh.tolist()], found[fresh].tolist(), strict=True))
        self._grow(len(places))
        # No place comes twice: the words of one piece are distinct.
        self._counts[found] += counts
        seen = np.flatnonzero(counts)
        order = self._added + seen
        self._first[found[seen]] = np.minimum(self._first[found[seen]], order)
        self._added += len(found)
        return found.astype(np.int32)

    def sorted(self) -> tuple[pa.Table, np.ndarray]:
        """The table of words by falling count, ties in order of first appearance, and for each place its row, int32;
        -1 for a word that no counted document holds."""
        size = len(self)
        order = np.lexsort((self._first[:size], -self._counts[:size]))
        order = order[: np.count_nonzero(self._counts[:size])]
        words = pa.array(list(self._places), pa.large_string()).take(pa.array(order))
        return _table(words, self._counts[order]), self._rows(order)

    def ranked(self, names: Sequence[str] | None) -> tuple[pa.Table, np.ndarray]:
        """The same for ranks: a table in their order, all ranks up to the largest.

        Args:
            names: the words by rank, if they are known; "#1", "#2", ... stand for them if not.

        Raises:
            DataError: ranks beyond the names.
        """
        ranks = np.fromiter(self._places.keys(), np.int64, len(self))
        largest = int(ranks.max(initial=0))
        if names is not None and len(names) < largest:
            raise DataError(
                f"the word index has {len(names):,} words, the documents have ranks up to {largest:,}: put the word "
                "index that belongs to them beside them, or none"
            )
        size = largest if names is None else len(names)
        words = pa.array([f"#{rank}" for rank in range(1, size + 1)] if names is None else names, pa.large_string())
        counts = np.zeros(size, np.int64)
        counts[ranks - 1] = self._counts[: len(self)]
        return _table(words, counts), (ranks - 1).astype(np.int32)

    def _rows(self, order: np.ndarray) -> np.ndarray:
        rows = np.full(len(self), -1, np.int32)
        rows[order] = np.arange(len(order), dtype=np.int32)
        return rows

    def _grow(self, size: int) -> None:
        if size > len(self._counts):
            more = max(size, 2 * len(self._counts)) - len(self._counts)
            self._counts = np.concatenate([self._counts, np.zeros(more, np.int64)])
            self._first = np.concatenate([self._first, np.full(more, _UNSEEN)])


def _table(words: pa.Array, counts: np.ndarray) -> pa.Table:
    return pa.table({"word": words, "count": pa.array(counts, pa.int64())})
