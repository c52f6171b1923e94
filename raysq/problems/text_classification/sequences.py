"""Sequences of ids, truncated as by Keras's `pad_sequences`."""

import numpy as np

from raysq.problems.text_classification.ragged import RaggedIds
from raysq.problems.text_classification.settings import START
from raysq.problems.text_classification.vocabulary import ClassificationVocabulary


def sequences(codes: np.ndarray, offsets: np.ndarray, vocabulary: ClassificationVocabulary) -> RaggedIds:
    """Return the ids of each document, truncated to `maxlen` and in the order of the model input.

    Args:
        codes: int32 of shape (tokens,), the code of each word; -1 for an unknown word.
        offsets: int64 of shape (documents + 1,), where the tokens of each document begin.
        vocabulary: maps codes to ids; its settings give `maxlen`, truncation and order.
    """
    settings = vocabulary.settings
    ids = vocabulary.singles[codes]
    start = int(settings.uses_special_tokens)  # whether the document begins with the start token
    if not start and len(ids):
        known = ids > 0
        if not known.all():
            offsets = np.concatenate([[0], np.cumsum(known)])[offsets]
            ids = ids[known]
    lengths = np.diff(offsets) + start
    lengths_kept = np.minimum(lengths, settings.maxlen)
    # Sequences are reversed before they are truncated, so "pre" then removes the end of the document.
    from_end = (settings.truncation == "pre") != settings.reversed
    skipped = lengths - lengths_kept if from_end else np.zeros_like(lengths)
    # Position of each id that is kept, counted from the document's start token.
    ends = np.cumsum(lengths_kept)
    positions = np.arange(ends[-1] if len(ends) else 0) + np.repeat(skipped - (ends - lengths_kept), lengths_kept)
    if settings.reversed:
        positions = np.repeat(2 * skipped + lengths_kept - 1, lengths_kept) - positions
    sources = positions + np.repeat(offsets[:-1] - start, lengths_kept)
    if not start:
        return RaggedIds.of(ids[sources], lengths_kept)
    words = ids.take(sources, mode="clip") if len(ids) else 0
    return RaggedIds.of(np.where(positions == 0, np.int32(START), words), lengths_kept)
