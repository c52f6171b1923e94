"""All pairs of a data set, encoded with the vocabularies of a run."""

from functools import cached_property

import numpy as np

from raysq.data.columns import count_codes
from raysq.data.dataset import Dataset
from raysq.problems.even_rows import evenly
from raysq.problems.row_batches import column_weights
from raysq.problems.translation.dictionary import Dictionary, fit_dictionary
from raysq.problems.translation.settings import TranslationSettings
from raysq.problems.translation.split_pairs import split_pairs
from raysq.problems.translation.vocabulary import END, rank_words
from raysq.text.subwords import Subwords

_DICTIONARY = 100_000  # maximum number of pairs that the word-by-word dictionary is fitted to
_UNLIMITED = 1 << 20  # length to which no sentence is truncated


class Side:
    """The sentences of one language, of all pairs.

    Args:
        dataset: prepared sentence pairs.
        name: "source" or "target".
        training: whether each pair is trained on, bool.
        max_size: maximum number of ids.

    Attributes:
        vocabulary: the words that have an id.
        ids: id of each word of the prepared vocabulary; the last entry is that of an unknown word.
        tokens: word codes of each sentence.
        counts: number of occurrences of each word of the prepared vocabulary in the training sentences.
    """

    def __init__(self, dataset: Dataset, name: str, training: np.ndarray, max_size: int) -> None:
        self.tokens = dataset.ragged(f"{name}_tokens")
        words = dataset.extra(f"{name}_vocabulary").column("word").combine_chunks()
        counts = np.zeros(len(words) + 1, np.int64)
        for begin, end, codes, offsets in self.tokens.blocks():
            counts += count_codes(codes, np.repeat(training[begin:end], np.diff(offsets)), len(words))
        self.counts = counts[1:]
        subwords = None
        if f"{name}_subwords" in dataset.extras:
            subwords = Subwords(dataset.extra(f"{name}_subwords").column("tokenizer")[0].as_py())
        self.vocabulary, self.ids = rank_words(words, self.counts, max_size, subwords)

    @property
    def unknown(self) -> float:
        """Share of the words of the training sentences that have no id."""
        known = self.counts[self.ids[:-1] > 1].sum()
        return float(1 - known / max(1, self.counts.sum()))

    def encode(self, max_length: int, end_token: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all sentences as one int32 array after a leading 0, and the int64 start of each sentence.

        The sentences are truncated as by `truncate`.
        """
        ids, lengths = [np.zeros(1, np.int32)], []
        for _, _, codes, offsets in self.tokens.blocks():
            block, block_lengths = truncate(self.ids[codes], offsets, max_length, end_token)
            ids.append(block)
            lengths.append(block_lengths)
        return np.concatenate(ids), _starts(np.concatenate(lengths))

    def encode_rows(self, rows: np.ndarray, max_length: int, end_token: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the same for some rows, read from disk."""
        codes = [np.empty(0, np.int32), *(self.tokens.row(row) for row in rows.tolist())]
        offsets = np.cumsum([len(sentence) for sentence in codes]).astype(np.int64)
        ids, lengths = truncate(self.ids[np.concatenate(codes)], offsets, max_length, end_token)
        return np.concatenate([np.zeros(1, np.int32), ids]), _starts(lengths)


def truncate(ids: np.ndarray, offsets: np.ndarray, max_length: int, end_token: bool) -> tuple[np.ndarray, np.ndarray]:
    """Truncate sentences at their end.

    Args:
        ids: ids of all sentences, int32.
        offsets: int64 of shape `(sentences + 1,)`.
        max_length: maximum number of ids of a sentence, the end token included.
        end_token: whether to append 3 ("eos") to each sentence that leaves room for it.

    Returns:
        The ids of all sentences, and the length of each.
    """
    lengths = np.diff(offsets)
    if end_token:
        ids = np.insert(ids, offsets[1:], END)
        offsets = offsets + np.arange(len(offsets))
        lengths = lengths + 1
    kept = np.minimum(lengths, max_length)
    positions = np.arange(kept.sum()) + np.repeat(offsets[:-1] - (np.cumsum(kept) - kept), kept)
    return ids[positions].astype(np.int32), kept


def _starts(lengths: np.ndarray) -> np.ndarray:
    """Return the start of each sentence after a leading 0, and the end of the last."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64) + 1


class ParallelCorpus:
    """All pairs of a data set, encoded for a model.

    Args:
        dataset: prepared sentence pairs.
        settings: resolved settings.

    Attributes:
        settings: the settings.
        split: rows of each split.
        source: the source sentences.
        target: the target sentences.
    """

    def __init__(self, dataset: Dataset, settings: TranslationSettings) -> None:
        self.settings = settings
        self._dataset = dataset
        self.split = split_pairs(dataset, settings.val, settings.train_pairs)
        training = np.zeros(dataset.rows, bool)
        training[self.split.train] = True
        self.source = Side(dataset, "source", training, settings.source_words)
        self.target = Side(dataset, "target", training, settings.target_words)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The ids of all pairs, in memory."""
        width, positions = self.settings.lengths
        source, source_starts = self.source.encode(width, end_token=False)
        target, target_starts = self.target.encode(positions, end_token=True)
        return {"source": source, "source_begins": source_starts, "target": target, "target_begins": target_starts}

    def arrays_of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the same for some rows, read from disk."""
        width, positions = self.settings.lengths
        source, source_starts = self.source.encode_rows(rows, width, end_token=False)
        target, target_starts = self.target.encode_rows(rows, positions, end_token=True)
        return {"source": source, "source_begins": source_starts, "target": target, "target_begins": target_starts}

    @property
    def nbytes(self) -> int:
        """Bytes of `arrays`."""
        width, positions = self.settings.lengths
        ids = np.minimum(self.source.tokens.lengths, width).sum()
        ids += np.minimum(self.target.tokens.lengths + 1, positions).sum()
        return int(4 * ids + 16 * len(self.source.tokens) + 40)

    @cached_property
    def dictionary(self) -> Dictionary:
        """The word-by-word dictionary of the training pairs."""
        rows = self.split.train[evenly(len(self.split.train), _DICTIONARY)]
        source, target = (side.encode_rows(rows, _UNLIMITED, end_token=False) for side in (self.source, self.target))
        return fit_dictionary(*source, *target, self.source.vocabulary.size, self.target.vocabulary.size)

    def weights(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the weight of each pair in the loss, or None where all weigh the same."""
        return column_weights(self._dataset, rows)

    def target_lengths(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of words in y of each pair, end token included, int64."""
        lengths: np.ndarray = np.minimum(self.target.tokens.lengths[rows] + 1, self.settings.lengths[1])
        return lengths
