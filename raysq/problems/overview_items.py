"""Charts and tables that overviews of data share: histograms, counts of labels, lengths, and frequent words."""

from collections.abc import Sequence

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.charts import Bars, Histogram, Mark, Section, Table

_BINS = 40
_WORDS = 60
_LABELS = 40  # most classes of a chart
_TAIL = 0.995  # quantile above which values are counted in the last bin
OUTERMOST = "The outermost bars count the values beyond them too: half a percent on either side."


def spread(title: str, values: np.ndarray, x_label: str, y_label: str, *, whole: bool = False) -> Histogram | None:
    """Return a histogram of finite values with their mean, or None without any.

    The values beyond the outer half percent on either side are in the outermost bins.

    Args:
        title: title of the chart.
        values: the values.
        x_label: what the values are.
        y_label: what is counted.
        whole: whether the values are whole numbers from 0 on, of which only large ones are rare.
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = (0.0 if whole else float(np.quantile(values, 1 - _TAIL))), float(np.quantile(values, _TAIL))
    if whole:
        high = np.ceil(high) + 1.0
        bins = int(min(_BINS, high - low))
    elif high - low < _BINS and (values == np.round(values)).all():
        low, high = np.floor(low) - 0.5, np.ceil(high) + 0.5  # a bin for each whole number
        bins = int(high - low)
    else:
        bins = _BINS
        if low == high:
            low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(np.clip(values, low, high), bins, (low, high))
    return Histogram(title, edges, counts, x_label, [Mark(float(values.mean()), "mean")], y_label)


def label_bars(title: str, classes: Sequence[str], labels: np.ndarray, y_label: str) -> Bars:
    """Return the number of rows of each class, the most frequent ones if there are many.

    Args:
        title: title of the chart.
        classes: names of the classes by number.
        labels: class number of each row; rows below 0 have none.
        y_label: what is counted.
    """
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    chosen = np.arange(len(classes))
    if len(classes) > _LABELS:
        chosen = np.argsort(-counts, kind="stable")[:_LABELS]
        title = f"{title}, the {_LABELS} most frequent of {len(classes):,}"
    names = [str(classes[number]) for number in chosen.tolist()]
    return Bars(title, names, counts[chosen], "class", y_label, wide=len(names) > 8)


def frequent_words(dataset: Dataset, name: str = "vocabulary", title: str = "") -> Table:
    """Return the most frequent words of a vocabulary beside the rows, with their counts and cumulative share."""
    vocabulary = dataset.extra(name)
    counts = vocabulary.column("count").to_numpy()
    order = np.argsort(-counts, kind="stable")[:_WORDS]
    words = vocabulary.column("word").take(order).to_pylist()
    shares = np.cumsum(counts[order]) / max(1, int(counts.sum()))
    rows = [
        [rank, _visible(word), int(count), f"{100 * share:.1f} %"]
        for rank, (word, count, share) in enumerate(zip(words, counts[order].tolist(), shares.tolist(), strict=True), 1)
    ]
    return Table(["rank", "word", "count", "of all words, with those above"], rows, title)


def frequent_words_section(dataset: Dataset) -> Section:
    """Return the section of the most frequent words."""
    total = dataset.extra("vocabulary").num_rows
    note = f"The {min(_WORDS, total)} most frequent of {total:,} words of the vocabulary, as they were counted."
    return Section("Most frequent words", [frequent_words(dataset)], note)


def words_of(dataset: Dataset, codes: np.ndarray, name: str = "vocabulary") -> list[str]:
    """Return the words of codes; those outside of the vocabulary are shown as an ellipsis."""
    words = dataset.extra(name).column("word")
    return [words[code].as_py() if code >= 0 else "\u2026" for code in codes.tolist()]


def excerpt(text: str, most: int) -> str:
    """Return the beginning of a text in one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[:most].rstrip() + "\u2026"


def _visible(word: str) -> str:
    """Return a word as it can be seen: spaces and line breaks by their names."""
    return {" ": "(space)", "\n": "(line break)", "\t": "(tab)"}.get(word, word)
