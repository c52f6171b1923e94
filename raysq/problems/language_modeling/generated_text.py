"""Report sections of generated text, next-word predictions, and neighbors in the Embedding layer."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from raysq.problems.charts import Quotes, Section, Table
from raysq.problems.fixed_batches import padded
from raysq.problems.language_modeling.batches import Positions
from raysq.problems.language_modeling.bigrams import Bigrams
from raysq.problems.language_modeling.generate import text
from raysq.problems.language_modeling.predict import likeliest, shown
from raysq.problems.language_modeling.prefixes import following, windows
from raysq.problems.language_modeling.settings import END, FIRST, LanguageModelingSettings
from raysq.text.neighbors import nearest, unit_rows

Predict = Callable[[np.ndarray], np.ndarray]

_TEMPERATURES = (0.0, 0.5, 1.0)
_WRITTEN = {"word": 40, "char": 200}  # words or characters of each sample
_BEGUN = {"word": 4, "char": 20}  # words or characters of a prefix
_PROMPTS = 8
_NEAREST = 8
_SHOWN = 16  # words whose neighbors are shown
_RARE = 10  # words with fewer occurrences are hardly trained


def written_section(positions: Positions, facts: Mapping[str, Any], predict: Predict) -> Section:
    """Return the section of texts generated without a prompt at several temperatures, with a fixed seed.

    Args:
        positions: batch source of a split.
        facts: metadata of the run.
        predict: maps x, as returned by `gather`, to probabilities.
    """
    level = facts["preprocessor"].get("level", "word")
    length = _WRITTEN[level]
    random = np.random.RandomState(0)
    terms = positions.sentences.vocabulary.terms
    quotes = []
    for temperature in _TEMPERATURES:
        name = "0, always the likeliest" if not temperature else f"{temperature:g}"
        written = _write(predict, positions.settings, temperature, length, random)
        quotes.append((f"temperature {name}", text(written, terms, facts).replace("\n", " / ")))
    unit = facts["preprocessor"]["unit"]
    note = f"Begun from nothing. The model ends a {unit} where a stroke stands. `raysq generate` writes more."
    return Section("What it writes", [Quotes(quotes)], note)


def _write(
    predict: Predict, settings: LanguageModelingSettings, temperature: float, length: int, random: np.random.RandomState
) -> list[int]:
    written: list[int] = []
    begun: list[int] = []
    while sum(number >= FIRST for number in written) < length and len(written) < 2 * length:
        left = np.repeat(windows([np.array(begun, np.int32)], settings), 8, 0)
        scores = np.log(np.maximum(following(predict, left, settings)[0].astype(np.float64), 1e-30))
        scores[:END] = -np.inf
        if not begun:
            scores[END] = -np.inf
        if temperature:
            noise = -np.log(-np.log(random.uniform(1e-20, 1.0, len(scores))))
            scores = scores / temperature + noise
        number = int(scores.argmax())
        written.append(number)
        begun = [] if number == END else [*begun, number]
    return written


def next_section(positions: Positions, facts: Mapping[str, Any], predict: Predict, bigrams: Bigrams) -> Section | None:
    """Return the section of the likeliest next words after prefixes of sentences of the split.

    Args:
        positions: batch source of a split.
        facts: metadata of the run.
        predict: maps x, as returned by `gather`, to probabilities.
        bigrams: bigrams of the training sentences, for comparison.

    Returns:
        None if all sentences are too short.
    """
    sentences, lengths = positions.sentences, positions.sentences.tokens.lengths
    least = _BEGUN[facts["preprocessor"].get("level", "word")]
    rows = [row for row in positions.rows.tolist() if lengths[row] > least]
    if not rows:
        return None
    chosen = [rows[place] for place in np.linspace(0, len(rows) - 1, min(_PROMPTS, len(rows))).astype(int)]
    terms = sentences.vocabulary.terms
    begun = [sentences.lookup[sentences.tokens.row(row)] for row in chosen]
    left = windows([ids[:least] for ids in begun], positions.settings)
    shares = following(predict, padded(left, 8), positions.settings)
    between = "" if facts["preprocessor"].get("level") == "char" else " "
    table = []
    for ids, share in zip(begun, shares, strict=False):
        last = int(ids[least - 1])
        pairs = bigrams.backoff[last] * bigrams.lower
        mine = slice(bigrams.begins[last], bigrams.begins[last + 1])
        pairs[bigrams.nexts[mine]] += bigrams.shares[mine]
        table.append(
            [between.join(terms[number] for number in ids[:least].tolist()), shown(terms[int(ids[least])])]
            + [likeliest(one, terms) for one in (share, pairs)]
        )
    columns = ["beginning", "what follows", "likeliest by this model", "by the bigrams"]
    return Section("What it expects", [Table(columns, table)])


def neighbors_section(positions: Positions, facts: Mapping[str, Any], values: np.ndarray) -> Section | None:
    """Return the section of the nearest neighbors of vocabulary entries of several frequencies.

    Args:
        positions: batch source of a split.
        facts: metadata of the run; unused.
        values: weights of the Embedding layer, `(rows, dimension)`.

    Returns:
        None if the Embedding does not have one row per id, or if too few words are frequent enough.
    """
    sentences = positions.sentences
    if len(values) != sentences.vocabulary.features:
        return None
    counts = np.zeros(len(values), np.int64)
    counts[sentences.lookup[:-1]] = sentences.counts
    often = counts >= _RARE
    often[:FIRST] = False
    if often.sum() <= _NEAREST:
        return None
    terms = sentences.vocabulary.terms
    # Geometric spacing covers frequent and rare entries alike.
    ranked = np.flatnonzero(often)
    asked = ranked[np.unique(np.geomspace(1, len(ranked), _SHOWN).astype(int) - 1)]
    found = nearest(unit_rows(values), values[asked], _NEAREST, among=often, without=[[one] for one in asked.tolist()])
    rows = [
        [
            shown(terms[one]),
            int(counts[one]),
            ", ".join(f"{shown(terms[other])} {cosine:.2f}" for other, cosine in near),
        ]
        for one, near in zip(asked.tolist(), found, strict=True)
    ]
    note = (
        "The cosine of the angle between the vectors of the Embedding, for entries of the vocabulary from the most "
        f"frequent to those that the train split has {_RARE} times."
    )
    return Section("Nearest in the embedding", [Table(["entry", "count", "nearest, with cosine"], rows)], note)
