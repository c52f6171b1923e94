"""Batch sources of text classification: documents encoded as ids, in memory or read from disk."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data.columns import contiguous_array, count_codes, validate_range
from raysq.data.dataset import Dataset
from raysq.errors import DataError, UsageError
from raysq.problems.class_weights import class_weights, weigh
from raysq.problems.row_batches import RowBatches, column_weights
from raysq.problems.splits import split_labeled_rows
from raysq.problems.text_classification.bags import bags, document_counts, inverse_frequency
from raysq.problems.text_classification.ragged import RaggedIds, padded
from raysq.problems.text_classification.sequences import sequences
from raysq.problems.text_classification.settings import TextClassificationSettings
from raysq.problems.text_classification.vocabulary import ClassificationVocabulary, rank_ngrams, rank_words


def encode(codes: np.ndarray, offsets: np.ndarray, vocabulary: ClassificationVocabulary) -> RaggedIds:
    """Encode documents as sequences or bags of ids.

    Args:
        codes: int32 of shape (tokens,), codes of the vocabulary's words; -1 for an unknown word.
        offsets: int64 of shape (documents + 1,), where the tokens of each document begin.
        vocabulary: maps codes to ids; its settings select sequences or bags.
    """
    return (bags if vocabulary.settings.bag else sequences)(codes, offsets, vocabulary)


def vectorize(
    codes: np.ndarray, offsets: np.ndarray, words: pa.Array, vocabulary: ClassificationVocabulary
) -> np.ndarray:
    """Return the model inputs of documents outside of a data set, in the format of `Texts.gather`.

    Args:
        codes: int32 of shape (tokens,), indices into `words`.
        offsets: int64 of shape (documents + 1,), where the tokens of each document begin.
        words: string array of the distinct words of these documents.
        vocabulary: vocabulary of the run.

    Returns:
        int32 of shape (documents, maxlen) for sequences; (documents, width) for bags, or (documents, 2, width) for
        bags with counts.
    """
    if vocabulary.settings.hashing:
        # Every word has a hash, so the words of these documents replace the vocabulary.
        vocabulary = ClassificationVocabulary(words, vocabulary.terms, vocabulary.settings)
    else:
        codes = np.append(vocabulary.codes(words), np.int32(-1))[codes]
    return encode(codes, offsets, vocabulary).x(vocabulary.settings)


class EncodedDocuments:
    """The documents of a data set, encoded with the settings of a run.

    Use `dataset.derived(EncodedDocuments, settings)`.

    Attributes:
        dataset: prepared documents.
        settings: batch-time settings of the run.
        split: rows of each split.
        tokens: codes of the words of each document.
        labels: int32 of shape (documents,), class indices, or indices of `sets`.
        classes: names of the classes or labels.
        sets: uint8 of shape (sets, labels), 1 for each label of a set, where documents may have several; else None.
        class_weights: weight of each class in training, or None for 1 each.

    Raises:
        DataError: a split does not fit the data set, or a class index is out of range.
    """

    def __init__(self, dataset: Dataset, settings: TextClassificationSettings):
        self.dataset = dataset
        self.settings = settings
        self.labels = dataset.column("label").slice(0, dataset.rows)
        self.split = split_labeled_rows(dataset, settings, self.labels)
        self.tokens = dataset.ragged("tokens")
        report = dataset.manifest.report
        self.classes: list[str] = report["classes"]
        self.sets = _set_matrix(report["sets"], len(self.classes)) if "sets" in report else None
        validate_range(self.labels, 0, len(self.classes) if self.sets is None else len(self.sets), "class number")
        if self.sets is not None and settings.class_weight is not None:
            raise UsageError("setting class_weight is for one class each, and these documents have several labels")
        self.class_weights = class_weights(settings.class_weight, self.classes, self.priors)

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of occurrences of each prepared vocabulary word in the training documents, int64."""
        words = self.dataset.extra("vocabulary").num_rows
        counts = np.zeros(words + 1, np.int64)
        for begin, end, codes, offsets in self.tokens.blocks():
            in_training = np.repeat(self._is_training[begin:end], np.diff(offsets))
            counts += count_codes(codes, in_training, words)
        return counts[1:]

    @cached_property
    def vocabulary(self) -> ClassificationVocabulary:
        """Vocabulary of the run.

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
            terms = rank_ngrams(self.settings, self.counts, *self._training())
        else:
            terms = rank_words(self.settings, self.counts)
        return ClassificationVocabulary(words, terms, self.settings)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The packed ids of all documents and their labels, as one copy in memory."""
        parts = (encode(codes, offsets, self.vocabulary) for _, _, codes, offsets in self.tokens.blocks())
        return {**RaggedIds.joined(parts).arrays(), **self.targets}

    @property
    def targets(self) -> dict[str, np.ndarray]:
        """The labels of all documents, and the sets that they stand for."""
        return {"labels": self.labels, **({} if self.sets is None else {"sets": self.sets})}

    @property
    def nbytes(self) -> int:
        """Upper bound of the size of `arrays` in bytes.

        Bags, and sequences without their unknown words, take less.
        """
        ids = self.tokens.lengths + int(self.settings.uses_special_tokens)
        if self.settings.bag:
            total = int(ids.sum()) * self.settings.ngrams * (2 if self.settings.has_counts else 1)
        else:
            total = int(np.minimum(ids, self.settings.maxlen).sum())
        return 4 * (1 + total) + 20 * len(self.tokens)

    @property
    def priors(self) -> list[float]:
        """Share of the training documents that have each class or label."""
        return self._shares(None)

    @property
    def weighted_priors(self) -> list[float]:
        """The same share, where a document counts as much as it weighs in the loss."""
        return self._shares(self.train_weights)

    def _shares(self, weights: np.ndarray | None) -> list[float]:
        codes = self.labels[self.split.train]
        counts = np.bincount(codes, weights, len(self.classes if self.sets is None else self.sets))
        total = counts.sum()
        if self.sets is not None:
            counts = counts @ self.sets.astype(np.int64)
        shares: list[float] = (counts / total).tolist()
        return shares

    def idf(self) -> np.ndarray:
        """Return the inverse document frequency of each id in the training split, float32 of shape (features,)."""
        features = self.vocabulary.features
        holding = np.zeros(features, np.int64)
        for begin, end, codes, offsets in self.tokens.blocks():
            (rows,) = np.nonzero(self._is_training[begin:end])
            holding += document_counts(bags(codes, offsets, self.vocabulary), rows, features)
        return inverse_frequency(len(self.split.train), holding)

    def class_counts(self) -> np.ndarray:
        """Return the occurrences of each id in the training documents of each class, or label.

        A document counts as much as it weighs in the loss. Without counts in the input, each id counts once for each of
        its documents.

        Returns:
            float64 of shape (classes, features). Of documents with several labels, shape (2, labels, features): of
            those without and of those with each label.
        """
        features, classes = self.vocabulary.features, len(self.classes)
        weights = np.zeros(self.dataset.rows)
        weights[self.split.train] = 1.0 if self.train_weights is None else self.train_weights
        found, every = np.zeros(classes * features), np.zeros(features)
        for begin, end, codes, offsets in self.tokens.blocks():
            documents = bags(codes, offsets, self.vocabulary)
            lengths = np.diff(documents.offsets)
            values = np.repeat(weights[begin:end], lengths)
            if documents.counts is not None:
                values *= documents.counts[1:]
            every += np.bincount(documents.ids[1:], values, features)
            rows, labels = self._labels_of(begin, end)
            # The ids of a document once for each of its labels.
            firsts = np.cumsum(lengths[rows]) - lengths[rows]
            places = np.repeat(documents.offsets[rows] - 1 - firsts, lengths[rows])
            places += np.arange(len(places))
            cells = np.repeat(labels * features, lengths[rows]) + documents.ids[1:][places]
            found += np.bincount(cells, values[places], len(found))
        of_class: np.ndarray = found.reshape(classes, features)
        return of_class if self.sets is None else np.stack([every - of_class, of_class])

    def _labels_of(self, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a row, less `begin`, and a label for each label of the documents between two rows."""
        labels = self.labels[begin:end].astype(np.int64)
        if self.sets is None:
            return np.arange(end - begin), labels
        rows, numbers = np.nonzero(self.sets[labels])
        return rows, numbers

    @property
    def train_weights(self) -> np.ndarray | None:
        """Weight of each training document in the loss; None where all weigh the same."""
        rows = self.split.train
        return weigh(column_weights(self.dataset, rows), self.class_weights, self.labels[rows])

    def vectors(self) -> np.ndarray | None:
        """Return the word vector of each id.

        Returns:
            float32 of shape (features, dimension), zeros for ids without a vector; None if the data set was prepared
            without vectors.

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
        of_ids = np.zeros((self.vocabulary.features, vectors.type.list_size), np.float32)
        of_ids[ids[given]] = vectors.values.to_numpy().reshape(len(vectors), vectors.type.list_size)[given]
        return of_ids

    def rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the codes and the offsets of the documents in the given rows."""
        parts = [self.tokens.row(row) for row in rows.tolist()]
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        return np.concatenate([np.empty(0, np.int32), *parts]), offsets

    @cached_property
    def _is_training(self) -> np.ndarray:
        training = np.zeros(self.dataset.rows, bool)
        training[self.split.train] = True
        return training

    def _training(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the codes and the offsets of the training documents."""
        lengths = self.tokens.lengths[self.split.train]
        parts = [
            codes[np.repeat(self._is_training[begin:end], np.diff(offsets))]
            for begin, end, codes, offsets in self.tokens.blocks()
        ]
        return np.concatenate(parts), np.concatenate([[0], np.cumsum(lengths)])


def _set_matrix(sets: list[list[int]], labels: int) -> np.ndarray:
    """Return sets of labels as a matrix, uint8 of shape `(sets, labels)`, 1 for each label of a set."""
    matrix = np.zeros((len(sets), labels), np.uint8)
    for number, members in enumerate(sets):
        matrix[number, members] = 1
    return matrix


class Texts(RowBatches[EncodedDocuments]):
    """Batch source of the documents of one split."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the ids of all documents, which all splits share, and the rows of this split."""
        return {**self.data.arrays, "rows": self.rows}

    def mapped(self) -> dict[str, Any]:
        """Return the documents on disk, which are encoded when rows are taken."""
        return {"x": _DocumentsOnDisk(self.data), **self.data.targets, "rows": self.rows}

    @property
    def weights(self) -> np.ndarray | None:
        """Weight of each example, of training examples by their class too; None where all weigh the same."""
        return self.data.train_weights if self.name == "train" else column_weights(self.data.dataset, self.rows)

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        """Build a batch.

        Args:
            indices: int vector of n example indices (NumPy or TensorFlow).
            arrays: result of `arrays` or `mapped`, or device copies of it.
            take: `take(array, rows)` gathers along the first axis.

        Returns:
            A tuple `(x, y)`. x is int32 of shape `(n, maxlen)` for sequences and `(n, width)` for bags. Bags with
            counts have shape `(n, 2, width)`: ids, then counts. Bags are padded with 0 at the end to the widest of
            the batch. y is int32 of shape `(n, 1)`, class indices, or uint8 of shape `(n, labels)`, 1 for each label of
            a document.
        """
        rows = take(arrays["rows"], indices)
        labels = take(arrays["labels"], rows)
        y = take(arrays["sets"], labels) if "sets" in arrays else labels[:, None]
        x = take(arrays["x"], rows) if "x" in arrays else padded(rows, arrays, take, self.data.settings)
        return x, y


class _DocumentsOnDisk:
    """Model inputs of documents, encoded when rows are taken."""

    def __init__(self, documents: EncodedDocuments):
        self._documents = documents

    def take(self, rows: Any) -> np.ndarray:
        """Return the model inputs of the documents in the given rows."""
        codes, offsets = self._documents.rows(np.asarray(rows))
        return encode(codes, offsets, self._documents.vocabulary).x(self._documents.settings)
