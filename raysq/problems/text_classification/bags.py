"""Documents as bags of ids: which ids they hold, and how often."""

import numpy as np

from raysq.problems.text_classification.ragged import Packed
from raysq.problems.text_classification.settings import START
from raysq.problems.text_classification.vocabulary import Vocabulary


def bags(codes: np.ndarray, offsets: np.ndarray, vocabulary: Vocabulary) -> Packed:
    """The distinct ids of each document, ascending, with their counts.

    The whole document counts, its start mark and its unknown words among it where there are marks, as in listing 3.2
    on `keras.datasets.imdb`. Runs of several words beside the words themselves where ngrams asks for them.

    Args:
        codes: int32 of shape (tokens,), -1 for an unknown word.
        offsets: int64 of shape (documents + 1,), where the tokens of each document begin.
        vocabulary: gives the ids.
    """
    count = len(offsets) - 1
    features = vocabulary.features
    # One number for document and id: sorted, it is the bags, one after the other.
    base = np.arange(count, dtype=np.int64) * features
    bases = np.repeat(base, np.diff(offsets))
    parts = [_keys(bases, vocabulary.singles[codes])]
    if vocabulary.settings.marked:
        parts.append(base + START)
    if vocabulary.settings.ngrams > 1:
        parts += [_keys(bases[: len(ids)], ids) for ids in vocabulary.longer(codes, offsets)]
    keys = np.concatenate(parts) if len(parts) > 1 else parts[0]
    keys.sort()
    begins = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=begins[1:])
    (places,) = np.nonzero(begins)
    documents, ids = np.divmod(keys[places], features)
    counts = np.diff(places, append=len(keys)) if vocabulary.settings.counted else None
    return Packed.of(ids, np.bincount(documents, minlength=count), counts)


def document_counts(found: Packed, rows: np.ndarray, features: int) -> np.ndarray:
    """How many of the given documents hold each id, int64 of shape (features,)."""
    lengths = np.diff(found.offsets)
    chosen = np.zeros(len(lengths), bool)
    chosen[rows] = True
    return np.bincount(found.ids[1:][np.repeat(chosen, lengths)], minlength=features)


def inverse_frequency(documents: int, holding: np.ndarray) -> np.ndarray:
    """The weight of each id, as that of Keras's `Tokenizer`: log(1 + documents / (1 + documents that hold it)).

    Args:
        documents: how many were counted.
        holding: how many of them hold each id.

    Returns:
        float32 of the shape of `holding`; 0 for id 0, which is padding.
    """
    weights = np.log(1 + documents / (1 + holding)).astype(np.float32)
    weights[0] = 0
    return weights


def _keys(bases: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The keys of the ids that are not left out."""
    keys = bases + ids
    there = ids > 0
    return keys if there.all() else keys[there]
