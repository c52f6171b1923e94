"""Batch source of translation: gathers pairs, or single target words, as a model takes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raysq.problems.translation.corpus import ParallelCorpus
from raysq.problems.translation.vocabulary import BEGIN

Take = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Pairs:
    """Batch source of one split: an example is a pair, or a word of a target.

    Attributes:
        corpus: the pairs of all splits.
        name: name of the split.
    """

    corpus: ParallelCorpus
    name: str

    @property
    def rows(self) -> np.ndarray:
        """Row in the data set of each pair, ascending."""
        rows: np.ndarray = getattr(self.corpus.split, self.name)
        return rows

    @property
    def _by_word(self) -> bool:
        return self.corpus.settings.examples == "words"

    @cached_property
    def _firsts(self) -> np.ndarray:
        """Index of each pair's first example where every word is an example, then the number of examples."""
        return np.concatenate([[0], np.cumsum(self.corpus.target_lengths(self.rows))]).astype(np.int64)

    def __len__(self) -> int:
        return int(self._firsts[-1]) if self._by_word else len(self.rows)

    @property
    def weights(self) -> np.ndarray | None:
        """Weight of each example, that of its pair; None where all weigh the same."""
        weights = self.corpus.weights(self.rows)
        return weights if weights is None or not self._by_word else np.repeat(weights, np.diff(self._firsts))

    @property
    def nbytes(self) -> int:
        """Bytes of `arrays` on a device."""
        own = self.rows.nbytes + (self._firsts.nbytes + 4 * len(self) if self._by_word else 0)
        return self.corpus.nbytes + own

    def _index(self) -> dict[str, np.ndarray]:
        """Return the arrays that lead from an example to its row."""
        if not self._by_word:
            return {"rows": self.rows}
        pairs = np.repeat(np.arange(len(self.rows), dtype=np.int32), np.diff(self._firsts))
        return {"rows": self.rows, "pairs": pairs, "firsts": self._firsts}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the ids of all pairs, which the splits share, and the rows of this split."""
        return {**self.corpus.arrays, **self._index()}

    def mapped(self) -> dict[str, Any]:
        """Return the pairs on disk, encoded as x and y when rows are taken."""
        return {"assembled": _PairsOnDisk(self.corpus), **self._index()}

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Take) -> tuple[Any, Any]:
        """Build a batch.

        Args:
            indices: indices of n examples, an int vector (NumPy or TensorFlow).
            arrays: the result of `arrays` or `mapped`, or device copies of it.
            take: function that gathers rows of an array.

        Returns:
            x, int32 of shape `(n, max_source + positions)`, and y, int32 of shape `(n, positions)` with 0 after the end
            of the sentence. With the setting examples="words", y has the shape `(n, 1)`.
        """
        width, positions = self.corpus.settings.lengths
        pairs = take(arrays["pairs"], indices) if self._by_word else indices
        rows = take(arrays["rows"], pairs)
        assembled = (
            take(arrays["assembled"], rows) if "assembled" in arrays else assemble(rows, arrays, take, self.corpus)
        )
        x, y = assembled[:, : width + positions], assembled[:, width + positions :]
        if not self._by_word:
            return x, y
        ops = _operations(assembled)
        position = (ops.cast(indices, "int64") - take(arrays["firsts"], pairs))[:, None]
        column = np.arange(positions)
        prefix = ops.where(column <= position, x[:, width:], 0)
        following = ops.where(column == position, y, 0)
        return ops.concatenate([x[:, :width], prefix], 1), ops.cast(ops.sum(following, 1, keepdims=True), "int32")


def assemble(rows: Any, arrays: Mapping[str, Any], take: Take, corpus: ParallelCorpus) -> Any:
    """Return source, target so far and following words of some pairs.

    Args:
        rows: rows of the pairs, an int vector.
        arrays: the ids of all pairs, as of `ParallelCorpus.arrays`.
        take: function that gathers rows of an array.
        corpus: the pairs of all splits.

    Returns:
        int32 of shape `(n, max_source + 2 * positions)`.
    """
    width, positions = corpus.settings.lengths
    ops = _operations(rows)
    begin, end = (take(arrays["source_begins"], row)[:, None] for row in (rows, rows + 1))
    column = np.arange(width)
    index = end - width + column
    if corpus.settings.reversed:
        # The first word comes last, next to the first word of the target.
        index = ops.where(index >= begin, begin + (width - 1 - column), 0)
    source = take(arrays["source"], ops.where((index >= begin) & (index < end), index, 0))
    begin, end = (take(arrays["target_begins"], row)[:, None] for row in (rows, rows + 1))
    column = np.arange(positions)
    index = begin + column
    following = take(arrays["target"], ops.where(index < end, index, 0))
    # Shifted by one position, with the start token first.
    prefix = take(arrays["target"], ops.where((column > 0) & (index < end), index - 1, 0))
    prefix = prefix + BEGIN * (column == 0).astype("int32")
    return ops.concatenate([source, prefix, following], 1)


class _PairsOnDisk:
    """Pairs that are read from disk when they are taken."""

    def __init__(self, corpus: ParallelCorpus) -> None:
        self._corpus = corpus

    def take(self, rows: Any) -> np.ndarray:
        """Return the result of `assemble` for an int vector of rows."""
        rows = np.asarray(rows)
        arrays = self._corpus.arrays_of(rows)
        assembled: np.ndarray = assemble(
            np.arange(len(rows)), arrays, lambda array, index: array.take(index), self._corpus
        )
        return assembled


class _Numpy:
    """NumPy functions under their names in `keras.ops`."""

    where, concatenate, sum = staticmethod(np.where), staticmethod(np.concatenate), staticmethod(np.sum)

    @staticmethod
    def cast(array: Any, dtype: str) -> np.ndarray:
        return np.asarray(array).astype(dtype)


def _operations(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return _Numpy
    from keras import ops

    return ops
