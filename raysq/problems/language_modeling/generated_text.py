"""Report sections of generated text, next-word predictions, and neighbors in the Embedding layer."""

from collections.abc import Callable

import numpy as np

from raysq.problems.charts import Quotes, Section, Table
from raysq.problems.fixed_batches import padded
from raysq.problems.language_modeling.batches import Positions, Sentences
from raysq.problems.language_modeling.bigrams import Bigrams
from raysq.problems.language_modeling.generate import join_text
from raysq.problems.language_modeling.predict import likeliest, shown
from raysq.problems.language_modeling.prefixes import following, windows
from raysq.problems.language_modeling.preprocessor import LanguageModelingPreprocessor
from raysq.problems.language_modeling.settings import END, FIRST, LanguageModelingSettings
from raysq.text.neighbors import nearest, unit_rows
from raysq.text.subwords import join
from raysq.text.tokenizer import Level

Predict = Callable[[np.ndarray], np.ndarray]

_TEMPERATURES = (0.0, 0.5, 1.0)
_LENGTH = {"word": 40, "char": 200, "subword": 60}  # words, characters or subwords of each sample
_PREFIX = {"word": 4, "char": 20, "subword": 6}  # the same of a prefix
_PREFIXES = _ROWS = 8  # a fixed batch size avoids compiling again
_NEAREST = 8
_SHOWN = 16  # words whose neighbors are shown
_RARE = 10  # words with fewer occurrences are hardly trained


def sample_section(positions: Positions, preprocessor: LanguageModelingPreprocessor, predict: Predict) -> Section:
    """Return the section of texts generated without a prompt at several temperatures, with a fixed seed.

    Args:
        positions: batch source of a split.
        preprocessor: preprocessor of the run's data set.
        predict: maps x, as returned by `gather`, to probabilities.
    """
    random = np.random.RandomState(0)
    terms = positions.sentences.vocabulary.terms
    quotes = []
    for temperature in _TEMPERATURES:
        name = "0, always the likeliest" if not temperature else f"{temperature:g}"
        ids = _sample(predict, positions.settings, temperature, _LENGTH[preprocessor.level], random)
        quotes.append((f"temperature {name}", join_text(ids, terms, preprocessor).replace("\n", " / ")))
    note = (
        f"Begun from nothing. The model ends a {preprocessor.unit} where a stroke stands. `raysq generate` writes more."
    )
    return Section("What it writes", [Quotes(quotes)], note)


def _sample(
    predict: Predict, settings: LanguageModelingSettings, temperature: float, length: int, random: np.random.RandomState
) -> list[int]:
    ids: list[int] = []
    prefix: list[int] = []
    while sum(number >= FIRST for number in ids) < length and len(ids) < 2 * length:
        left = np.repeat(windows([np.array(prefix, np.int32)], settings), _ROWS, 0)
        scores = np.log(np.maximum(following(predict, left, settings)[0].astype(np.float64), 1e-30))
        scores[:END] = -np.inf
        if not prefix:
            scores[END] = -np.inf
        if temperature:
            noise = -np.log(-np.log(random.uniform(1e-20, 1.0, len(scores))))
            scores = scores / temperature + noise
        number = int(scores.argmax())
        ids.append(number)
        prefix = [] if number == END else [*prefix, number]
    return ids


def next_words_section(positions: Positions, level: Level, predict: Predict, bigrams: Bigrams) -> Section | None:
    """Return the section of the likeliest next words after prefixes of sentences of the split.

    Args:
        positions: batch source of a split.
        level: level of the preprocessor.
        predict: maps x, as returned by `gather`, to probabilities.
        bigrams: bigrams of the training sentences, for comparison.

    Returns:
        None if all sentences are too short.
    """
    sentences, lengths = positions.sentences, positions.sentences.tokens.lengths
    length = _PREFIX[level]
    rows = [row for row in positions.rows.tolist() if lengths[row] > length]
    if not rows:
        return None
    chosen = [rows[index] for index in np.linspace(0, len(rows) - 1, min(_PREFIXES, len(rows))).astype(int)]
    terms = sentences.vocabulary.terms
    encoded = [sentences.lookup[sentences.tokens.row(row)] for row in chosen]
    left = windows([ids[:length] for ids in encoded], positions.settings)
    shares = following(predict, padded(left, _ROWS), positions.settings)
    between = "" if level == "char" else " "
    whole = join if level == "subword" else list
    table = []
    for ids, of_model in zip(encoded, shares, strict=False):
        last = int(ids[length - 1])
        of_bigrams = bigrams.backoff[last] * bigrams.lower
        pairs = slice(bigrams.begins[last], bigrams.begins[last + 1])
        of_bigrams[bigrams.nexts[pairs]] += bigrams.shares[pairs]
        prefix = between.join(whole([terms[number] for number in ids[:length].tolist()]))
        row = [prefix, shown(terms[int(ids[length])]), likeliest(of_model, terms), likeliest(of_bigrams, terms)]
        table.append(row)
    columns = ["beginning", "what follows", "likeliest by this model", "by the bigrams"]
    return Section("What it expects", [Table(columns, table)])


def neighbors_section(sentences: Sentences, weights: np.ndarray) -> Section | None:
    """Return the section of the nearest neighbors of vocabulary entries of several frequencies.

    Args:
        sentences: sentences of all splits.
        weights: weights of the Embedding layer, `(rows, dimension)`.

    Returns:
        None if the Embedding does not have one row per id, or if too few words are frequent enough.
    """
    if len(weights) != sentences.vocabulary.features:
        return None
    counts = np.zeros(len(weights), np.int64)
    counts[sentences.lookup[:-1]] = sentences.counts
    frequent = counts >= _RARE
    frequent[:FIRST] = False
    if frequent.sum() <= _NEAREST:
        return None
    terms = sentences.vocabulary.terms
    # Geometric spacing covers frequent and rare entries alike.
    ranked = np.flatnonzero(frequent)
    chosen = ranked[np.unique(np.geomspace(1, len(ranked), _SHOWN).astype(int) - 1)]
    without = [[number] for number in chosen.tolist()]
    neighbors = nearest(unit_rows(weights), weights[chosen], _NEAREST, among=frequent, without=without)
    rows = [
        [
            shown(terms[number]),
            int(counts[number]),
            ", ".join(f"{shown(terms[other])} {cosine:.2f}" for other, cosine in pairs),
        ]
        for number, pairs in zip(chosen.tolist(), neighbors, strict=True)
    ]
    note = (
        "The cosine of the angle between the vectors of the Embedding, for entries of the vocabulary from the most "
        f"frequent to those that the train split has {_RARE} times."
    )
    return Section("Nearest in the embedding", [Table(["entry", "count", "nearest, with cosine"], rows)], note)
