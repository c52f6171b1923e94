"""Report of word vectors: similar words, a projection to the plane, and word counts."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems.charts import Bars, Figure, Figures, Item, Scatter, Section, Table
from raysq.problems.word_vectors.settings import WordVectorsSettings
from raysq.problems.word_vectors.stream import Streams, streams
from raysq.text.neighbors import nearest, principal, unit_rows

_PICTURED = 120  # maximum number of words of the scatter plot
_LISTED = 24  # number of words whose neighbors are listed
_NEAREST = 8
_RARE = 10  # words with fewer occurrences are hardly trained
_BARS = 30


def report(
    dataset: Dataset,
    facts: Mapping[str, Any],
    settings: WordVectorsSettings,
    predict: Callable[[np.ndarray], np.ndarray],
    *,
    embedding: Callable[[], np.ndarray | None] | None = None,
    week: str | None = None,
) -> list[Section]:
    """Return the report sections of a run of word vectors.

    Args:
        dataset: the data set that the run was trained on.
        facts: the run's metadata.
        settings: the run's settings.
        predict: function from x to predictions; unused.
        embedding: function that returns the words' vectors, `(features, dimension)`, or None.
        week: unused; applies to forecasts only.

    Raises:
        UsageError: if `week` is given.
    """
    if week is not None:
        raise UsageError("--week is for forecasts; texts have no time")
    found = streams(dataset, settings)
    sections = [_words_section(found, facts)]
    values = embedding() if embedding is not None else None
    if values is not None and len(values) == len(found.counts) and values.shape[1] > 1:
        sections = [_picture_section(found, values), _nearest_section(found, values), *sections]
    return sections


def telling(counts: np.ndarray, count: int) -> np.ndarray:
    """Return the ids of frequent content words, the most frequent first.

    The most frequent words that make up a third of the text are skipped: they occur everywhere, and their neighbors say
    little. They are kept where the vocabulary has at most `2 * count` ids.

    Args:
        counts: number of occurrences of each id, shape `(features,)`, descending from id 1 on.
        count: maximum number of ids to return.
    """
    total = np.cumsum(counts)
    first = int(np.searchsorted(total, total[-1] / 3)) if len(counts) > 2 * count else 1
    return np.arange(max(1, first), min(len(counts), max(1, first) + count))


def _picture_section(found: Streams, values: np.ndarray) -> Section:
    ids = telling(found.counts, _PICTURED)
    plane, shares = principal(unit_rows(values[ids]))
    points = Scatter(
        "Words in a plane",
        plane[:, 0].tolist(),
        plane[:, 1].tolist(),
        f"first principal component ({100 * shares[0]:.0f} % of the variance)",
        f"second ({100 * shares[1]:.0f} %)",
        names=[found.words[number] for number in ids.tolist()],
        named=True,
        wide=True,
    )
    note = (
        f"{len(ids)} frequent words, in the plane in which their vectors, at length one, differ most (principal "
        "component analysis). What lies apart here is different; what lies together may differ in other directions. "
        "Names that would cover others are shown when the pointer rests on a point."
    )
    return Section("Words", [points], note)


def _nearest_section(found: Streams, values: np.ndarray) -> Section:
    known = found.counts >= _RARE
    known[0] = False
    if known.sum() <= _NEAREST:
        known = np.arange(len(known)) > 0
    ids = telling(found.counts, _PICTURED)
    ids = ids[np.unique(np.linspace(0, len(ids) - 1, min(_LISTED, len(ids))).astype(np.int64))]
    unit = unit_rows(values)
    near = nearest(unit, values[ids], _NEAREST, among=known, without=[[number] for number in ids.tolist()])
    rows: list[list[Any]] = [
        [found.words[number], int(found.counts[number]), ", ".join(f"{found.words[o]} {c:.2f}" for o, c in others)]
        for number, others in zip(ids.tolist(), near, strict=True)
    ]
    note = "The cosine of the angle between vectors. Words that occur fewer than 10 times are left out."
    table = Table(["word", "occurrences", "nearest, with cosine"], rows)
    return Section("Nearest words", [table], note)


def _words_section(found: Streams, facts: Mapping[str, Any]) -> Section:
    counts = found.counts[1:]
    shown = min(_BARS, len(counts))
    items: list[Item] = [
        Figures(
            [
                Figure("Words with a vector", f"{facts['words']:,}", f"the rarest occurs {int(counts[-1]):,} times"),
                Figure("Words of the training texts", f"{facts['tokens']:,}"),
                Figure("Unknown words", f"{100 * facts['unknown']:.1f}\u202f%", "left out"),
                Figure("Trained on", f"{facts['kept']:,}", "after subsampling" if facts["dropped"] else ""),
            ]
        ),
        Bars(
            "The most frequent words",
            found.words[1 : shown + 1],
            counts[:shown] / counts.sum(),
            "word",
            "share of the text",
            "share",
            wide=True,
        ),
    ]
    return Section("Counts", items, "In the training texts, before subsampling.")
