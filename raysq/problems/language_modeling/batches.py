"""Positions of a split: sentences as packed ids, and the gather that finds each position's beginning in them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from raysq.data.columns import count_codes
from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems import splits
from raysq.problems.language_modeling.bigrams import Bigrams
from raysq.problems.language_modeling.settings import END, FIRST, START, UNKNOWN, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import Vocabulary

_BLOCK = 1 << 22  # tokens that are looked at together
_MARKS = 2  # ids of a sentence that are no words: start and end


def packed(ids: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sentences with their marks one after the other, int32 of shape (words + 2 * sentences,).

    Args:
        ids: int32 of shape (words,).
        offsets: int64 of shape (sentences + 1,), where the words of each sentence begin.
    """
    count = len(offsets) - 1
    out = np.empty(len(ids) + _MARKS * count, np.int32)
    out[np.arange(len(ids)) + np.repeat(_MARKS * np.arange(count) + 1, np.diff(offsets))] = ids
    out[offsets[:-1] + _MARKS * np.arange(count)] = START
    out[offsets[1:] + _MARKS * np.arange(count) + 1] = END
    return out


def layout(begins: np.ndarray, lengths: np.ndarray, settings: LanguageModelingSettings) -> dict[str, np.ndarray]:
    """The arrays by which `gather` finds an example in packed ids; not those ids themselves.

    Args:
        begins: int64 of shape (sentences,), the place of each start mark.
        lengths: int64 of shape (sentences,), words of each sentence; one without words has no examples.
        settings: how many examples a sentence has.
    """
    targets = np.where(lengths > 0, lengths + 1, 0)
    examples = -(-targets // settings.maxlen) if settings.every else targets
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
    """The batch of the given examples.

    Args:
        indices: int vector of n numbers of examples (NumPy or TensorFlow).
        arrays: "ids", int32, 0 and then packed sentences, and what `layout` gave, or device copies.
        take: gathers rows of an array.
        settings: how long x is, and which positions are predicted.

    Returns:
        x, int32 of shape `(n, maxlen)`. Of the last position: padded with 0 in front, and y the id that follows, int32
        of shape `(n, 1)`. Of every position: padded with 0 at the end, and y float32 of shape `(n, maxlen, 2)`, the id
        that follows each and its weight, 0 behind the end, such that the mean over all examples of the sum over
        positions is the mean over positions.
    """
    firsts = arrays["firsts"]
    ops: Any = np if isinstance(firsts, np.ndarray) else _keras_operations()
    number = ops.searchsorted(firsts, indices, side="right") - 1
    begin, end = take(arrays["begins"], number), take(arrays["ends"], number)
    step = indices - take(firsts, number)
    if not settings.every:
        target = begin + 1 + step
        places = target[:, None] - settings.maxlen + np.arange(settings.maxlen)
        places = ops.where(places >= begin[:, None], places, 0)
        return take(arrays["ids"], places), take(arrays["ids"], target)[:, None]
    low = begin + step * settings.maxlen
    places = low[:, None] + np.arange(settings.maxlen + 1)
    ids = take(arrays["ids"], ops.where(places <= end[:, None], places, 0))
    x = ops.where(places[:, :-1] < end[:, None], ids[:, :-1], 0)
    y = ops.cast(ids[:, 1:], "float32") if ops is not np else ids[:, 1:].astype(np.float32)
    weight = ops.where(y > 0, arrays["weight"], np.float32(0))
    return x, ops.stack([y, weight], -1)


class Sentences:
    """The sentences of a data set, as a model sees them.

    Attributes:
        dataset: prepared texts.
        settings: what a model sees of them.
        split: rows of each split.
        tokens: codes of the words of each sentence.
    """

    def __init__(self, dataset: Dataset, settings: LanguageModelingSettings):
        self.dataset = dataset
        self.settings = settings
        self.tokens = dataset.ragged("tokens")
        unit = dataset.manifest.report["unit"]
        found = splits.split_rows(dataset, settings.val, settings.pick, settings.train_samples, noun=unit)
        if settings.pick != "hash":
            keys = dataset.column("key")
            repeated = np.isin(keys.take(found.train), keys.take(found.val))
            found = splits.SplitSettings(found.train[~repeated], found.val, found.test)
        self.split = found
        for name in ("train", "val"):
            if not self.tokens.lengths[getattr(found, name)].any():
                raise DataError(
                    f"the {unit}s to {'train' if name == 'train' else 'validate'} on of data set "
                    f"{dataset.manifest.name} have no words: it has {dataset.rows:,} {unit}s in all",
                    hint="give more text, or another --set val",
                )

    @property
    def begins(self) -> np.ndarray:
        """The place of each sentence's start mark in the ids; the first id is padding."""
        return self.tokens.offsets[:-1] + _MARKS * np.arange(len(self.tokens)) + 1

    @cached_property
    def counts(self) -> np.ndarray:
        """How often the training sentences have each word of the prepared vocabulary, int64."""
        words = self.dataset.extra("vocabulary").num_rows
        found = np.zeros(words + 1, np.int64)
        for begin, end, codes, offsets in self.blocks():
            there = np.repeat(self._is_training[begin:end], np.diff(offsets))
            found += count_codes(codes, there, words)
        return found[1:]

    @cached_property
    def _ranked(self) -> np.ndarray:
        """The codes of the words that have an id, by falling count."""
        order = np.argsort(-self.counts, kind="stable")
        known = int((self.counts >= self.settings.min_count).sum())
        return order[: min(known, self.settings.max_features - FIRST)]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words that have an id.

        Raises:
            DataError: there are none.
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
        """The id of each word by its code, int32; behind them, for code -1, that of unknown words."""
        found = np.full(len(self.counts) + 1, UNKNOWN, np.int32)
        found[self._ranked] = np.arange(FIRST, FIRST + len(self._ranked))
        return found

    @cached_property
    def ids(self) -> np.ndarray:
        """0, and the packed ids of all sentences, int32: one private copy."""
        parts = [packed(self.lookup[codes], offsets) for _, _, codes, offsets in self.blocks()]
        return np.concatenate([np.zeros(1, np.int32), *parts])

    @property
    def nbytes(self) -> int:
        """Bytes that `ids` takes."""
        return 4 * (1 + int(self.tokens.offsets[-1]) + _MARKS * len(self.tokens))

    def bigrams(self) -> Bigrams:
        """The smoothed pairs of the training sentences."""
        before, after = [], []
        for begin, end, codes, offsets in self.blocks():
            ids = packed(self.lookup[codes], offsets)
            lengths = np.diff(offsets)
            learned = np.repeat(self._is_training[begin:end] & (lengths > 0), lengths + _MARKS)
            following = learned[1:] & (ids[1:] != START)
            before.append(ids[:-1][following])
            after.append(ids[1:][following])
        return Bigrams.of(np.concatenate(before), np.concatenate(after), self.vocabulary.features)

    def unknown(self, name: str) -> float:
        """The share of unknown words among those of a split; 0 where it has none."""
        inside = np.zeros(self.dataset.rows, bool)
        inside[getattr(self.split, name)] = True
        count = total = 0
        for begin, end, codes, offsets in self.blocks():
            mine = codes[np.repeat(inside[begin:end], np.diff(offsets))]
            count += int((self.lookup[mine] == UNKNOWN).sum())
            total += len(mine)
        return count / total if total else 0.0

    def blocks(self) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """All sentences, a bounded number of words at a time: first and end row, codes, and offsets from 0 on."""
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


@lru_cache(maxsize=1)
def sentences(dataset: Dataset, settings: LanguageModelingSettings) -> Sentences:
    """The sentences of a data set; the last ones asked for are kept, for facts, inputs and examples ask in turn."""
    return Sentences(dataset, settings)


@dataclass(frozen=True)
class Positions:
    """The positions of one split.

    Attributes:
        sentences: those of all splits.
        name: of the split.
    """

    sentences: Sentences
    name: str

    @property
    def rows(self) -> np.ndarray:
        """The rows of the data set of this split's sentences, rising."""
        rows: np.ndarray = getattr(self.sentences.split, self.name)
        return rows

    @cached_property
    def layout(self) -> dict[str, np.ndarray]:
        """Where the sentences and their examples begin; see `layout`."""
        return layout(self.sentences.begins[self.rows], self.sentences.tokens.lengths[self.rows], self.settings)

    @property
    def settings(self) -> LanguageModelingSettings:
        """What a model sees."""
        return self.sentences.settings

    @property
    def targets(self) -> int:
        """Positions to predict: words and ends."""
        lengths = self.sentences.tokens.lengths[self.rows]
        return int((lengths + (lengths > 0)).sum())

    def __len__(self) -> int:
        return int(self.layout["firsts"][-1])

    @property
    def nbytes(self) -> int:
        """Bytes that `arrays` takes on a device."""
        return self.sentences.nbytes + sum(array.nbytes for array in self.layout.values())

    @property
    def batch_bytes(self) -> int:
        """Bytes of one example's x and y."""
        return (12 if self.settings.every else 4) * self.settings.maxlen + 4

    def arrays(self) -> dict[str, np.ndarray]:
        """The ids of all sentences, the same array for every split, and the places of this one's."""
        return {"ids": self.sentences.ids, **self.layout}

    def mapped(self) -> dict[str, Any]:
        """The sentences on disk, turned into ids when places are taken."""
        return {"ids": _OnDisk(self.sentences), **self.layout}

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        """Builds a batch; see `gather`."""
        return gather(indices, arrays, take, self.settings)


class _OnDisk:
    """The packed ids, read when they are taken."""

    def __init__(self, sentences: Sentences):
        self._sentences = sentences
        self._begins = sentences.begins

    def take(self, places: Any) -> np.ndarray:
        """The ids at places of any shape."""
        places = np.asarray(places)
        flat = places.reshape(-1)
        row = np.maximum(np.searchsorted(self._begins, flat, side="right") - 1, 0)
        word = flat - self._begins[row] - 1  # of its sentence; -1 is the start mark
        length = self._sentences.tokens.lengths[row]
        out = np.where(word < 0, np.int32(START), np.int32(END))
        out[flat == 0] = 0
        inside = np.flatnonzero((flat > 0) & (word >= 0) & (word < length))
        out[inside] = self._sentences.lookup[self._codes(self._sentences.tokens.offsets[row[inside]] + word[inside])]
        return out.reshape(places.shape)

    def _codes(self, words: np.ndarray) -> np.ndarray:
        """The codes of words by their number in the data set, read in as few stretches as they lie in."""
        order = np.argsort(words, kind="stable")
        wanted = words[order]
        out = np.empty(len(words), np.int32)
        cuts = np.flatnonzero(np.diff(wanted) > 1 << 12) + 1
        for places in np.split(np.arange(len(wanted)), cuts):
            if len(places):
                low, high = int(wanted[places[0]]), int(wanted[places[-1]])
                out[order[places]] = self._sentences.tokens.slice(low, high + 1)[wanted[places] - low]
        return out


def _keras_operations() -> Any:
    from keras import ops

    return ops
