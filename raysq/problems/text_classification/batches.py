"""Documents of a split: their ids in memory or read from disk, and the gather that builds a batch of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data.columns import contiguous_array, count_codes, validate_range
from raysq.data.dataset import Dataset
from raysq.errors import DataError, UsageError
from raysq.problems.splits import split_rows
from raysq.problems.text_classification.bags import bags, document_counts, inverse_frequency
from raysq.problems.text_classification.ragged import Packed, padded
from raysq.problems.text_classification.sequences import sequences
from raysq.problems.text_classification.settings import TextClassificationSettings
from raysq.problems.text_classification.vocabulary import Vocabulary, ranked, ranked_runs

_BLOCK = 1 << 22  # tokens that are looked at together


def encode(codes: np.ndarray, offsets: np.ndarray, vocabulary: Vocabulary) -> Packed:
    """Documents as the ids that a model sees.

    Args:
        codes: int32 of shape (tokens,), codes of the vocabulary's words, -1 for an unknown word.
        offsets: int64 of shape (documents + 1,), where the tokens of each document begin.
        vocabulary: gives the ids.
    """
    return (bags if vocabulary.settings.bag else sequences)(codes, offsets, vocabulary)


def vectorize(
    codes: np.ndarray,
    offsets: np.ndarray,
    words: pa.Array,
    vocabulary: Vocabulary,
    settings: TextClassificationSettings,
) -> np.ndarray:
    """x of documents that are in no data set, as `Texts.gather` makes it of those that are.

    Args:
        codes: int32 of shape (tokens,), places in `words`.
        offsets: int64 of shape (documents + 1,), where the tokens of each document begin.
        words: string array of the distinct words of these documents.
        vocabulary: of the run.
        settings: of the run.

    Returns:
        int32 of shape (documents, maxlen); of bags (documents, width), or (documents, 2, width) with counts.
    """
    if settings.hashing:
        # Any word has a hash: these words are all the vocabulary there is.
        vocabulary = Vocabulary(words, vocabulary.terms, settings)
    else:
        codes = np.append(vocabulary.codes(words), np.int32(-1))[codes]
    return encode(codes, offsets, vocabulary).x(settings)


class Documents:
    """The documents of a data set, as a model sees them.

    Attributes:
        dataset: prepared texts.
        settings: what a model sees of them.
        split: rows of each split.
        tokens: codes of the words of each document.
        labels: int32 of shape (documents,), numbers of the classes.
    """

    def __init__(self, dataset: Dataset, settings: TextClassificationSettings):
        self.dataset = dataset
        self.settings = settings
        self.split = split_rows(dataset, settings.val, settings.pick, settings.train_samples)
        self.tokens = dataset.ragged("tokens")
        self.labels = dataset.column("label").slice(0, dataset.rows)
        validate_range(self.labels, 0, len(dataset.manifest.report["classes"]), "class number")

    @cached_property
    def counts(self) -> np.ndarray:
        """How often the training documents have each word of the prepared vocabulary, int64."""
        words = self.dataset.extra("vocabulary").num_rows
        found = np.zeros(words + 1, np.int64)
        training = self._is_training
        for begin, end, codes, offsets in self.blocks():
            there = np.repeat(training[begin:end], np.diff(offsets))
            found += count_codes(codes, there, words)
        return found[1:]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words that have an id.

        Raises:
            DataError: the training documents have no words.
        """
        words = self.dataset.extra("vocabulary").column("word").combine_chunks()
        if not self.counts.any():
            raise DataError(
                f"the training documents of data set {self.dataset.manifest.name} have no words: look at the texts, or "
                "prepare them with another split or filters"
            )
        if self.settings.ngrams > 1 and not self.settings.hashing:
            terms = ranked_runs(self.settings, self.counts, *self._training())
        else:
            terms = ranked(self.settings, self.counts)
        return Vocabulary(words, terms, self.settings)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The ids of all documents, packed, and their labels: one private copy."""
        parts = (encode(codes, offsets, self.vocabulary) for _, _, codes, offsets in self.blocks())
        return {**Packed.joined(parts).arrays(), "labels": self.labels}

    @property
    def nbytes(self) -> int:
        """Bytes that `arrays` takes at most; bags, and sequences without their unknown words, take less."""
        ids = self.tokens.lengths + int(self.settings.marked)
        if self.settings.bag:
            total = int(ids.sum()) * self.settings.ngrams * (2 if self.settings.counted else 1)
        else:
            total = int(np.minimum(ids, self.settings.maxlen).sum())
        return 4 * (1 + total) + 20 * len(self.tokens)

    @property
    def priors(self) -> tuple[float, ...]:
        """The share of each class in the training documents."""
        classes = len(self.dataset.manifest.report["classes"])
        counts = np.bincount(self.labels[self.split.train], minlength=classes)
        return tuple((counts / counts.sum()).tolist())

    def idf(self) -> np.ndarray:
        """The weight of each id by how many training documents have it, float32 of shape (features,)."""
        features = self.vocabulary.features
        holding = np.zeros(features, np.int64)
        for begin, end, codes, offsets in self.blocks():
            (rows,) = np.nonzero(self._is_training[begin:end])
            holding += document_counts(bags(codes, offsets, self.vocabulary), rows, features)
        return inverse_frequency(len(self.split.train), holding)

    def vectors(self) -> np.ndarray | None:
        """The word vector of each id, float32 of shape (features, dimension), zero for ids without one; None where the
        data set was prepared without vectors.

        Raises:
            UsageError: ids are hashes, which several words share.
        """
        if self.dataset.manifest.report.get("vectors") is None:
            return None
        if self.settings.hashing:
            raise UsageError(f"word vectors need a vocabulary, and hashing is {self.settings.hashing}: set hashing=0")
        table = self.dataset.extra("vectors")
        vectors = contiguous_array(table.column("vector"))
        ids = self.vocabulary.singles[table.column("word").to_numpy()]
        given = ids >= self.settings.first
        found = np.zeros((self.vocabulary.features, vectors.type.list_size), np.float32)
        found[ids[given]] = vectors.values.to_numpy().reshape(len(vectors), vectors.type.list_size)[given]
        return found

    def blocks(self) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """All documents, a bounded number of tokens at a time: first and end row, codes, and offsets from 0 on."""
        offsets = self.tokens.offsets
        begin = 0
        while begin < len(self.tokens):
            end = max(int(np.searchsorted(offsets, offsets[begin] + _BLOCK, side="right")) - 1, begin + 1)
            low, high = int(offsets[begin]), int(offsets[end])
            yield begin, end, self.tokens.slice(low, high), offsets[begin : end + 1] - low
            begin = end

    def rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The codes and the offsets of some documents."""
        parts = [self.tokens.row(row) for row in rows.tolist()]
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        return np.concatenate([np.empty(0, np.int32), *parts]), offsets

    @cached_property
    def _is_training(self) -> np.ndarray:
        training = np.zeros(self.dataset.rows, bool)
        training[self.split.train] = True
        return training

    def _training(self) -> tuple[np.ndarray, np.ndarray]:
        """Codes and offsets of the training documents."""
        lengths = self.tokens.lengths[self.split.train]
        parts = [
            codes[np.repeat(self._is_training[begin:end], np.diff(offsets))]
            for begin, end, codes, offsets in self.blocks()
        ]
        return np.concatenate(parts), np.concatenate([[0], np.cumsum(lengths)])


@lru_cache(maxsize=1)
def documents(dataset: Dataset, settings: TextClassificationSettings) -> Documents:
    """The documents of a data set; the last ones asked for are kept, for facts, inputs and examples ask in turn."""
    return Documents(dataset, settings)


@dataclass(frozen=True)
class Texts:
    """The documents of one split.

    Attributes:
        documents: those of all splits.
        name: of the split.
    """

    documents: Documents
    name: str

    @property
    def rows(self) -> np.ndarray:
        """The row of the data set of each example, rising."""
        rows: np.ndarray = getattr(self.documents.split, self.name)
        return rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes that `arrays` takes on a device, at most."""
        return self.documents.nbytes + self.rows.nbytes

    @property
    def batch_bytes(self) -> int:
        """Bytes of one document and its label; of a bag those of a document of mean length."""
        settings = self.documents.settings
        if not settings.bag:
            return 4 * (settings.maxlen + 1)
        mean = float(self.documents.tokens.lengths.mean()) * settings.ngrams
        return int(4 * (mean * (2 if settings.counted else 1) + 1))

    def arrays(self) -> dict[str, np.ndarray]:
        """The ids of all documents, the same arrays for every split, and the rows of this one."""
        return {**self.documents.arrays, "rows": self.rows}

    def mapped(self) -> dict[str, Any]:
        """The documents on disk, turned into x when rows are taken."""
        return {"x": _OnDisk(self.documents), "labels": self.documents.labels, "rows": self.rows}

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        """Builds a batch.

        Args:
            indices: int vector of n numbers of examples (NumPy or TensorFlow).
            arrays: what `arrays` or `mapped` gave, or device copies.
            take: gathers rows of an array.

        Returns:
            x, int32: of sequences `(n, maxlen)`; of bags `(n, width)`, padded with 0 at the end, or `(n, 2, width)`
            with the counts beside the ids, as wide as the widest of the batch. y, int32 of shape `(n, 1)`.
        """
        rows = take(arrays["rows"], indices)
        y = take(arrays["labels"], rows)[:, None]
        x = take(arrays["x"], rows) if "x" in arrays else padded(rows, arrays, take, self.documents.settings)
        return x, y


class _OnDisk:
    """x of documents, read when they are taken."""

    def __init__(self, documents: Documents):
        self._documents = documents

    def take(self, rows: Any) -> np.ndarray:
        """x of the documents of an int vector."""
        codes, offsets = self._documents.rows(np.asarray(rows))
        return encode(codes, offsets, self._documents.vocabulary).x(self._documents.settings)
