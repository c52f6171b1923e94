"""Sequences of ids, truncated as by Keras's `pad_sequences`."""

import numpy as np

from raysq.problems.text_classification.ragged import Packed
from raysq.problems.text_classification.settings import START
from raysq.problems.text_classification.vocabulary import Vocabulary


def sequences(codes: np.ndarray, offsets: np.ndarray, vocabulary: Vocabulary) -> Packed:
    """Return the ids of each document, truncated to `maxlen` and in the order of the model input.

    Args:
        codes: int32 of shape (tokens,), the code of each word; -1 for an unknown word.
        offsets: int64 of shape (documents + 1,), where the tokens of each document begin.
        vocabulary: maps codes to ids; its settings give `maxlen`, truncation and order.
    """
    settings = vocabulary.settings
    ids = vocabulary.singles[codes]
    marks = int(settings.marked)
    if not marks and len(ids):
        known = ids > 0
        if not known.all():
            offsets = np.concatenate([[0], np.cumsum(known)])[offsets]
            ids = ids[known]
    lengths = np.diff(offsets) + marks
    kept = np.minimum(lengths, settings.maxlen)
    # Sequences are reversed before they are truncated, so "pre" then removes the end of the document.
    from_end = (settings.truncation == "pre") != settings.reversed
    skipped = lengths - kept if from_end else np.zeros_like(lengths)
    # Position of each id that is kept, counted from the document's start token.
    ends = np.cumsum(kept)
    places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(skipped - (ends - kept), kept)
    if settings.reversed:
        places = np.repeat(2 * skipped + kept - 1, kept) - places
    sources = places + np.repeat(offsets[:-1] - marks, kept)
    if not marks:
        return Packed.of(ids[sources], kept)
    return Packed.of(np.where(places == 0, np.int32(START), ids.take(sources, mode="clip") if len(ids) else 0), kept)
