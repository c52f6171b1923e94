"""How likely texts are to a trained model, and how they are likely to go on."""

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

BATCH = 256  # examples that the model is given at a time
NEXT = 5  # likely next words that are named
_CHUNK = 2048  # texts that are read at a time


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
    """The probability of every text, and what is likely to follow it.

    The words of a text are counted, from the start of each of its sentences; the ends of sentences are not, since a
    text may be a beginning.

    Args:
        facts: the run's facts.
        settings: the run's text settings.
        model: the Keras model.
        table: the texts in the column that the run was trained on, or in `text`; a column `id` is kept.
        report: of the preparation that read them; not needed.
        stands: not for texts, each of which is predicted by itself.
        origin: number of the table's first row.
        assets: folder with the run's vocabulary.

    Returns:
        A table with `row`, `id` where there is one, `words` (characters, where the model is one of characters),
        `unknown` (how many of them the model does not know), `log_probability` (natural logarithm), `perplexity` (of a
        word; unknown words count as one word of the vocabulary), `next` (the likeliest words after the text, each with
        its probability), and `remark`: null, or why the figures say little.

    Raises:
        DataError: there is no column of texts, or no vocabulary.
    """
    texts = texts_of(table, facts["reading"].get("text"), "text")
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
    """Sentence, id and log-probability of all positions, a batch at a time."""
    lengths = np.diff(found.offsets)
    begins = found.offsets[:-1] + 2 * np.arange(len(lengths)) + 1
    arrays = {"ids": np.append(np.int32(0), packed(found.ids, found.offsets)), **layout(begins, lengths, settings)}
    total = int(arrays["firsts"][-1])
    for low in range(0, total, BATCH):  # not all numbers at once: there may be many
        part = np.arange(low, min(low + BATCH, total))
        filled = padded(part, BATCH)
        x, y = gather(filled, arrays, lambda array, at: array.take(at), settings)
        ids, values = log_probabilities(y, np.asarray(model.predict_on_batch(x)))
        sentence = np.searchsorted(arrays["firsts"], part, side="right") - 1
        ids, values = ids[: len(part)], values[: len(part)]
        rows, places = np.nonzero(ids > 0)
        yield sentence[rows], ids[rows, places], values[rows, places]


def log_probabilities(y: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ids that follow, 0 where there is nothing to predict, and the logarithms of their probabilities.

    Args:
        y: as `raysq.problems.language_modeling.batches.gather` makes it, for n examples.
        prediction: what the model gives for them.

    Returns:
        Two arrays of shape (n, 1), or (n, maxlen) where every position is predicted: int64, and float64.
    """
    ids = y.astype(np.int64) if y.ndim == 2 else y[..., 0].astype(np.int64)
    of_rows = prediction[:, None] if y.ndim == 2 else prediction
    found = np.take_along_axis(of_rows, ids[..., None], -1)[..., 0].astype(np.float64)
    return ids, np.log(np.maximum(found, 1e-30))


def _next(found: Read, count: int, settings: LanguageModelingSettings, model: Any, vocabulary: Vocabulary) -> list[str]:
    """The likeliest words after each text."""
    last = np.full(count, -1)
    last[found.texts] = np.arange(len(found.texts))  # the last value given to a place stays: its last sentence
    empty = np.empty(0, np.int32)
    left = windows([found.sentence(row) if row >= 0 else empty for row in last.tolist()], settings)
    named: list[str] = []
    for filled, rows in fixed_batches(left, BATCH):
        shares = following(model.predict_on_batch, filled, settings)[:rows]
        named += [likeliest(row, vocabulary.terms) for row in shares]
    return named


def likeliest(shares: np.ndarray, terms: list[str], count: int = NEXT) -> str:
    """The words that are most likely to follow, each with its probability; ends are named, unknown words are not.

    Args:
        shares: probability of each id.
        terms: what each id stands for.
        count: how many.
    """
    order = [number for number in np.argsort(-shares, kind="stable")[: count + FIRST].tolist() if number >= END]
    return ", ".join(f"{shown(terms[number])} {shares[number]:.3f}" for number in order[:count])


def shown(term: str) -> str:
    """A word or a character for people: blank ones are named."""
    return {" ": "<space>", "\n": "<line>", "\t": "<tab>"}.get(term, term)
