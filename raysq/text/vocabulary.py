"""One vocabulary for many chunks: word counts, merged in order and sorted by frequency."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from raysq.errors import DataError

_TOGETHER = 1 << 18  # codes counted or looked up at a time, to stay in the processor's cache
_BUFFERED = 1 << 18  # words buffered before their positions are computed
UNSEEN = np.iinfo(np.int64).max


def look_up(values: np.ndarray, codes: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return `values[codes]` without a copy of the codes, in `out` if given. The codes must be in range."""
    looked_up = np.empty(len(codes), values.dtype) if out is None else out
    for begin in range(0, len(codes), _TOGETHER):
        some = slice(begin, begin + _TOGETHER)
        np.take(values, codes[some], out=looked_up[some], mode="clip")
    return looked_up


def tally(codes: np.ndarray, offsets: np.ndarray, size: int, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the words of the documents selected by `counted`, and order them by first appearance there.

    Returns:
        Two int64 arrays: the count of each word, and a number that increases with its first position. It is `UNSEEN`
        for words of no selected document.
    """
    if counted.all():
        counts = np.zeros(size, np.int64)
        for begin in range(0, len(codes), _TOGETHER):
            counts += np.bincount(codes[begin : begin + _TOGETHER].astype(np.intp), minlength=size)
        return counts, np.arange(size)
    mask = np.repeat(counted, np.diff(offsets))
    counts, first = np.zeros(size, np.int64), np.full(size, UNSEEN)
    for begin in reversed(range(0, len(codes), _TOGETHER)):  # backwards, so that the first appearance is written last
        block = slice(begin, begin + _TOGETHER)
        some = codes[block][mask[block]].astype(np.intp)
        counts += np.bincount(some, minlength=size)
        first[some[::-1]] = np.arange(begin + len(some) - 1, begin - 1, -1)
    return counts, first


class Vocabulary:
    """The words of all chunks, added in order.

    Memory is needed for the distinct words and for a buffer. Words are buffered until there are many, since Arrow finds
    their positions at once and lets other threads run meanwhile.

    Words are strings, or ranks (integers from 1) where the source has only those.
    """

    def __init__(self) -> None:
        self._words: pa.Array | None = None
        self._counts = np.zeros(0, np.int64)
        self._first = np.zeros(0, np.int64)
        self._added = 0
        self._waiting: list[tuple[str, pa.Array, np.ndarray, np.ndarray]] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._words) if self._words is not None else 0

    def add(self, name: str, words: pa.Array, counts: np.ndarray, first: np.ndarray) -> dict[str, np.ndarray]:
        """Add the words of a chunk.

        Returns:
            Positions of the words, int32, for each chunk added since positions were last returned. Usually empty,
            since words are buffered.
        """
        counted = first != UNSEEN
        self._waiting.append((name, words, counts, np.where(counted, first + self._added, UNSEEN)))
        self._added += int(first[counted].max(initial=-1)) + 1
        self._size += len(words)
        return self.new_positions() if self._size >= max(_BUFFERED, len(self) // 2) else {}

    def new_positions(self) -> dict[str, np.ndarray]:
        """Return the positions of the words of all chunks that `add` has not returned."""
        if not self._waiting:
            return {}
        before = len(self)
        chunks = ([] if self._words is None else [self._words]) + [words for _, words, _, _ in self._waiting]
        together = pa.chunked_array(chunks).dictionary_encode().combine_chunks()
        self._words, places = together.dictionary, together.indices.to_numpy()
        added = len(self) - before
        self._counts = np.concatenate([self._counts, np.zeros(added, np.int64)])
        self._first = np.concatenate([self._first, np.full(added, UNSEEN)])
        positions, begin = {}, before
        for name, words, counts, first in self._waiting:
            of = positions[name] = places[begin : begin + len(words)]
            # No position occurs twice, since the words of a chunk are distinct.
            self._counts[of] += counts
            self._first[of] = np.minimum(self._first[of], first)
            begin += len(words)
        self._waiting, self._size = [], 0
        return positions

    def sorted(self, *, uncounted: bool = False) -> tuple[pa.Table, np.ndarray]:
        """Return the table of words by decreasing count, then first appearance, and the row of each position, -1 for
        words of no counted document.

        Args:
            uncounted: whether words of no counted document stand at the end of the table instead.
        """
        order = np.lexsort((self._first, -self._counts))
        order = order[: len(order) if uncounted else np.count_nonzero(self._counts)]
        words = pa.array([], pa.large_string()) if self._words is None else self._words.take(pa.array(order))
        return _table(words, self._counts[order]), self._rows(order)

    def ranked(self, names: Sequence[str] | None) -> tuple[pa.Table, np.ndarray]:
        """Return the table of all ranks up to the largest, in order, and the row of each position.

        Without names, words are "#1", "#2", ... Raise `DataError` for ranks beyond the names.
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
