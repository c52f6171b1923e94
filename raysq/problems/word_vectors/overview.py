"""What texts for word vectors look like before anything is trained: frequent words, their counts by rank, lengths."""

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.charts import Item, Line, LineChart, Quotes, Section
from raysq.problems.even_rows import evenly
from raysq.problems.overview_items import frequent_words_section, spread, words_of

_EXAMPLES = 6
_POINTS = 200


def overview(dataset: Dataset) -> list[Section]:
    """Return the sections of a data set of texts for word vectors."""
    report = dataset.manifest.report
    tokens = dataset.ragged("tokens")
    chart = spread(f"Length of the {report['unit']}s", tokens.lengths, "words", f"{report['unit']}s", whole=True)
    items: list[Item] = [] if chart is None else [chart]
    counts = np.sort(dataset.extra("vocabulary").column("count").to_numpy())[::-1]
    if len(counts) > 1:
        ranks = np.unique(np.geomspace(1, len(counts), _POINTS).astype(np.int64))
        line = Line("count", ranks, np.maximum(counts[ranks - 1], 1).astype(np.float64))
        items.append(LineChart("Count of each word by its rank", [line], "rank", "count", log_y=True, wide=False))
    rows = evenly(dataset.rows, _EXAMPLES)
    quotes = [
        (name, " ".join(words_of(dataset, tokens.row(row)[:60])))
        for name, row in zip(dataset.texts("id", rows), rows.tolist(), strict=True)
    ]
    return [
        Section("Words and lengths", items, f"{report['tokens']:,} words, {report['words']:,} different ones."),
        frequent_words_section(dataset),
        Section("Texts as the model sees them", [Quotes(quotes)], "The first words of some texts."),
    ]
