"""Texts from outside as ids: the sentences of a text, and beginnings that a model is to continue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data.columns import contiguous_array
from raysq.problems.language_modeling.preprocessor import spelled
from raysq.problems.language_modeling.settings import START, UNKNOWN, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import Vocabulary
from raysq.text import segment
from raysq.text.tokenizer import Tokens, tokenize


@dataclass(frozen=True, eq=False)
class Read:
    """Sentences as ids.

    Attributes:
        ids: int32 of shape (words,), without marks.
        offsets: int64 of shape (sentences + 1,), where the words of each sentence begin.
        texts: int64 of shape (sentences,), the text that each sentence comes from.
        unknown: the unknown words, as they are spelled after tokenizing, in order of appearance, each once.
    """

    ids: np.ndarray
    offsets: np.ndarray
    texts: np.ndarray
    unknown: list[str]

    def sentence(self, number: int) -> np.ndarray:
        """The ids of one sentence."""
        return self.ids[self.offsets[number] : self.offsets[number + 1]]


def read(texts: pa.Array, facts: Mapping[str, Any], vocabulary: Vocabulary) -> Read:
    """Parts texts into sentences (or what the run's unit is) and words as the run's data were.

    Args:
        texts: large_string without nulls.
        facts: of the run.
        vocabulary: of the run.
    """
    settings = facts["reading"]
    form = Tokens.of(settings)
    table = pa.table({"text": texts, "id": pa.array([str(row) for row in range(len(texts))], pa.large_string())})
    table = table.append_column("row", pa.array(np.arange(len(texts))))
    found, _ = segment.split(
        table, {"documents": len(texts)}, settings["unit"], starts=settings.get("starts", "capital")
    )
    codes, offsets, words = tokenize(spelled(contiguous_array(found.column("text")), form.level), form)
    of_words = vocabulary.ids(words)
    unknown = [word for word, number in zip(words.to_pylist(), of_words.tolist(), strict=True) if number == UNKNOWN]
    return Read(of_words[codes], offsets.astype(np.int64), found.column("row").to_numpy(), unknown)


def windows(beginnings: Sequence[np.ndarray], settings: LanguageModelingSettings) -> np.ndarray:
    """Start marks and the words behind them, padded with 0 in front, int32 of shape (beginnings, maxlen).

    Args:
        beginnings: the ids of the words of each.
        settings: how many ids a model sees; of a longer beginning the last ones.
    """
    out = np.zeros((len(beginnings), settings.maxlen), np.int32)
    for row, ids in enumerate(beginnings):
        last = np.concatenate([[START], ids])[-settings.maxlen :]
        out[row, settings.maxlen - len(last) :] = last
    return out


def fitted(left: np.ndarray, settings: LanguageModelingSettings) -> tuple[np.ndarray, np.ndarray]:
    """The windows as the model takes them, and in which position of its output what follows stands.

    Args:
        left: windows, padded in front.
        settings: of the run.
    """
    if not settings.every:
        return left, np.zeros(len(left), np.int64)
    lengths = (left > 0).sum(1)
    places = np.arange(left.shape[1]) + (left.shape[1] - lengths)[:, None]
    padded = np.concatenate([left, np.zeros_like(left)], 1)
    return np.take_along_axis(padded, places, 1), lengths - 1


def following(predict: Any, left: np.ndarray, settings: LanguageModelingSettings) -> np.ndarray:
    """How likely each id is to follow, `(windows, features)`.

    Args:
        predict: the model, from x to probabilities.
        left: windows, padded in front.
        settings: of the run.
    """
    x, places = fitted(left, settings)
    found = np.asarray(predict(x))
    return found[np.arange(len(x)), places] if settings.every else found
