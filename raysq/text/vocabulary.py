"""One vocabulary of many pieces: counts of each, merged in order, sorted by frequency."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from raysq.errors import DataError

_TOGETHER = 1 << 18  # codes that are counted or looked up together, in the processor's cache
_HELD = 1 << 18  # words that are added before their places are found
UNSEEN = np.iinfo(np.int64).max


def look_up(values: np.ndarray, codes: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """`values[codes]`, for codes that are in range, without a copy of the codes.

    Args:
        values: of any type.
        codes: whole numbers of any type, one dimension.
        out: where the result is to be written; a new array when None.
    """
    found = np.empty(len(codes), values.dtype) if out is None else out
    for begin in range(0, len(codes), _TOGETHER):
        some = slice(begin, begin + _TOGETHER)
        np.take(values, codes[some], out=found[some], mode="clip")
    return found


def tally(codes: np.ndarray, offsets: np.ndarray, size: int, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each word occurs in the documents that are counted, and in which order they first appear there.

    Args:
        codes: the words of all documents, numbered in order of first appearance.
        offsets: int64 of shape (documents + 1,), where each document's begin.
        size: number of distinct words.
        counted: bool of shape (documents,).

    Returns:
        Two int64 arrays: count of each word, and a number that rises with its first place, `UNSEEN` where no counted
        document holds it.
    """
    if counted.all():
        counts = np.zeros(size, np.int64)
        for begin in range(0, len(codes), _TOGETHER):
            counts += np.bincount(codes[begin : begin + _TOGETHER].astype(np.intp), minlength=size)
        return counts, np.arange(size)
    mask = np.repeat(counted, np.diff(offsets))
    counts, first = np.zeros(size, np.int64), np.full(size, UNSEEN)
    for begin in reversed(range(0, len(codes), _TOGETHER)):  # from the end: the first appearance is written last
        few = slice(begin, begin + _TOGETHER)
        some = codes[few][mask[few]].astype(np.intp)
        counts += np.bincount(some, minlength=size)
        first[some[::-1]] = np.arange(begin + len(some) - 1, begin - 1, -1)
    return counts, first


class Vocabulary:
    """The words of all pieces, added in order; takes memory for the distinct words, and for few that are not yet known
    to be distinct: Arrow finds the place of many at once, and other threads run meanwhile.

    The words are strings, or ranks (whole numbers from 1) where the source has only those.
    """

    def __init__(self) -> None:
        self._words: pa.Array | None = None
        self._counts = np.zeros(0, np.int64)
        self._first = np.zeros(0, np.int64)
        self._added = 0
        self._held: list[tuple[str, pa.Array, np.ndarray, np.ndarray]] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._words) if self._words is not None else 0

    def add(self, name: str, words: pa.Array, counts: np.ndarray, first: np.ndarray) -> dict[str, np.ndarray]:
        """Adds the words of a piece.

        Args:
            name: of the piece.
            words: strings or ranks, distinct.
            counts: int64, what `tally` gives.
            first: int64, likewise.

        Returns:
            The places of the words, int32, of each piece that was added since some were returned; mostly of none yet.
        """
        seen = first != UNSEEN
        self._held.append((name, words, counts, np.where(seen, first + self._added, UNSEEN)))
        self._added += int(first[seen].max(initial=-1)) + 1
        self._size += len(words)
        return self.placed() if self._size >= max(_HELD, len(self) // 2) else {}

    def placed(self) -> dict[str, np.ndarray]:
        """The places of the words of all pieces that `add` has not returned."""
        if not self._held:
            return {}
        known = len(self)
        chunks = ([] if self._words is None else [self._words]) + [words for _, words, _, _ in self._held]
        together = pa.chunked_array(chunks).dictionary_encode().combine_chunks()
        self._words, places = together.dictionary, together.indices.to_numpy()
        more = len(self) - known
        self._counts = np.concatenate([self._counts, np.zeros(more, np.int64)])
        self._first = np.concatenate([self._first, np.full(more, UNSEEN)])
        found, begin = {}, known
        for name, words, counts, first in self._held:
            of = found[name] = places[begin : begin + len(words)]
            # No place comes twice: the words of one piece are distinct.
            self._counts[of] += counts
            self._first[of] = np.minimum(self._first[of], first)
            begin += len(words)
        self._held, self._size = [], 0
        return found

    def sorted(self) -> tuple[pa.Table, np.ndarray]:
        """The table of words by falling count, ties in order of first appearance, and for each place its row, int32;
        -1 for a word that no counted document holds."""
        order = np.lexsort((self._first, -self._counts))
        order = order[: np.count_nonzero(self._counts)]
        words = pa.array([], pa.large_string()) if self._words is None else self._words.take(pa.array(order))
        return _table(words, self._counts[order]), self._rows(order)

    def ranked(self, names: Sequence[str] | None) -> tuple[pa.Table, np.ndarray]:
        """The same for ranks: a table in their order, all ranks up to the largest.

        Args:
            names: the words by rank, if they are known; "#1", "#2", ... stand for them if not.

        Raises:
            DataError: ranks beyond the names.
        """
        ranks = np.zeros(0, np.int64) if self._words is None else self._words.to_numpy().astype(np.int64)
        largest = int(ranks.max(initial=0))
        if names is not None and len(names) < largest:
            raise DataError(
                f"the word index has {len(names):,} words, the documents have ranks up to {largest:,}: put the word "
                "index that belongs to them beside them, or none"
            )
        size = largest if names is None else len(names)
        words = pa.array([f"#{rank}" for rank in range(1, size + 1)] if names is None else names, pa.large_string())
        counts = np.zeros(size, np.int64)
        counts[ranks - 1] = self._counts
        return _table(words, counts), (ranks - 1).astype(np.int32)

    def _rows(self, order: np.ndarray) -> np.ndarray:
        rows = np.full(len(self), -1, np.int32)
        rows[order] = np.arange(len(order), dtype=np.int32)
        return rows


def _table(words: pa.Array, counts: np.ndarray) -> pa.Table:
    return pa.table({"word": words, "count": pa.array(counts, pa.int64())})
