"""What labeled texts look like before anything is trained: labels, lengths, words, and a text as a model sees it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import DataError, UsageError
from raysq.problems.charts import Bars, Histogram, Item, Quotes, Section, Text
from raysq.problems.even_rows import evenly
from raysq.problems.overview_items import excerpt, frequent_words_section, label_bars, spread, words_of
from raysq.problems.text_classification.batches import EncodedDocuments
from raysq.problems.text_classification.settings import TextClassificationSettings

_EXAMPLES = 2  # texts of each class
_CLASSES = 12  # most classes with examples
_EXCERPT = 400  # characters
_SEEN = 80  # words of the decoded text


def overview(dataset: Dataset, bind: Any, values: Mapping[str, Any]) -> list[Section]:
    """Return the sections of a data set of labeled texts.

    Args:
        dataset: the data set.
        bind: `TextClassification.from_dataset`.
        values: settings of the batches.
    """
    classes = _classes(dataset)
    labels = dataset.column("label").slice(0, dataset.rows)
    lengths = dataset.ragged("tokens").lengths
    charts: list[Bars | Histogram | None] = [
        label_bars("Texts of each class", classes, labels, "texts"),
        spread("Length of the texts", lengths, "words", "texts", whole=True),
    ]
    median, high = np.quantile(lengths, (0.5, 0.9)).astype(int).tolist()
    sections = [
        Section(
            "Labels and lengths",
            [chart for chart in charts if chart is not None],
            f"Half of the texts have at most {median:,} words, nine in ten at most {high:,}, "
            f"the longest {int(lengths.max()):,}.",
        ),
        Section("Texts of each class", _examples(dataset, classes, labels), ""),
        Section("A text as the model sees it", _decoded(dataset, bind, values)),
        frequent_words_section(dataset),
    ]
    return [section for section in sections if section.items]


def _classes(dataset: Dataset) -> list[str]:
    """Return the names of the numbers in the column of labels: classes, or sets of them where texts have several."""
    report = dataset.manifest.report
    names = [str(name) for name in report["classes"]]
    if "sets" not in report:
        return names
    return [" + ".join(names[number] for number in members) or "(none)" for members in report["sets"]]


def _examples(dataset: Dataset, classes: list[str], labels: np.ndarray) -> list[Item]:
    quotes = []
    for number in range(min(_CLASSES, len(classes))):
        members = np.flatnonzero(labels == number)
        rows = members[evenly(len(members), _EXAMPLES)]
        for name, row in zip(dataset.texts("id", rows), rows.tolist(), strict=True):
            quotes.append((f"{classes[number]}: {name}", _text(dataset, row)))
    return [Quotes(quotes)] if quotes else []


def _text(dataset: Dataset, row: int) -> str:
    """Return the beginning of a text, or the words of one that is stored as word numbers only."""
    (text,) = dataset.texts("text", np.array([row]))
    return excerpt(text or " ".join(words_of(dataset, dataset.ragged("tokens").row(row)[:_SEEN])), _EXCERPT)


def _decoded(dataset: Dataset, bind: Any, values: Mapping[str, Any]) -> list[Item]:
    """Return a text beside its words and the words that the task's vocabulary leaves of it."""
    lengths = dataset.ragged("tokens").lengths
    row = int(np.argsort(lengths, kind="stable")[len(lengths) // 2])
    codes = dataset.ragged("tokens").row(row)
    words = words_of(dataset, codes)
    quotes = [("the text", _text(dataset, row)), (f"its {len(words):,} words", excerpt(" ".join(words), _EXCERPT))]
    try:
        settings: TextClassificationSettings = bind(dataset, values).settings
        vocabulary = dataset.derived(EncodedDocuments, settings).vocabulary
    except (DataError, UsageError) as error:
        return [Quotes(quotes), Text(f"The task's settings do not fit these texts: {error}.")]
    ids = vocabulary.singles[codes][:_SEEN]
    shown = [vocabulary.term(int(number)) or "(left out)" for number in ids]
    head = f"as ids of the {vocabulary.features:,} that the task's settings know, the first {len(ids)}"
    quotes.append((head, " ".join(map(str, ids.tolist()))))
    quotes.append(("and back", " ".join(shown)))
    return [Quotes(quotes)]
