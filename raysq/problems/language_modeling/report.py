"""Report of a language model: perplexity by group and position, example sentences, generated text, neighbors."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.base import ReportModel
from raysq.problems.charts import Bars, Figure, Figures, Quotes, Section, Table, Text, digits3
from raysq.problems.fixed_batches import fixed_batches
from raysq.problems.language_modeling.batches import Positions, Sentences
from raysq.problems.language_modeling.bigrams import Bigrams
from raysq.problems.language_modeling.generated_text import neighbors_section, next_words_section, sample_section
from raysq.problems.language_modeling.predict import BATCH, log_probabilities
from raysq.problems.language_modeling.preprocessor import LanguageModelingPreprocessor
from raysq.problems.language_modeling.settings import END, FIRST, UNKNOWN
from raysq.text.tokenizer import noun_of

Predict = Callable[[np.ndarray], np.ndarray]

SAMPLED = 50_000  # approximate number of positions that the report evaluates
_QUOTED = 8
_LEAST_WORDS = 5  # fewest words of a quoted sentence
_GROUPS = 12  # bars of the chart of positions


@dataclass(frozen=True, eq=False)
class Surprises:
    """Log-probabilities of all positions of a sample of sentences.

    Attributes:
        rows: data set row of each position, `(n,)`, in ascending order.
        steps: index of each position in its sentence, `(n,)`; 0 is the first word.
        ids: id to predict at each position, `(n,)`.
        before: previous id of each position, `(n,)`.
        values: natural log-probability of `ids`, `(n,)`.
        right: whether the most likely id is the correct one, `(n,)`.
    """

    rows: np.ndarray
    steps: np.ndarray
    ids: np.ndarray
    before: np.ndarray
    values: np.ndarray
    right: np.ndarray


def report(sentences: Sentences, preprocessor: LanguageModelingPreprocessor, model: ReportModel) -> list[Section]:
    """Return the report sections of a language modeling run.

    The report covers the test split, or the validation split if the data set has no test part.

    Args:
        sentences: sentences of all splits.
        preprocessor: preprocessor of the run's data set.
        model: model of the run.
    """
    positions = Positions(sentences, "test")
    if not len(positions):
        positions = Positions(sentences, "val")
    surprises = measure_surprises(positions, model.predict)
    bigrams = sentences.bigrams()
    amount = "all" if len(surprises.ids) == positions.targets else f"{len(surprises.ids):,} of the"
    where = f"On {amount} {positions.targets:,} positions of the {positions.name} split."
    weights = model.embedding()
    sections = [
        _surprise_section(surprises, bigrams, preprocessor, where),
        _position_section(surprises, bigrams, preprocessor.unit, where),
        _sentences_section(sentences.dataset, surprises, preprocessor.unit, positions.name),
        sample_section(positions, preprocessor, model.predict),
        next_words_section(positions, preprocessor.level, model.predict, bigrams),
        None if weights is None else neighbors_section(sentences, weights),
    ]
    return [section for section in sections if section is not None]


def measure_surprises(positions: Positions, predict: Predict) -> Surprises:
    """Return the log-probability of every position of a split.

    A split of more than `SAMPLED` positions is sampled: every k-th sentence is evaluated.

    Args:
        positions: batch source of the split.
        predict: maps x, as returned by `gather`, to probabilities.
    """
    settings, firsts = positions.settings, positions.layout["firsts"]
    stride = max(1, -(-positions.targets // SAMPLED))
    rows = range(0, len(positions.rows), stride)
    indices = np.concatenate([np.arange(firsts[row], firsts[row + 1]) for row in rows])
    # Smaller batches for every position: the probabilities of all ids at all positions need much memory.
    size = max(8, BATCH // settings.maxlen) if settings.sequence_targets else BATCH
    parts: list[tuple[np.ndarray, ...]] = []
    mapped = positions.mapped()
    for batch, count in fixed_batches(indices, size):
        x, y = positions.gather(batch, mapped, lambda array, at: array.take(at))
        prediction = np.asarray(predict(x))
        ids, values = (array[:count] for array in log_probabilities(y, prediction))
        likeliest = prediction.argmax(-1)[:count].reshape(ids.shape)
        number = np.searchsorted(firsts, batch[:count], side="right") - 1
        steps = (batch[:count] - firsts[number])[:, None]
        before = x[:count, -1:]
        if settings.sequence_targets:
            steps = steps * settings.maxlen + np.arange(ids.shape[1])
            before = x[:count]
        inside = np.nonzero(ids > 0)
        rows_inside = positions.rows[number][inside[0]]
        right = likeliest == ids
        parts.append((rows_inside, *(array[inside] for array in (steps, ids, before, values, right))))
    return Surprises(*map(np.concatenate, zip(*parts, strict=True)))


def pair_values(bigrams: Bigrams, before: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return the natural log-probability of each id after the previous id under the bigram model.

    Args:
        bigrams: bigrams of the training sentences.
        before: previous ids, `(n,)`.
        ids: ids to predict, `(n,)`.
    """
    shares = bigrams.backoff[before].astype(np.float64) * bigrams.lower[ids]
    features = len(bigrams.lower)
    keys = np.repeat(np.arange(len(bigrams.begins) - 1), np.diff(bigrams.begins)) * features + bigrams.nexts
    pairs = before.astype(np.int64) * features + ids
    nearest = np.minimum(np.searchsorted(keys, pairs), len(keys) - 1)
    shares += np.where(keys[nearest] == pairs, bigrams.shares[nearest], 0.0)
    logarithms: np.ndarray = np.log(np.maximum(shares, 1e-30))
    return logarithms


def _surprise_section(
    surprises: Surprises, bigrams: Bigrams, preprocessor: LanguageModelingPreprocessor, where: str
) -> Section:
    base = pair_values(bigrams, surprises.before, surprises.ids)
    words = noun_of(preprocessor.level)
    groups = (
        ("all positions", np.ones(len(surprises.ids), bool)),
        (f"known {words}", surprises.ids >= FIRST),
        (f"unknown {words}", surprises.ids == UNKNOWN),
        (f"ends of a {preprocessor.unit}", surprises.ids == END),
    )
    rows: list[list[Any]] = [
        [
            name,
            int(chosen.sum()),
            *(float(np.exp(-values[chosen].mean())) for values in (surprises.values, base)),
            float(surprises.right[chosen].mean()),
        ]
        for name, chosen in groups
        if chosen.any()
    ]
    ratio = rows[0][2] / rows[0][3]
    figures = Figures(
        [
            Figure("Perplexity", digits3(rows[0][2]), f"bigrams: {digits3(rows[0][3])}"),
            Figure("Of the bigrams'", f"{100 * ratio:.0f} %", "lower is better"),
            Figure("Likeliest is right", f"{100 * rows[0][4]:.1f} %", "of all positions"),
        ]
    )
    table = Table(["positions", "number", "perplexity", "perplexity of the bigrams", "likeliest is right"], rows)
    note = (
        f"{where} The bigrams are smoothed as by Kneser and Ney and know the training split alone. An unknown one "
        "counts as one entry of the vocabulary, for both alike."
    )
    return Section("How surprised it is", [figures, table], note)


def _position_section(surprises: Surprises, bigrams: Bigrams, unit: str, where: str) -> Section | None:
    edges = np.unique(np.geomspace(1, surprises.steps.max() + 2, _GROUPS + 1).astype(np.int64)) - 1
    if len(edges) < 3:
        return None
    base = pair_values(bigrams, surprises.before, surprises.ids)
    groups = np.searchsorted(edges, surprises.steps, side="right") - 1
    counts = np.bincount(groups, minlength=len(edges) - 1)
    own, other = (
        np.exp(-np.bincount(groups, values, len(edges) - 1) / np.maximum(counts, 1))
        for values in (surprises.values, base)
    )
    labels = [
        f"{low + 1:,}" if high - low == 1 else f"{low + 1:,}\u2013{high:,}"
        for low, high in itertools.pairwise(edges.tolist())
    ]
    bars = Bars(
        f"Perplexity by place in the {unit}",
        labels,
        np.where(counts > 0, own, np.nan),
        f"place in the {unit}",
        "perplexity",
        "this model",
        counts.tolist(),
        {"bigrams": np.where(counts > 0, other, np.nan)},
        wide=True,
    )
    note = f"{where} A model that remembers should leave the bigrams behind from the third place on."
    return Section("Where it is surprised", [bars], note)


def _sentences_section(dataset: Dataset, surprises: Surprises, unit: str, split: str) -> Section | None:
    rows, begins, counts = np.unique(surprises.rows, return_index=True, return_counts=True)
    mean = np.exp(-np.add.reduceat(surprises.values, begins) / counts)
    enough = np.flatnonzero(counts > _LEAST_WORDS)
    if len(enough) < 2 * _QUOTED:
        return None
    order = enough[np.argsort(mean[enough], kind="stable")]
    items: list[Any] = []
    for title, chosen in (("Least surprising", order[:_QUOTED]), ("Most surprising", order[::-1][:_QUOTED])):
        names = dataset.texts("id", rows[chosen])
        quotes = [
            (f"{name}: perplexity {digits3(float(mean[index]))}", _excerpt(dataset, rows[index]))
            for name, index in zip(names, chosen.tolist(), strict=True)
        ]
        items += [Text(title + ":"), Quotes(quotes)]
    note = (
        f"The {unit}s of the {split} split with the lowest and the highest perplexity, of {_LEAST_WORDS} words or more."
    )
    return Section(f"Least and most surprising {unit}s", items, note)


def _excerpt(dataset: Dataset, row: int) -> str:
    (text,) = dataset.texts("text", np.array([row]))
    text = " ".join((text or "").split())
    if text:
        return text if len(text) < 280 else text[:280].rstrip() + "\u2026"
    words = dataset.extra("vocabulary").column("word")
    codes = dataset.ragged("tokens").row(row)[:60].tolist()
    return " ".join(words[code].as_py() if code >= 0 else "\u2026" for code in codes)
