"""Batch source of translation: the ids of a split's pairs, in memory or on disk, and the gather that builds a batch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from raysq.data.columns import count_codes
from raysq.data.dataset import Dataset
from raysq.problems.translation.dictionary import Dictionary, learn
from raysq.problems.translation.settings import TranslationSettings
from raysq.problems.translation.splits import split
from raysq.problems.translation.vocabulary import BEGIN, END, ranked

_BLOCK = 1 << 22  # maximum number of words of a block
_DICTIONARY = 100_000  # maximum number of pairs that the word-by-word dictionary is learned from

Take = Callable[[Any, Any], Any]


class Side:
    """The sentences of one language, of all pairs.

    Args:
        dataset: prepared sentence pairs.
        name: "source" or "target".
        training: whether each pair is trained on, bool.
        most: maximum number of ids.

    Attributes:
        words: the words that have an id.
        codes: id of each word of the prepared vocabulary; the last entry is that of an unknown word.
        tokens: word codes of each sentence.
        counts: number of occurrences of each word of the prepared vocabulary in the training sentences.
    """

    def __init__(self, dataset: Dataset, name: str, training: np.ndarray, most: int) -> None:
        self.tokens = dataset.ragged(f"{name}_tokens")
        vocabulary = dataset.extra(f"{name}_vocabulary").column("word").combine_chunks()
        counts = np.zeros(len(vocabulary) + 1, np.int64)
        for begin, end, codes, offsets in self.blocks():
            there = np.repeat(training[begin:end], np.diff(offsets))
            counts += count_codes(codes, there, len(vocabulary))
        self.counts = counts[1:]
        self.words, self.codes = ranked(vocabulary, self.counts, most)

    @property
    def unknown(self) -> float:
        """Share of the words of the training sentences that have no id."""
        known = self.counts[self.codes[:-1] > 1].sum()
        return float(1 - known / max(1, self.counts.sum()))

    def blocks(self) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """Yield all sentences in blocks of bounded size: first row, end row, codes, and offsets from 0."""
        offsets = self.tokens.offsets
        begin = 0
        while begin < len(self.tokens):
            end = max(int(np.searchsorted(offsets, offsets[begin] + _BLOCK, side="right")) - 1, begin + 1)
            low, high = int(offsets[begin]), int(offsets[end])
            yield begin, end, self.tokens.slice(low, high), offsets[begin : end + 1] - low
            begin = end

    def packed(self, most: int, mark: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all sentences as one int32 array after a leading 0, and the int64 start of each sentence.

        The sentences are truncated as by `pack`.
        """
        parts, lengths = [], []
        for _, _, codes, offsets in self.blocks():
            ids, sizes = pack(self.codes[codes], offsets, most, mark)
            parts.append(ids)
            lengths.append(sizes)
        begins = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64) + 1
        return np.concatenate([np.zeros(1, np.int32), *parts]), begins

    def of(self, rows: np.ndarray, most: int, mark: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the same for some rows, read from disk."""
        found = [self.tokens.row(row) for row in rows.tolist()]
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in found])]).astype(np.int64)
        ids, sizes = pack(self.codes[np.concatenate([np.empty(0, np.int32), *found])], offsets, most, mark)
        return np.concatenate([np.zeros(1, np.int32), ids]), np.concatenate([[0], np.cumsum(sizes)]).astype(
            np.int64
        ) + 1


def pack(ids: np.ndarray, offsets: np.ndarray, most: int, mark: bool) -> tuple[np.ndarray, np.ndarray]:
    """Truncate sentences at their end.

    Args:
        ids: ids of all sentences, int32.
        offsets: int64 of shape `(sentences + 1,)`.
        most: maximum number of ids of a sentence, the end token included.
        mark: whether to append 3 ("eos") to each sentence that leaves room for it.

    Returns:
        The ids of all sentences, and the length of each.
    """
    lengths = np.diff(offsets)
    if mark:
        ids = np.insert(ids, offsets[1:], END)
        offsets = offsets + np.arange(len(offsets))
        lengths = lengths + 1
    kept = np.minimum(lengths, most)
    places = np.arange(kept.sum()) + np.repeat(offsets[:-1] - (np.cumsum(kept) - kept), kept)
    return ids[places].astype(np.int32), kept


class Corpus:
    """All pairs of a data set, encoded for a model.

    Attributes:
        dataset: prepared sentence pairs.
        settings: the run's settings.
        split: rows of each split.
        source: the source sentences.
        target: the target sentences.
        lengths: number of ids of a source sentence, and of positions of a target sentence.
    """

    def __init__(self, dataset: Dataset, settings: TranslationSettings) -> None:
        self.dataset = dataset
        self.settings = settings
        self.lengths = settings.lengths(dataset)
        self.split = split(dataset, settings.val, settings.train_pairs)
        training = np.zeros(dataset.rows, bool)
        training[self.split.train] = True
        self.source = Side(dataset, "source", training, settings.source_words)
        self.target = Side(dataset, "target", training, settings.target_words)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The ids of all pairs, in memory."""
        source, begins = self.source.packed(self.lengths[0], mark=False)
        target, starts = self.target.packed(self.lengths[1], mark=True)
        return {"source": source, "source_begins": begins, "target": target, "target_begins": starts}

    @property
    def nbytes(self) -> int:
        """Bytes of `arrays`."""
        source, positions = self.lengths
        ids = np.minimum(self.source.tokens.lengths, source).sum()
        ids += np.minimum(self.target.tokens.lengths + 1, positions).sum()
        return int(4 * ids + 16 * self.dataset.rows + 40)

    @cached_property
    def dictionary(self) -> Dictionary:
        """The word-by-word dictionary of the training pairs."""
        rows = self.split.train
        if len(rows) > _DICTIONARY:
            rows = rows[np.linspace(0, len(rows) - 1, _DICTIONARY).astype(np.int64)]
        most = 1 << 20  # long enough that no sentence is truncated
        sides = [side.of(rows, most, mark=False) for side in (self.source, self.target)]
        return learn(*sides[0], *sides[1], self.source.words.count, self.target.words.count)

    def positions(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of words in y of each pair, end token included, int64."""
        return np.minimum(self.target.tokens.lengths[rows] + 1, self.lengths[1])


@lru_cache(maxsize=1)
def corpus(dataset: Dataset, settings: TranslationSettings) -> Corpus:
    """Return the encoded pairs of a data set. The most recent result is cached for the callers that follow."""
    return Corpus(dataset, settings)


@dataclass(frozen=True)
class Pairs:
    """Batch source of one split: an example is a pair, or a word of a target.

    Attributes:
        corpus: the pairs of all splits.
        name: name of the split.
    """

    corpus: Corpus
    name: str

    @property
    def rows(self) -> np.ndarray:
        """Row in the data set of each pair, ascending."""
        rows: np.ndarray = getattr(self.corpus.split, self.name)
        return rows

    @property
    def _words(self) -> bool:
        return self.corpus.settings.form == "next"

    @cached_property
    def _firsts(self) -> np.ndarray:
        """Index of each pair's first example where every word is an example, then the number of examples."""
        return np.concatenate([[0], np.cumsum(self.corpus.positions(self.rows))]).astype(np.int64)

    def __len__(self) -> int:
        return int(self._firsts[-1]) if self._words else len(self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes of `arrays` on a device."""
        own = self.rows.nbytes + (self._firsts.nbytes + 4 * len(self) if self._words else 0)
        return self.corpus.nbytes + own

    @property
    def batch_bytes(self) -> int:
        """Bytes of one example's x and y."""
        source, positions = self.corpus.lengths
        return 4 * (source + positions + (1 if self._words else positions))

    def _places(self) -> dict[str, np.ndarray]:
        if not self._words:
            return {"rows": self.rows}
        pairs = np.repeat(np.arange(len(self.rows), dtype=np.int32), np.diff(self._firsts))
        return {"rows": self.rows, "pairs": pairs, "firsts": self._firsts}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the ids of all pairs, which the splits share, and the rows of this split."""
        return {**self.corpus.arrays, **self._places()}

    def mapped(self) -> dict[str, Any]:
        """Return the pairs on disk, encoded as x and y when rows are taken."""
        return {"whole": _OnDisk(self.corpus), **self._places()}

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Take) -> tuple[Any, Any]:
        """Build a batch.

        Args:
            indices: indices of n examples, an int vector (NumPy or TensorFlow).
            arrays: the result of `arrays` or `mapped`, or device copies of it.
            take: function that gathers rows of an array.

        Returns:
            x, int32 of shape `(n, max_source + positions)`, and y, int32 of shape `(n, positions)` with 0 after the end
            of the sentence. With the setting form="next", y has the shape `(n, 1)`.
        """
        source, positions = self.corpus.lengths
        if not self._words:
            rows = take(arrays["rows"], indices)
            whole = take(arrays["whole"], rows) if "whole" in arrays else assemble(rows, arrays, take, self.corpus)
            return whole[:, : source + positions], whole[:, source + positions :]
        pairs = take(arrays["pairs"], indices)
        rows = take(arrays["rows"], pairs)
        whole = take(arrays["whole"], rows) if "whole" in arrays else assemble(rows, arrays, take, self.corpus)
        ops = _operations(whole)
        place = (ops.cast(indices, "int64") - take(arrays["firsts"], pairs))[:, None]
        at = np.arange(positions)
        known = ops.where(at <= place, whole[:, source : source + positions], 0)
        following = ops.where(at == place, whole[:, source + positions :], 0)
        return ops.concatenate([whole[:, :source], known], 1), ops.cast(ops.sum(following, 1, keepdims=True), "int32")


def assemble(rows: Any, arrays: Mapping[str, Any], take: Take, corpus: Corpus) -> Any:
    """Return source, target so far and following words of some pairs.

    Args:
        rows: rows of the pairs, an int vector.
        arrays: the ids of all pairs, as of `Corpus.arrays`.
        take: function that gathers rows of an array.
        corpus: the pairs of all splits.

    Returns:
        int32 of shape `(n, max_source + 2 * positions)`.
    """
    width, positions = corpus.lengths
    begins, following = arrays["source_begins"], arrays["target_begins"]
    ops = _operations(rows)
    begin, end = take(begins, rows)[:, None], take(begins, rows + 1)[:, None]
    at = np.arange(width)
    places = end - width + at
    if corpus.settings.reversed:
        # The first word comes last, next to the first word of the target.
        places = ops.where(places >= begin, begin + (width - 1 - at), 0)
    source = take(arrays["source"], ops.where((places >= begin) & (places < end), places, 0))
    begin, end = take(following, rows)[:, None], take(following, rows + 1)[:, None]
    at = np.arange(positions)
    places = begin + at
    after = take(arrays["target"], ops.where(places < end, places, 0))
    # Shifted by one position, with the start token first.
    known = take(arrays["target"], ops.where((at > 0) & (places < end), places - 1, 0)) + BEGIN * (at == 0).astype(
        "int32"
    )
    return ops.concatenate([source, known, after], 1)


class _OnDisk:
    """Pairs that are read from disk when they are taken."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def take(self, rows: Any) -> np.ndarray:
        """Return the result of `assemble` for an int vector of rows."""
        corpus, rows = self._corpus, np.asarray(rows)
        source, begins = corpus.source.of(rows, corpus.lengths[0], mark=False)
        target, starts = corpus.target.of(rows, corpus.lengths[1], mark=True)
        arrays = {"source": source, "source_begins": begins, "target": target, "target_begins": starts}
        found: np.ndarray = assemble(np.arange(len(rows)), arrays, lambda array, at: array.take(at), corpus)
        return found


class _Numpy:
    """NumPy functions under their names in `keras.ops`."""

    where, concatenate, sum = staticmethod(np.where), staticmethod(np.concatenate), staticmethod(np.sum)

    @staticmethod
    def cast(array: Any, kind: str) -> np.ndarray:
        return np.asarray(array).astype(kind)


def _operations(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return _Numpy
    from keras import ops

    return ops
