"""Report of a language model: perplexity by group and position, example sentences, generated text, neighbors."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems.charts import Bars, Figure, Figures, Quotes, Section, Table, Text, digits3
from raysq.problems.fixed_batches import fixed_batches
from raysq.problems.language_modeling.batches import Positions
from raysq.problems.language_modeling.bigrams import Bigrams
from raysq.problems.language_modeling.generated_text import neighbors_section, next_section, written_section
from raysq.problems.language_modeling.predict import BATCH, log_probabilities
from raysq.problems.language_modeling.settings import END, FIRST, UNKNOWN, LanguageModelingSettings

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
        places: index of each position in its sentence, `(n,)`; 0 is the first word.
        ids: id to predict at each position, `(n,)`.
        before: previous id of each position, `(n,)`.
        values: natural log-probability of `ids`, `(n,)`.
        right: whether the most likely id is the correct one, `(n,)`.
    """

    rows: np.ndarray
    places: np.ndarray
    ids: np.ndarray
    before: np.ndarray
    values: np.ndarray
    right: np.ndarray


def report(
    dataset: Dataset,
    facts: Mapping[str, Any],
    settings: LanguageModelingSettings,
    predict: Predict,
    *,
    embedding: Callable[[], np.ndarray | None] | None = None,
    week: str | None = None,
) -> list[Section]:
    """Return the report sections of a language modeling run.

    The report covers the test split, or the validation split if the data set has no test part.

    Args:
        dataset: data set that the run was trained on.
        facts: metadata of the run.
        settings: batch-time settings of the run.
        predict: maps x, as returned by `gather`, to probabilities.
        embedding: returns the weights of the model's first Embedding layer, `(features, dimension)`, or None.
        week: applies to forecasts only.

    Raises:
        UsageError: `week` is given.
    """
    if week is not None:
        raise UsageError("--week is for forecasts; the sentences of a text run have no time")
    splits = settings.open(dataset)
    split = "test" if len(splits["test"]) else "val"
    positions = splits[split]
    found = surprises(positions, predict)
    bigrams = positions.sentences.bigrams()
    whole = "all" if len(found.ids) == positions.targets else f"{len(found.ids):,} of the"
    where = f"On {whole} {positions.targets:,} positions of the {split} split."
    values = embedding() if embedding is not None else None
    sections = [
        _surprise_section(found, bigrams, facts, where),
        _place_section(found, bigrams, facts, where),
        _sentences_section(dataset, found, facts, split),
        written_section(positions, facts, predict),
        next_section(positions, facts, predict, bigrams),
        neighbors_section(positions, facts, values) if values is not None else None,
    ]
    return [section for section in sections if section is not None]


def surprises(positions: Positions, predict: Predict) -> Surprises:
    """Return the log-probability of every position of a split.

    A split of more than `SAMPLED` positions is sampled: every k-th sentence is evaluated.

    Args:
        positions: batch source of the split.
        predict: maps x, as returned by `gather`, to probabilities.
    """
    settings, firsts = positions.settings, positions.layout["firsts"]
    rows = np.arange(len(positions.rows))
    share = max(1, -(-positions.targets // SAMPLED))
    chosen = rows[::share]
    indices = np.concatenate([np.arange(firsts[row], firsts[row + 1]) for row in chosen.tolist()])
    mapped = positions.mapped()
    # Smaller batches for every position: the probabilities of all ids at all positions need much memory.
    size = max(8, BATCH // settings.maxlen) if settings.sequence_targets else BATCH
    parts: list[list[np.ndarray]] = [[] for _ in range(6)]
    for filled, count in fixed_batches(indices, size):
        part = filled[:count]
        x, y = positions.gather(filled, mapped, lambda array, at: array.take(at))
        prediction = np.asarray(predict(x))
        ids, values = (one[: len(part)] for one in log_probabilities(y, prediction))
        likely = prediction.argmax(-1)[: len(part)].reshape(ids.shape)
        number = np.searchsorted(firsts, part, side="right") - 1
        step = part - firsts[number]
        places = (
            step[:, None]
            if not settings.sequence_targets
            else step[:, None] * settings.maxlen + np.arange(ids.shape[1])
        )
        before = x[: len(part)] if settings.sequence_targets else x[: len(part), -1:]
        inside = np.nonzero(ids > 0)
        for store, one in zip(
            parts,
            (
                positions.rows[number][inside[0]],
                places[inside],
                ids[inside],
                before[inside],
                values[inside],
                (likely == ids)[inside],
            ),
            strict=True,
        ):
            store.append(one)
    return Surprises(*(np.concatenate(part) for part in parts))


def pair_values(bigrams: Bigrams, before: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return the natural log-probability of each id after the previous id under the bigram model.

    Args:
        bigrams: bigrams of the training sentences.
        before: previous ids, `(n,)`.
        ids: ids to predict, `(n,)`.
    """
    found = bigrams.backoff[before].astype(np.float64) * bigrams.lower[ids]
    keys = np.repeat(np.arange(len(bigrams.begins) - 1), np.diff(bigrams.begins)) * len(bigrams.lower) + bigrams.nexts
    asked = before.astype(np.int64) * len(bigrams.lower) + ids
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.log(np.maximum(found + np.where(keys[place] == asked, bigrams.shares[place], 0.0), 1e-30))


def _surprise_section(found: Surprises, bigrams: Bigrams, facts: Mapping[str, Any], where: str) -> Section:
    base = pair_values(bigrams, found.before, found.ids)
    what = "characters" if facts["preprocessor"].get("level") == "char" else "words"
    groups = (
        ("all positions", np.ones(len(found.ids), bool)),
        (f"known {what}", found.ids >= FIRST),
        (f"unknown {what}", found.ids == UNKNOWN),
        (f"ends of a {facts['preprocessor']['unit']}", found.ids == END),
    )
    rows: list[list[Any]] = [
        [
            name,
            int(chosen.sum()),
            *(float(np.exp(-values[chosen].mean())) for values in (found.values, base)),
            float(found.right[chosen].mean()),
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


def _place_section(found: Surprises, bigrams: Bigrams, facts: Mapping[str, Any], where: str) -> Section | None:
    edges = np.unique(np.geomspace(1, found.places.max() + 2, _GROUPS + 1).astype(np.int64)) - 1
    if len(edges) < 3:
        return None
    base = pair_values(bigrams, found.before, found.ids)
    place = np.searchsorted(edges, found.places, side="right") - 1
    counts = np.bincount(place, minlength=len(edges) - 1)
    own, other = (
        np.exp(-np.bincount(place, one, len(edges) - 1) / np.maximum(counts, 1)) for one in (found.values, base)
    )
    labels = [
        f"{low + 1:,}" if high - low == 1 else f"{low + 1:,}\u2013{high:,}"
        for low, high in itertools.pairwise(edges.tolist())
    ]
    unit = facts["preprocessor"]["unit"]
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


def _sentences_section(dataset: Dataset, found: Surprises, facts: Mapping[str, Any], split: str) -> Section | None:
    rows, begins, counts = np.unique(found.rows, return_index=True, return_counts=True)
    mean = np.exp(-np.add.reduceat(found.values, begins) / counts)
    enough = np.flatnonzero(counts > _LEAST_WORDS)
    if len(enough) < 2 * _QUOTED:
        return None
    order = enough[np.argsort(mean[enough], kind="stable")]
    items: list[Any] = []
    for title, chosen in (("Least surprising", order[:_QUOTED]), ("Most surprising", order[::-1][:_QUOTED])):
        quotes = [
            (
                f"{_value(dataset, 'id', rows[one])}: perplexity {digits3(float(mean[one]))}",
                _excerpt(dataset, rows[one]),
            )
            for one in chosen.tolist()
        ]
        items += [Text(title + ":"), Quotes(quotes)]
    unit = facts["preprocessor"]["unit"]
    note = (
        f"The {unit}s of the {split} split with the lowest and the highest perplexity, of {_LEAST_WORDS} words or more."
    )
    return Section(f"Least and most surprising {unit}s", items, note)


def _value(dataset: Dataset, column: str, row: int) -> str:
    size = dataset.manifest.shard_rows
    found: str = dataset.arrow(column)[row // size][row % size].as_py() or ""
    return found


def _excerpt(dataset: Dataset, row: int) -> str:
    said = " ".join(_value(dataset, "text", row).split())
    if said:
        return said if len(said) < 280 else said[:280].rstrip() + "\u2026"
    words = dataset.extra("vocabulary").column("word")
    codes = dataset.ragged("tokens").row(row)[:60].tolist()
    return " ".join(words[code].as_py() if code >= 0 else "\u2026" for code in codes)
