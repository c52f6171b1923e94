"""Batch sources of language modeling: the sentences of a data set, and the positions of a split."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raysq.data.columns import count_codes
from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems.language_modeling.bigrams import Bigrams
from raysq.problems.language_modeling.layout import ADDED, gather, layout, packed
from raysq.problems.language_modeling.settings import END, FIRST, START, UNKNOWN, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import LanguageVocabulary
from raysq.problems.row_batches import column_weights
from raysq.problems.splits import SplitRows, split_rows
from raysq.text.subwords import Subwords


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
        return self.tokens.offsets[:-1] + ADDED * np.arange(len(self.tokens)) + 1

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of occurrences of each prepared vocabulary word in the training sentences, int64."""
        words = self.dataset.extra("vocabulary").num_rows
        counts = np.zeros(words + 1, np.int64)
        for begin, end, codes, offsets in self.tokens.blocks():
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
    def vocabulary(self) -> LanguageVocabulary:
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
        subwords = None
        if "subwords" in self.dataset.extras:
            subwords = Subwords(self.dataset.extra("subwords").column("tokenizer")[0].as_py())
        return LanguageVocabulary(words.take(self._ranked), subwords)

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
        parts = [packed(self.lookup[codes], offsets) for _, _, codes, offsets in self.tokens.blocks()]
        return np.concatenate([np.zeros(1, np.int32), *parts])

    @property
    def nbytes(self) -> int:
        """Size of `ids` in bytes."""
        return 4 * (1 + int(self.tokens.offsets[-1]) + ADDED * len(self.tokens))

    def bigrams(self) -> Bigrams:
        """Return the smoothed bigrams of the training sentences."""
        before, after = [], []
        for begin, end, codes, offsets in self.tokens.blocks():
            ids = packed(self.lookup[codes], offsets)
            lengths = np.diff(offsets)
            learned = np.repeat(self._is_training[begin:end] & (lengths > 0), lengths + ADDED)
            following = learned[1:] & (ids[1:] != START)
            before.append(ids[:-1][following])
            after.append(ids[1:][following])
        return Bigrams.of(np.concatenate(before), np.concatenate(after), self.vocabulary.features)

    def unknown(self, name: str) -> float:
        """Return the share of unknown words among the words of a split, 0 if the split has no words."""
        inside = np.zeros(self.dataset.rows, bool)
        inside[getattr(self.split, name)] = True
        count = total = 0
        for begin, end, codes, offsets in self.tokens.blocks():
            of_split = codes[np.repeat(inside[begin:end], np.diff(offsets))]
            count += int((self.lookup[of_split] == UNKNOWN).sum())
            total += len(of_split)
        return count / total if total else 0.0

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
    def weights(self) -> np.ndarray | None:
        """Weight of each example, that of its sentence; None where all weigh the same."""
        weights = column_weights(self.sentences.dataset, self.rows)
        return None if weights is None else np.repeat(weights, np.diff(self.layout["firsts"]))

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

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the ids of all sentences, which all splits share, and the layout of this split."""
        return {"ids": self.sentences.ids, **self.layout}

    def mapped(self) -> dict[str, Any]:
        """Return the sentences on disk, which are encoded when positions are taken, and the layout of this split."""
        return {"ids": _SentencesOnDisk(self.sentences), **self.layout}

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        """Build a batch; see the function `gather`."""
        return gather(indices, arrays, take, self.settings)


class _SentencesOnDisk:
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
