"""Encode raw texts as ids: the sentences of a text, and prefixes for a model to continue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data.columns import contiguous_array
from raysq.problems.language_modeling.preprocessor import LanguageModelingPreprocessor, spelled
from raysq.problems.language_modeling.settings import START, UNKNOWN, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import LanguageVocabulary
from raysq.text import segment
from raysq.text.subwords import expand
from raysq.text.tokenizer import tokenize


@dataclass(frozen=True, eq=False)
class EncodedTexts:
    """Sentences encoded as ids.

    Attributes:
        ids: int32 of shape (words,), without special tokens for start and end.
        offsets: int64 of shape (sentences + 1,), where the words of each sentence begin.
        texts: int64 of shape (sentences,), index of the text that each sentence comes from.
        unknown: distinct unknown words in order of first appearance, as spelled after tokenization.
    """

    ids: np.ndarray
    offsets: np.ndarray
    texts: np.ndarray
    unknown: list[str]

    def sentence(self, number: int) -> np.ndarray:
        """Return the ids of one sentence."""
        return self.ids[self.offsets[number] : self.offsets[number + 1]]


def encode_texts(
    texts: pa.Array, vocabulary: LanguageVocabulary, preprocessor: LanguageModelingPreprocessor
) -> EncodedTexts:
    """Split texts into sentences, or the run's unit, and encode their words like the run's data.

    Args:
        texts: large_string array without nulls.
        vocabulary: vocabulary of the run.
        preprocessor: preprocessor of the run's data set.
    """
    table = pa.table({"text": texts, "id": pa.array([str(row) for row in range(len(texts))], pa.large_string())})
    table = table.append_column("row", pa.array(np.arange(len(texts))))
    sentences, _ = segment.split(table, {"documents": len(texts)}, preprocessor.unit, starts=preprocessor.starts)
    spellings = spelled(contiguous_array(sentences.column("text")), preprocessor.level)
    codes, offsets, words = tokenize(spellings, preprocessor)
    ids = vocabulary.ids(words)
    if vocabulary.subwords is not None:
        numbers, parts = vocabulary.subwords.split(words)
        ids = np.append(vocabulary.ids(vocabulary.subwords.pieces), np.int32(UNKNOWN))[numbers]
        rows = np.repeat(np.arange(len(words)), np.diff(parts))[ids == UNKNOWN]
        unknown = words.take(pa.array(np.unique(rows))).to_pylist()
        ids, offsets = expand(codes, offsets, ids, parts)
        return EncodedTexts(ids, offsets, sentences.column("row").to_numpy(), unknown)
    unknown = [word for word, number in zip(words.to_pylist(), ids.tolist(), strict=True) if number == UNKNOWN]
    return EncodedTexts(ids[codes], offsets.astype(np.int64), sentences.column("row").to_numpy(), unknown)


def windows(prefixes: Sequence[np.ndarray], settings: LanguageModelingSettings) -> np.ndarray:
    """Return windows of the start token and the words of each prefix, padded with 0 in front.

    Args:
        prefixes: ids of the words of each prefix.
        settings: batch-time settings of the run; a longer prefix keeps its last `maxlen` ids.

    Returns:
        int32 of shape (prefixes, maxlen).
    """
    out = np.zeros((len(prefixes), settings.maxlen), np.int32)
    for row, ids in enumerate(prefixes):
        last = np.concatenate([[START], ids])[-settings.maxlen :]
        out[row, settings.maxlen - len(last) :] = last
    return out


def fitted(left: np.ndarray, settings: LanguageModelingSettings) -> tuple[np.ndarray, np.ndarray]:
    """Convert windows to model inputs, and return the output position of each next id.

    Args:
        left: windows, padded in front, `(windows, maxlen)`.
        settings: batch-time settings of the run.

    Returns:
        x, padded at the end for `sequence_targets=True`, and int64 of shape (windows,), the index of the position whose
        output predicts the next id.
    """
    if not settings.sequence_targets:
        return left, np.zeros(len(left), np.int64)
    lengths = (left > 0).sum(1)
    steps = np.arange(left.shape[1]) + (left.shape[1] - lengths)[:, None]
    padded = np.concatenate([left, np.zeros_like(left)], 1)
    return np.take_along_axis(padded, steps, 1), lengths - 1


def following(predict: Any, left: np.ndarray, settings: LanguageModelingSettings) -> np.ndarray:
    """Return the probability of each next id, `(windows, features)`.

    Args:
        predict: maps x to the model's probabilities.
        left: windows, padded in front, `(windows, maxlen)`.
        settings: batch-time settings of the run.
    """
    x, positions = fitted(left, settings)
    prediction = np.asarray(predict(x))
    return prediction[np.arange(len(x)), positions] if settings.sequence_targets else prediction
