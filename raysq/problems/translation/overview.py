"""What pairs of sentences look like before anything is trained: lengths, pairs as the model sees them, words."""

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.charts import Item, Quotes, Scatter, Section
from raysq.problems.even_rows import evenly
from raysq.problems.overview_items import excerpt, frequent_words, spread, words_of

_POINTS = 1000  # most points of the scatter chart
_EXAMPLES = 6
_EXCERPT = 200  # characters
_SIDES = ("source", "target")


def overview(dataset: Dataset) -> list[Section]:
    """Return the sections of a data set of sentence pairs."""
    lengths = [dataset.ragged(f"{side}_tokens").lengths for side in _SIDES]
    shown = evenly(dataset.rows, _POINTS)
    x, y = ([float(value) for value in side[shown]] for side in lengths)
    charts: list[Item] = [Scatter("Lengths of the pairs", x, y, "source, words", "target, words")]
    for side, values in zip(_SIDES, lengths, strict=True):
        chart = spread(f"Length of the {side} sentences", values, "words", "pairs", whole=True)
        charts += [] if chart is None else [chart]
    quotes = []
    for row in evenly(dataset.rows, _EXAMPLES).tolist():
        (name,) = dataset.texts("id", np.array([row]))
        for side in _SIDES:
            (text,) = dataset.texts(side, np.array([row]))
            words = words_of(dataset, dataset.ragged(f"{side}_tokens").row(row), f"{side}_vocabulary")
            quotes.append((f"{name}, {side}", excerpt(text, _EXCERPT)))
            if " ".join(words) != text:
                quotes.append(("as the model sees it", excerpt(" ".join(words), _EXCERPT)))
    note = f"{len(shown):,} evenly spaced of {dataset.rows:,} pairs." if len(shown) < dataset.rows else ""
    seen = "As the model sees them, where that differs. An ellipsis stands for a word outside of the vocabulary."
    tables: list[Item] = [frequent_words(dataset, f"{side}_vocabulary", side) for side in _SIDES]
    return [
        Section("Lengths", charts, note),
        Section("Pairs of sentences", [Quotes(quotes)], seen),
        Section("Most frequent words", tables),
    ]
