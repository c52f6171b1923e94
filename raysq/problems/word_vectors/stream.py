"""Streams of word ids: the kept words of each split in order, with a 0 after each passage."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from raysq.data import shuffle
from raysq.data.columns import count_codes
from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems.splits import SPLITS
from raysq.problems.word_vectors.settings import WordVectorsSettings

PASSAGE = 1000  # maximum number of words of a passage
_FEWEST_WORDS = 20  # minimum length of a passage for short texts
_PASSAGES = 40  # number of passages aimed at for short texts
_BLOCK = 1 << 22  # maximum number of words of a block
_SALT = np.uint64(0x5EED_0F_5A3B1E)


@dataclass(frozen=True)
class Passages:
    """Texts, the long ones cut into passages. Validation is drawn by passage, and no window crosses the end of one.

    Attributes:
        offsets: int64 of shape `(passages + 1,)`, the start of each passage among the words of all texts.
        keys: uint64 of shape `(passages,)`, equal for equal texts.
        part: int8 of shape `(passages,)`: 0 train, 1 test, 2 validation.
    """

    offsets: np.ndarray
    keys: np.ndarray
    part: np.ndarray


def cut_passages(offsets: np.ndarray, keys: np.ndarray, part: np.ndarray) -> Passages:
    """Cut texts into passages of at most `PASSAGE` words; shorter ones for short texts, to have enough to draw from.

    Args:
        offsets: int64 of shape `(texts + 1,)`, the start of each text among all words.
        keys: checksum of each text.
        part: part of each text: 0 train, 1 test, 2 validation.
    """
    size = int(np.clip(int(offsets[-1]) // _PASSAGES, _FEWEST_WORDS, PASSAGE))
    counts = np.maximum(1, -(-np.diff(offsets) // size))
    text = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(text)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = offsets[:-1][text] + number * size
    passage_keys = shuffle.mix_bits(shuffle.mix_bits(keys.astype(np.uint64)[text]) ^ number.astype(np.uint64))
    return Passages(np.append(starts, offsets[-1]).astype(np.int64), passage_keys, part[text])


def split_passages(passages: Passages, val: float, name: str) -> np.ndarray:
    """Return the split of each passage, int8: 0 train, 1 validation, 2 test.

    Args:
        passages: the passages.
        val: share of the words of the train part to validate on, where the source has no validation part. Passages with
            equal keys stay in the same split.
        name: name of the data set, for messages.

    Raises:
        DataError: if nothing is left to train on or to validate on.
    """
    lengths = np.diff(passages.offsets)
    if ((passages.part == 2) & (lengths > 0)).any():
        if not lengths[passages.part == 0].any():
            raise DataError(f"the train part of data set {name} has no words; give more text")
        split: np.ndarray = np.array([0, 2, 1], np.int8)[passages.part]
        return split
    (rows,) = np.nonzero((passages.part == 0) & (lengths > 0))
    if len(rows) < 2:
        raise DataError(
            f"data set {name} has too few passages with words to train and to validate on: {len(rows)}, and 2 are "
            "needed",
            hint="give more text, and prepare what has no spaces between words with --set level=char",
        )
    rows = rows[np.argsort(passages.keys[rows], kind="stable")]
    words = np.cumsum(lengths[rows])
    count = int(np.searchsorted(words, val * words[-1])) + 1
    count = int(np.searchsorted(passages.keys[rows], passages.keys[rows][count - 1], side="right"))
    if count >= len(rows):
        raise DataError(
            f"val={val} leaves nothing to train on in data set {name}: it has {len(rows)} passages, and those with "
            "equal text stay together; lower val, or give more text"
        )
    split = np.where(passages.part == 1, 2, 0).astype(np.int8)
    split[rows[:count]] = 1
    return split


def keep_probabilities(counts: np.ndarray, threshold: float) -> np.ndarray:
    """Return the probability of keeping an occurrence of each word, as in word2vec's C code and gensim.

    Args:
        counts: number of occurrences of each word.
        threshold: share of all words above which the occurrences of a word are subsampled; 0 keeps all.
    """
    if not threshold:
        return np.ones(len(counts))
    allowed = threshold * max(1, counts.sum())
    share = allowed / np.maximum(counts, 1)
    probabilities: np.ndarray = np.minimum(1.0, np.sqrt(share) + share)
    return probabilities


class Streams:
    """The id streams of all splits.

    Attributes:
        dataset: prepared texts.
        settings: the run's settings.
        passages: the passages of the texts.
        split: split of each passage, as returned by `split_passages`.
    """

    def __init__(self, dataset: Dataset, settings: WordVectorsSettings):
        self.dataset = dataset
        self.settings = settings
        self._tokens = dataset.ragged("tokens")
        self._total_weights: dict[str, float] = {}
        keys = dataset.column("key").slice(0, dataset.rows)
        part = dataset.column("part").slice(0, dataset.rows)
        self.passages = cut_passages(self._tokens.offsets, keys, part)
        self.split = split_passages(self.passages, settings.val, dataset.manifest.name)

    @cached_property
    def raw_counts(self) -> np.ndarray:
        """Number of occurrences of each word of the prepared vocabulary in the training passages, int64."""
        size = self.dataset.extra("vocabulary").num_rows
        counts = np.zeros(size + 1, np.int64)
        for _, codes, passage in self._blocks():
            counts += count_codes(codes, self.split[passage] == 0, size)
        return counts[1:]

    @cached_property
    def ranked(self) -> np.ndarray:
        """The code of each id's word, from id 1 on, by descending count; ties by first appearance.

        Raises:
            DataError: if there are fewer than two words.
        """
        settings, counts = self.settings, self.raw_counts
        ranks = np.argsort(-counts, kind="stable")[: settings.max_features - 1]
        ranks = ranks[counts[ranks] >= settings.min_count]
        if len(ranks) < 2:
            condition = f" that occur {settings.min_count} times or more" if settings.min_count > 1 else ""
            raise DataError(
                f"the training texts of data set {self.dataset.manifest.name} have too few different words{condition}: "
                f"{len(ranks)}, and 2 are needed; {settings.more_words_hint}"
            )
        return ranks

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of occurrences of each id in the training texts before subsampling, int64 of shape `(features,)`."""
        return np.append(0, self.raw_counts[self.ranked])

    @cached_property
    def words(self) -> list[str]:
        """The word of each id; "" for id 0."""
        import pyarrow as pa

        column = self.dataset.extra("vocabulary").column("word").combine_chunks()
        return ["", *column.take(pa.array(self.ranked)).to_pylist()]

    @cached_property
    def ids(self) -> dict[str, np.ndarray]:
        """The stream of each split, int32: the ids of the kept words, with a 0 after each passage."""
        id_by_code = np.zeros(len(self.raw_counts) + 1, np.int32)  # the last is for code -1, unknown words
        id_by_code[self.ranked] = np.arange(1, len(self.ranked) + 1, dtype=np.int32)
        probabilities = np.append(0.0, keep_probabilities(self.counts[1:], self.settings.subsample))
        limits = np.minimum(probabilities * 2.0**32, 2.0**32 - 1).astype(np.uint64)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in SPLITS}
        for begin, codes, passage in self._blocks():
            ids = id_by_code[codes]
            kept = ids > 0
            if self.settings.subsample:
                # The draw depends only on the position in the corpus: every call gives the same stream.
                positions = np.arange(begin, begin + len(ids), dtype=np.uint64)
                kept &= shuffle.mix_bits(positions ^ _SALT) >> np.uint64(32) <= limits[ids]
            split = self.split[passage]
            for number, name in enumerate(SPLITS):
                chosen = kept & (split == number)
                parts[name].append(_separated(ids[chosen], passage[chosen]))
        return {name: np.concatenate(part) if part else np.empty(0, np.int32) for name, part in parts.items()}

    def total_weight(self, name: str) -> float:
        """Return the `total_weight` of a split's stream, computed once."""
        if name not in self._total_weights:
            self._total_weights[name] = total_weight(self.ids[name], self.settings)
        return self._total_weights[name]

    def _blocks(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield all words in blocks of whole passages: index of the first word, codes, and the passage of each word."""
        offsets = self.passages.offsets
        begin = 0
        while begin < len(offsets) - 1:
            end = max(int(np.searchsorted(offsets, offsets[begin] + _BLOCK, side="right")) - 1, begin + 1)
            low, high = int(offsets[begin]), int(offsets[end])
            passage = np.repeat(np.arange(begin, end), np.diff(offsets[begin : end + 1]))
            yield low, self._tokens.slice(low, high), passage
            begin = end


def _separated(ids: np.ndarray, passage: np.ndarray) -> np.ndarray:
    """Return the ids with a 0 after each passage."""
    if not len(ids):
        return np.empty(0, np.int32)
    before = np.concatenate([[0], np.cumsum(passage[1:] != passage[:-1])])
    separated = np.zeros(len(ids) + int(before[-1]) + 1, np.int32)
    separated[np.arange(len(ids)) + before] = ids
    return separated


def reach(stream: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of words before and after each position within its passage, at most `window`; 0 at a separator.

    Args:
        stream: ids, with a 0 between passages.
        window: words on either side.

    Returns:
        Two int32 arrays of the stream's shape.
    """
    positions = np.arange(len(stream), dtype=np.int32)
    previous_end = np.where(stream == 0, positions, np.int32(-1))
    previous_end = np.maximum.accumulate(previous_end) if len(previous_end) else previous_end
    next_end = np.where(stream == 0, positions, np.int32(len(stream)))
    next_end = np.minimum.accumulate(next_end[::-1])[::-1]
    inside = stream > 0
    before = np.where(inside, np.minimum(positions - previous_end - 1, window), 0)
    after = np.where(inside, np.minimum(next_end - positions - 1, window), 0)
    return before.astype(np.int32), after.astype(np.int32)


def distance_weights(settings: WordVectorsSettings) -> np.ndarray:
    """Return the weight of a pair by its distance from 1 to `window`, float64."""
    distance = np.arange(1, settings.window + 1)
    return (settings.window + 1 - distance) / settings.window if settings.shrink else np.ones(settings.window)


def total_weight(stream: np.ndarray, settings: WordVectorsSettings) -> float:
    """Return the total weight of a stream: of all pairs (skip-gram), or the number of words with a context (CBOW)."""
    before, after = reach(stream, settings.window)
    if settings.architecture == "cbow":
        return float(np.count_nonzero(before + after))
    cumulative = np.concatenate([[0.0], np.cumsum(distance_weights(settings))])
    return float(cumulative[before].sum() + cumulative[after].sum())
