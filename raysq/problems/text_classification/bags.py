"""Bags of words: the distinct ids of each document and their counts."""

import numpy as np

from raysq.problems.text_classification.ragged import RaggedIds
from raysq.problems.text_classification.settings import START
from raysq.problems.text_classification.vocabulary import ClassificationVocabulary


def bags(codes: np.ndarray, offsets: np.ndarray, vocabulary: ClassificationVocabulary) -> RaggedIds:
    """Return the distinct ids of each document in ascending order, with their counts.

    The bag covers the whole document. If the settings use special tokens, it includes the start token and the
    unknown token, as in listing 3.2 on `keras.datasets.imdb`. With `ngrams` above 1 it also includes the n-grams of
    2 to `ngrams` words.

    Args:
        codes: int32 of shape (tokens,), the code of each word; -1 for an unknown word.
        offsets: int64 of shape (documents + 1,), where the tokens of each document begin.
        vocabulary: maps codes to ids.
    """
    count = len(offsets) - 1
    features = vocabulary.features
    # Each key encodes a document and an id, so one sort orders all bags one after the other.
    base = np.arange(count, dtype=np.int64) * features
    bases = np.repeat(base, np.diff(offsets))
    parts = [_keys(bases, vocabulary.singles[codes])]
    if vocabulary.settings.uses_special_tokens:
        parts.append(base + START)
    if vocabulary.settings.ngrams > 1:
        parts += [_keys(bases[: len(ids)], ids) for ids in vocabulary.longer(codes, offsets)]
    keys = np.concatenate(parts) if len(parts) > 1 else parts[0]
    keys.sort()
    begins = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=begins[1:])
    (indices,) = np.nonzero(begins)
    documents, ids = np.divmod(keys[indices], features)
    counts = np.diff(indices, append=len(keys)) if vocabulary.settings.has_counts else None
    return RaggedIds.of(ids, np.bincount(documents, minlength=count), counts)


def document_counts(documents: RaggedIds, rows: np.ndarray, features: int) -> np.ndarray:
    """Return the document frequency of each id in the given rows, int64 of shape (features,).

    Args:
        documents: bags of the documents.
        rows: indices of the documents to count.
        features: number of ids.
    """
    lengths = np.diff(documents.offsets)
    chosen = np.zeros(len(lengths), bool)
    chosen[rows] = True
    return np.bincount(documents.ids[1:][np.repeat(chosen, lengths)], minlength=features)


def inverse_frequency(documents: int, holding: np.ndarray) -> np.ndarray:
    """Return the inverse document frequency of each id, as in Keras's `Tokenizer`.

    The weight is log(1 + documents / (1 + holding)).

    Args:
        documents: number of documents that were counted.
        holding: document frequency of each id.

    Returns:
        float32 of the shape of `holding`; 0 for id 0, which is padding.
    """
    weights = np.log(1 + documents / (1 + holding)).astype(np.float32)
    weights[0] = 0
    return weights


def _keys(bases: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return the keys of all nonzero ids."""
    keys: np.ndarray = bases + ids
    nonzero = ids > 0
    return keys if nonzero.all() else keys[nonzero]
