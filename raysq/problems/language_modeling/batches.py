"""Batch sources of language modeling: sentences packed as ids, and positions gathered from them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raysq.data.columns import count_codes
from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems.language_modeling.bigrams import Bigrams
from raysq.problems.language_modeling.settings import END, FIRST, START, UNKNOWN, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import Vocabulary
from raysq.problems.splits import SplitRows, split_rows

_BLOCK = 1 << 22  # tokens processed at a time
_ADDED = 2  # special tokens per sentence: start and end


def packed(ids: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Pack sentences one after the other, each between a start and an end token.

    Args:
        ids: int32 of shape (words,), the words of all sentences.
        offsets: int64 of shape (sentences + 1,), where the words of each sentence begin.

    Returns:
        int32 of shape (words + 2 * sentences,).
    """
    count = len(offsets) - 1
    out = np.empty(len(ids) + _ADDED * count, np.int32)
    out[np.arange(len(ids)) + np.repeat(_ADDED * np.arange(count) + 1, np.diff(offsets))] = ids
    out[offsets[:-1] + _ADDED * np.arange(count)] = START
    out[offsets[1:] + _ADDED * np.arange(count) + 1] = END
    return out


def layout(begins: np.ndarray, lengths: np.ndarray, settings: LanguageModelingSettings) -> dict[str, np.ndarray]:
    """Return the arrays with which `gather` locates an example in packed ids, without the ids themselves.

    Args:
        begins: int64 of shape (sentences,), the position of each start token in the packed ids.
        lengths: int64 of shape (sentences,), number of words of each sentence; an empty sentence has no examples.
        settings: batch-time settings; they give the number of examples per sentence.

    Returns:
        int64 arrays `begins` and `ends`, the positions of the start and end tokens; `firsts`, int64 of shape
        (sentences + 1,), the index of the first example of each sentence; and `weight`, float32 of shape (1,), the
        inverse of the mean number of positions per example.
    """
    targets = np.where(lengths > 0, lengths + 1, 0)
    examples = -(-targets // settings.maxlen) if settings.sequence_targets else targets
    firsts = np.concatenate([[0], np.cumsum(examples)]).astype(np.int64)
    mean = targets.sum() / max(int(firsts[-1]), 1)
    return {
        "begins": begins.astype(np.int64),
        "ends": (begins + lengths + 1).astype(np.int64),
        "firsts": firsts,
        "weight": np.full(1, 1 / max(mean, 1e-9), np.float32),
    }


def gather(
    indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any], settings: LanguageModelingSettings
) -> tuple[Any, Any]:
    """Gather the batch of the given examples.

    Args:
        indices: int vector of n example indices (NumPy or TensorFlow).
        arrays: "ids", int32, a 0 followed by the packed sentences, and the result of `layout`; or device copies.
        take: `take(array, rows)` gathers along the first axis.
        settings: batch-time settings; they give the length of x and the positions to predict.

    Returns:
        A tuple `(x, y)`; x is int32 of shape `(n, maxlen)`.

        For `sequence_targets=False`, x is padded with 0 in front, and y is the next id, int32 of shape `(n, 1)`.

        For `sequence_targets=True`, x is padded with 0 at the end, and y is float32 of shape `(n, maxlen, 2)`: the next
        id of each position and its weight. The weight is 0 after the end. With these weights, the mean over all
        examples of the sum over positions equals the mean over positions.
    """
    firsts = arrays["firsts"]
    ops: Any = np if isinstance(firsts, np.ndarray) else _keras_operations()
    number = ops.searchsorted(firsts, indices, side="right") - 1
    begin, end = take(arrays["begins"], number), take(arrays["ends"], number)
    step = indices - take(firsts, number)
    if not settings.sequence_targets:
        target = begin + 1 + step
        positions = target[:, None] - settings.maxlen + np.arange(settings.maxlen)
        positions = ops.where(positions >= begin[:, None], positions, 0)
        return take(arrays["ids"], positions), take(arrays["ids"], target)[:, None]
    low = begin + step * settings.maxlen
    positions = low[:, None] + np.arange(settings.maxlen + 1)
    ids = take(arrays["ids"], ops.where(positions <= end[:, None], positions, 0))
    x = ops.where(positions[:, :-1] < end[:, None], ids[:, :-1], 0)
    y = ops.cast(ids[:, 1:], "float32") if ops is not np else ids[:, 1:].astype(np.float32)
    weight = ops.where(y > 0, arrays["weight"], np.float32(0))
    return x, ops.stack([y, weight], -1)


class Sentences:
    """The sentences of a data set, encoded with the settings of a run; use `dataset.derived(Sentences, settings)`.

    If the validation sentences are the first or last rows, equal sentences are removed from the training split.

    Attributes:
        dataset: prepared text.
        settings: batch-time settings of the run.
        split: rows of each split.
        tokens: codes of the words of each sentence.

    Raises:
        DataError: the sentences to train or to validate on have no words, or a split does not fit the data set.
    """

    def __init__(self, dataset: Dataset, settings: LanguageModelingSettings):
        self.dataset = dataset
        self.settings = settings
        self.tokens = dataset.ragged("tokens")
        unit = dataset.manifest.report["unit"]
        split = split_rows(dataset, settings.val, settings.val_selection, settings.train_samples, noun=unit)
        if settings.val_selection != "hash":
            keys = dataset.column("key")
            repeated = np.isin(keys.take(split.train), keys.take(split.val))
            split = SplitRows(split.train[~repeated], split.val, split.test)
        self.split = split
        for name in ("train", "val"):
            if not self.tokens.lengths[getattr(split, name)].any():
                raise DataError(
                    f"the {unit}s to {'train' if name == 'train' else 'validate'} on of data set "
                    f"{dataset.manifest.name} have no words: it has {dataset.rows:,} {unit}s in all",
                    hint="give more text, or another --set val",
                )

    @property
    def begins(self) -> np.ndarray:
        """Position of each sentence's start token in `ids`, whose first element is padding."""
        return self.tokens.offsets[:-1] + _ADDED * np.arange(len(self.tokens)) + 1

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of occurrences of each prepared vocabulary word in the training sentences, int64."""
        words = self.dataset.extra("vocabulary").num_rows
        counts = np.zeros(words + 1, np.int64)
        for begin, end, codes, offsets in self.blocks():
            in_training = np.repeat(self._is_training[begin:end], np.diff(offsets))
            counts += count_codes(codes, in_training, words)
        return counts[1:]

    @cached_property
    def _ranked(self) -> np.ndarray:
        """Codes of the words that have an id, the most frequent first."""
        order = np.argsort(-self.counts, kind="stable")
        known = int((self.counts >= self.settings.min_count).sum())
        return order[: min(known, self.settings.max_features - FIRST)]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Vocabulary of the run.

        Raises:
            DataError: no word occurs `min_count` times in the training sentences.
        """
        words = self.dataset.extra("vocabulary").column("word").combine_chunks()
        if not len(self._ranked):
            raise DataError(
                f"no word occurs {self.settings.min_count} times or more in the sentences to train on of data set "
                f"{self.dataset.manifest.name}: lower min_count (now {self.settings.min_count}), or give more text"
            )
        return Vocabulary(words.take(self._ranked))

    @cached_property
    def lookup(self) -> np.ndarray:
        """The id of each word by its code, int32 of shape (words + 1,).

        The last element is the id of unknown words, so that code -1 selects it.
        """
        ids = np.full(len(self.counts) + 1, UNKNOWN, np.int32)
        ids[self._ranked] = np.arange(FIRST, FIRST + len(self._ranked))
        return ids

    @cached_property
    def ids(self) -> np.ndarray:
        """A 0 followed by the packed ids of all sentences, int32, as one copy in memory."""
        parts = [packed(self.lookup[codes], offsets) for _, _, codes, offsets in self.blocks()]
        return np.concatenate([np.zeros(1, np.int32), *parts])

    @property
    def nbytes(self) -> int:
        """Size of `ids` in bytes."""
        return 4 * (1 + int(self.tokens.offsets[-1]) + _ADDED * len(self.tokens))

    def bigrams(self) -> Bigrams:
        """Return the smoothed bigrams of the training sentences."""
        before, after = [], []
        for begin, end, codes, offsets in self.blocks():
            ids = packed(self.lookup[codes], offsets)
            lengths = np.diff(offsets)
            learned = np.repeat(self._is_training[begin:end] & (lengths > 0), lengths + _ADDED)
            following = learned[1:] & (ids[1:] != START)
            before.append(ids[:-1][following])
            after.append(ids[1:][following])
        return Bigrams.of(np.concatenate(before), np.concatenate(after), self.vocabulary.features)

    def unknown(self, name: str) -> float:
        """Return the share of unknown words among the words of a split, 0 if the split has no words."""
        inside = np.zeros(self.dataset.rows, bool)
        inside[getattr(self.split, name)] = True
        count = total = 0
        for begin, end, codes, offsets in self.blocks():
            of_split = codes[np.repeat(inside[begin:end], np.diff(offsets))]
            count += int((self.lookup[of_split] == UNKNOWN).sum())
            total += len(of_split)
        return count / total if total else 0.0

    def blocks(self) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """Yield all sentences in blocks of a bounded number of words.

        Yields:
            The first row, the end row (exclusive), the codes, and the offsets relative to the block.
        """
        offsets = self.tokens.offsets
        begin = 0
        while begin < len(self.tokens):
            end = max(int(np.searchsorted(offsets, offsets[begin] + _BLOCK, side="right")) - 1, begin + 1)
            low, high = int(offsets[begin]), int(offsets[end])
            yield begin, end, self.tokens.slice(low, high), offsets[begin : end + 1] - low
            begin = end

    @cached_property
    def _is_training(self) -> np.ndarray:
        training = np.zeros(self.dataset.rows, bool)
        training[self.split.train] = True
        return training


@dataclass(frozen=True)
class Positions:
    """Batch source of one split.

    Attributes:
        sentences: sentences of all splits.
        name: name of the split.
    """

    sentences: Sentences
    name: str

    @property
    def rows(self) -> np.ndarray:
        """Data set rows of this split's sentences, in ascending order."""
        rows: np.ndarray = getattr(self.sentences.split, self.name)
        return rows

    @cached_property
    def layout(self) -> dict[str, np.ndarray]:
        """Arrays that locate this split's examples in the packed ids; see the function `layout`."""
        return layout(self.sentences.begins[self.rows], self.sentences.tokens.lengths[self.rows], self.settings)

    @property
    def settings(self) -> LanguageModelingSettings:
        """Batch-time settings of the run."""
        return self.sentences.settings

    @property
    def targets(self) -> int:
        """Number of positions to predict: words and ends of sentences."""
        lengths = self.sentences.tokens.lengths[self.rows]
        return int((lengths + (lengths > 0)).sum())

    def __len__(self) -> int:
        return int(self.layout["firsts"][-1])

    @property
    def nbytes(self) -> int:
        """Size of `arrays` on a device in bytes."""
        return self.sentences.nbytes + sum(array.nbytes for array in self.layout.values())

    @property
    def batch_bytes(self) -> int:
        """Bytes of x and y of one example."""
        return (12 if self.settings.sequence_targets else 4) * self.settings.maxlen + 4

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the ids of all sentences, which all splits share, and the layout of this split."""
        return {"ids": self.sentences.ids, **self.layout}

    def mapped(self) -> dict[str, Any]:
        """Return the sentences on disk, which are encoded when positions are taken, and the layout of this split."""
        return {"ids": _OnDisk(self.sentences), **self.layout}

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        """Build a batch; see the function `gather`."""
        return gather(indices, arrays, take, self.settings)


class _OnDisk:
    """Packed ids of sentences on disk, encoded when positions are taken."""

    def __init__(self, sentences: Sentences):
        self._sentences = sentences
        self._begins = sentences.begins

    def take(self, positions: Any) -> np.ndarray:
        """Return the ids at the given positions, in their shape."""
        positions = np.asarray(positions)
        flat = positions.reshape(-1)
        row = np.maximum(np.searchsorted(self._begins, flat, side="right") - 1, 0)
        word = flat - self._begins[row] - 1  # index in the sentence; -1 is the start token
        length = self._sentences.tokens.lengths[row]
        out = np.where(word < 0, np.int32(START), np.int32(END))
        out[flat == 0] = 0
        inside = np.flatnonzero((flat > 0) & (word >= 0) & (word < length))
        out[inside] = self._sentences.lookup[self._codes(self._sentences.tokens.offsets[row[inside]] + word[inside])]
        return out.reshape(positions.shape)

    def _codes(self, words: np.ndarray) -> np.ndarray:
        """Return the codes of words by their index in the data set, reading nearby words in one slice."""
        order = np.argsort(words, kind="stable")
        ordered = words[order]
        out = np.empty(len(words), np.int32)
        cuts = np.flatnonzero(np.diff(ordered) > 1 << 12) + 1
        for indices in np.split(np.arange(len(ordered)), cuts):
            if len(indices):
                low, high = int(ordered[indices[0]]), int(ordered[indices[-1]])
                out[order[indices]] = self._sentences.tokens.slice(low, high + 1)[ordered[indices] - low]
        return out


def _keras_operations() -> Any:
    from keras import ops

    return ops
