"""Predict the log-probability and perplexity of raw texts, and their likely next words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DataError
from raysq.problems.fixed_batches import fixed_batches, padded
from raysq.problems.language_modeling.batches import gather, layout, packed
from raysq.problems.language_modeling.prefixes import Read, following, read, windows
from raysq.problems.language_modeling.settings import END, FIRST, UNKNOWN, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import Vocabulary
from raysq.text.documents import texts_of

BATCH = 256  # examples per call of the model
NEXT = 5  # next words per text
_CHUNK = 2048  # texts read at a time


def predict(
    facts: Mapping[str, Any],
    settings: LanguageModelingSettings,
    model: Any,
    table: pa.Table,
    report: Mapping[str, Any] | None = None,
    stands: tuple[int, int] | None = None,
    origin: int = 0,
    assets: Path | None = None,
) -> pa.Table:
    """Predict the log-probability of every text and its most likely next words.

    The log-probability covers the words of each sentence from its start token on. Ends of sentences are excluded,
    because a text may be incomplete.

    Args:
        facts: metadata of the run.
        settings: batch-time settings of the run.
        model: the Keras model.
        table: texts in the column that the run was trained on, or in `text`; a column `id` is kept.
        report: report of the preprocessor that read the table; unused.
        stands: unused, because each text is predicted on its own.
        origin: row number of the table's first row.
        assets: folder with the run's vocabulary.

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
        DataError: the table has no column of texts, or the vocabulary is missing.
    """
    texts = texts_of(table, facts["preprocessor"].get("text"), "text")
    if assets is None:
        raise DataError("a text's words are looked up in the run's assets: predict with `raysq.load(run)`")
    vocabulary = Vocabulary.read(assets, facts)
    parts = [
        _scored(facts, settings, model, texts.slice(low, _CHUNK), vocabulary)
        for low in range(0, max(len(texts), 1), _CHUNK)
    ]
    out: dict[str, Any] = {"row": pa.array(np.arange(origin, origin + len(texts)))}
    if "id" in table.column_names:
        out["id"] = table.column("id")
    for name in parts[0]:
        out[name] = pa.concat_arrays([part[name] for part in parts])
    return pa.table(out)


def _scored(
    facts: Mapping[str, Any], settings: LanguageModelingSettings, model: Any, texts: pa.Array, vocabulary: Vocabulary
) -> dict[str, pa.Array]:
    found = read(texts, facts, vocabulary)
    lengths = np.diff(found.offsets)
    words = np.bincount(found.texts, lengths, len(texts)).astype(np.int64)
    unknown = np.zeros(len(texts), np.int64)
    np.add.at(unknown, np.repeat(found.texts, lengths), found.ids == UNKNOWN)
    logarithms = np.zeros(len(texts))
    for sentence, ids, values in _positions(found, settings, model):
        np.add.at(logarithms, found.texts[sentence], np.where(ids == END, 0.0, values))
    perplexity = np.exp(-logarithms / np.maximum(words, 1))
    none = words == 0
    remarks = [
        "no words" if not count else "no known words" if count == strange else None
        for count, strange in zip(words.tolist(), unknown.tolist(), strict=True)
    ]
    return {
        "words": pa.array(words),
        "unknown": pa.array(unknown),
        "log_probability": pa.array(logarithms, mask=none),
        "perplexity": pa.array(perplexity, mask=none),
        "next": pa.array(_next(found, len(texts), settings, model, vocabulary), pa.string()),
        "remark": pa.array(remarks, pa.string()),
    }


def _positions(found: Read, settings: LanguageModelingSettings, model: Any) -> Any:
    """Yield the sentence, id and log-probability of all positions, one batch at a time."""
    lengths = np.diff(found.offsets)
    begins = found.offsets[:-1] + 2 * np.arange(len(lengths)) + 1
    arrays = {"ids": np.append(np.int32(0), packed(found.ids, found.offsets)), **layout(begins, lengths, settings)}
    total = int(arrays["firsts"][-1])
    for low in range(0, total, BATCH):  # in slices, because there may be many positions
        part = np.arange(low, min(low + BATCH, total))
        filled = padded(part, BATCH)
        x, y = gather(filled, arrays, lambda array, at: array.take(at), settings)
        ids, values = log_probabilities(y, np.asarray(model.predict_on_batch(x)))
        sentence = np.searchsorted(arrays["firsts"], part, side="right") - 1
        ids, values = ids[: len(part)], values[: len(part)]
        rows, places = np.nonzero(ids > 0)
        yield sentence[rows], ids[rows, places], values[rows, places]


def log_probabilities(y: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the next ids and their log-probabilities.

    Args:
        y: targets of n examples, as returned by `raysq.problems.language_modeling.batches.gather`.
        prediction: output of the model for these examples.

    Returns:
        Two arrays of shape (n, 1), or (n, maxlen) if every position is predicted: the ids, int64, 0 where there is
        nothing to predict, and the natural logarithms of their probabilities, float64.
    """
    ids = y.astype(np.int64) if y.ndim == 2 else y[..., 0].astype(np.int64)
    of_rows = prediction[:, None] if y.ndim == 2 else prediction
    found = np.take_along_axis(of_rows, ids[..., None], -1)[..., 0].astype(np.float64)
    return ids, np.log(np.maximum(found, 1e-30))


def _next(found: Read, count: int, settings: LanguageModelingSettings, model: Any, vocabulary: Vocabulary) -> list[str]:
    """Return the most likely next words of each text."""
    last = np.full(count, -1)
    last[found.texts] = np.arange(len(found.texts))  # NumPy keeps the last assignment: the last sentence
    empty = np.empty(0, np.int32)
    left = windows([found.sentence(row) if row >= 0 else empty for row in last.tolist()], settings)
    named: list[str] = []
    for filled, rows in fixed_batches(left, BATCH):
        shares = following(model.predict_on_batch, filled, settings)[:rows]
        named += [likeliest(row, vocabulary.terms) for row in shares]
    return named


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
