"""Predict the log-probability and perplexity of raw texts, and their likely next words."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.problems.fixed_batches import fixed_batches, padded
from raysq.problems.language_modeling.layout import gather, layout, packed
from raysq.problems.language_modeling.prefixes import EncodedTexts, encode_texts, following, windows
from raysq.problems.language_modeling.preprocessor import LanguageModelingPreprocessor
from raysq.problems.language_modeling.settings import END, FIRST, UNKNOWN, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import LanguageVocabulary
from raysq.text.documents import texts_of

BATCH = 256  # examples per call of the model
NEXT = 5  # next words per text
_CHUNK = 2048  # texts read at a time


def predict(
    model: Any,
    table: pa.Table,
    vocabulary: LanguageVocabulary,
    preprocessor: LanguageModelingPreprocessor,
    settings: LanguageModelingSettings,
) -> pa.Table:
    """Predict the log-probability of every text and its most likely next words.

    The log-probability covers the words of each sentence from its start token on. Ends of sentences are excluded,
    because a text may be incomplete.

    Args:
        model: the Keras model.
        table: texts in the column that the run was trained on, or in `text`; a column `id` is kept.
        vocabulary: vocabulary of the run.
        preprocessor: preprocessor of the run's data set.
        settings: batch-time settings of the run.

    Returns:
        A table with the columns

        - `row`, and `id` if the input has it
        - `words`: number of words; of characters for models of characters
        - `unknown`: number of words outside of the vocabulary
        - `log_probability`: natural logarithm
        - `perplexity`: per word; unknown words count as one word of the vocabulary
        - `next`: the most likely words after the text, each with its probability
        - `remark`: null, or the reason why the values are unreliable

    Raises:
        DataError: the table has no column of texts.
    """
    texts = texts_of(table, preprocessor.text, "text")
    parts = []
    for low in range(0, max(len(texts), 1), _CHUNK):
        chunk = texts.slice(low, _CHUNK)
        encoded = encode_texts(chunk, vocabulary, preprocessor)
        parts.append(_score(model, encoded, len(chunk), vocabulary, settings))
    columns: dict[str, Any] = {"row": pa.array(np.arange(len(texts)))}
    if "id" in table.column_names:
        columns["id"] = table.column("id")
    for name in parts[0]:
        columns[name] = pa.concat_arrays([part[name] for part in parts])
    return pa.table(columns)


def _score(
    model: Any, encoded: EncodedTexts, count: int, vocabulary: LanguageVocabulary, settings: LanguageModelingSettings
) -> dict[str, pa.Array]:
    """Return the columns of the predictions for `count` texts."""
    lengths = np.diff(encoded.offsets)
    words = np.bincount(encoded.texts, lengths, count).astype(np.int64)
    unknown = np.zeros(count, np.int64)
    np.add.at(unknown, np.repeat(encoded.texts, lengths), encoded.ids == UNKNOWN)
    logarithms = np.zeros(count)
    for sentence, ids, values in _positions(model, encoded, settings):
        np.add.at(logarithms, encoded.texts[sentence], np.where(ids == END, 0.0, values))
    perplexity = np.exp(-logarithms / np.maximum(words, 1))
    empty = words == 0
    remarks = [
        "no words" if not length else "no known words" if length == missing else None
        for length, missing in zip(words.tolist(), unknown.tolist(), strict=True)
    ]
    return {
        "words": pa.array(words),
        "unknown": pa.array(unknown),
        "log_probability": pa.array(logarithms, mask=empty),
        "perplexity": pa.array(perplexity, mask=empty),
        "next": pa.array(_next_words(model, encoded, count, vocabulary, settings), pa.string()),
        "remark": pa.array(remarks, pa.string()),
    }


def _positions(model: Any, encoded: EncodedTexts, settings: LanguageModelingSettings) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the sentence, id and log-probability of all positions, one batch at a time."""
    lengths = np.diff(encoded.offsets)
    begins = encoded.offsets[:-1] + 2 * np.arange(len(lengths)) + 1
    ids = np.append(np.int32(0), packed(encoded.ids, encoded.offsets))
    arrays = {"ids": ids, **layout(begins, lengths, settings)}
    total = int(arrays["firsts"][-1])
    for low in range(0, total, BATCH):  # in slices, because there may be many positions
        examples = np.arange(low, min(low + BATCH, total))
        x, y = gather(padded(examples, BATCH), arrays, lambda array, at: array.take(at), settings)
        targets, values = log_probabilities(y, np.asarray(model.predict_on_batch(x)))
        targets, values = targets[: len(examples)], values[: len(examples)]
        sentence = np.searchsorted(arrays["firsts"], examples, side="right") - 1
        rows, steps = np.nonzero(targets > 0)
        yield sentence[rows], targets[rows, steps], values[rows, steps]


def log_probabilities(y: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the next ids and their log-probabilities.

    Args:
        y: targets of n examples, as returned by `raysq.problems.language_modeling.layout.gather`.
        prediction: output of the model for these examples.

    Returns:
        Two arrays of shape (n, 1), or (n, maxlen) if every position is predicted: the ids, int64, 0 where there is
        nothing to predict, and the natural logarithms of their probabilities, float64.
    """
    ids = y.astype(np.int64) if y.ndim == 2 else y[..., 0].astype(np.int64)
    of_rows = prediction[:, None] if y.ndim == 2 else prediction
    shares = np.take_along_axis(of_rows, ids[..., None], -1)[..., 0].astype(np.float64)
    return ids, np.log(np.maximum(shares, 1e-30))


def _next_words(
    model: Any, encoded: EncodedTexts, count: int, vocabulary: LanguageVocabulary, settings: LanguageModelingSettings
) -> list[str]:
    """Return the most likely next words of each text."""
    last = np.full(count, -1)
    last[encoded.texts] = np.arange(len(encoded.texts))  # NumPy keeps the last assignment: the last sentence
    empty = np.empty(0, np.int32)
    left = windows([encoded.sentence(row) if row >= 0 else empty for row in last.tolist()], settings)
    lines: list[str] = []
    for batch, rows in fixed_batches(left, BATCH):
        shares = following(model.predict_on_batch, batch, settings)[:rows]
        lines += [likeliest(row, vocabulary.terms) for row in shares]
    return lines


def likeliest(shares: np.ndarray, terms: list[str], count: int = NEXT) -> str:
    """Return the most likely next words, each with its probability, as one line.

    Ends of sentences are included; unknown words are left out.

    Args:
        shares: probability of each id.
        terms: text of each id.
        count: number of words.
    """
    order = [number for number in np.argsort(-shares, kind="stable")[: count + FIRST].tolist() if number >= END]
    return ", ".join(f"{shown(terms[number])} {shares[number]:.3f}" for number in order[:count])


def shown(term: str) -> str:
    """Return a word or a character for display, with names for blank characters."""
    return {" ": "<space>", "\n": "<line>", "\t": "<tab>"}.get(term, term)
