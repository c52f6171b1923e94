"""What running text looks like before anything is trained: its beginning, lengths, and frequent words."""

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.charts import Item, Quotes, Section
from raysq.problems.even_rows import evenly
from raysq.problems.overview_items import excerpt, frequent_words_section, spread, words_of
from raysq.text.tokenizer import noun_of

_FIRST, _EXAMPLES = 8, 8
_EXCERPT = 300  # characters


def overview(dataset: Dataset) -> list[Section]:
    """Return the sections of a data set of running text."""
    report = dataset.manifest.report
    unit, words = report["unit"], noun_of(report["level"])
    tokens = dataset.ragged("tokens")
    chart = spread(f"Length of the {unit}s", tokens.lengths, words, f"{unit}s", whole=True)
    lengths: list[Item] = [] if chart is None else [chart]
    first = np.arange(min(_FIRST, dataset.rows))
    sections = [
        Section("How it begins", _quotes(dataset, first), f"The first {unit}s, as they were cut."),
        Section(f"Lengths of the {unit}s", lengths, f"{dataset.rows:,} {unit}s, {report['tokens']:,} {words}."),
        Section(
            "As the model sees it",
            [
                Quotes(
                    [
                        (name, " ".join(words_of(dataset, tokens.row(row)[:60])))
                        for name, row in _named(dataset, evenly(dataset.rows, _EXAMPLES))
                    ]
                )
            ],
            f"Some {unit}s as {words} of the vocabulary; an ellipsis stands for one outside of it.",
        ),
        frequent_words_section(dataset),
    ]
    return [section for section in sections if section.items]


def _named(dataset: Dataset, rows: np.ndarray) -> list[tuple[str, int]]:
    return list(zip(dataset.texts("id", rows), rows.tolist(), strict=True))


def _quotes(dataset: Dataset, rows: np.ndarray) -> list[Item]:
    texts = dataset.texts("text", rows)
    return [
        Quotes([(name, excerpt(text, _EXCERPT)) for (name, _), text in zip(_named(dataset, rows), texts, strict=True)])
    ]
