"""Report of a text classifier: confusion matrix, confidence, mistakes, and accuracy by document length."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems.charts import Bars, Quotes, Section
from raysq.problems.class_predictions import ClassPredictions, confidence_section, confusion_section
from raysq.problems.classification_report import predicted_classes, probabilities
from raysq.problems.fixed_batches import example_batches
from raysq.problems.text_classification.neighbors import neighbors_section
from raysq.problems.text_classification.predict import BATCH, widened
from raysq.problems.text_classification.settings import TextClassificationSettings

Predict = Callable[[np.ndarray], np.ndarray]

SAMPLED = 30_000  # most documents that the report evaluates
_MISTAKES = 12
_EXCERPT = 280  # characters
_LENGTHS = 8  # groups of documents of similar length


def report(
    dataset: Dataset,
    facts: Mapping[str, Any],
    settings: TextClassificationSettings,
    predict: Predict,
    *,
    embedding: Callable[[], np.ndarray | None] | None = None,
    week: str | None = None,
) -> list[Section]:
    """Return the report sections of a text classification run.

    The report covers the test split, or the validation split if the data set has no test part.

    Args:
        dataset: data set that the run was trained on.
        facts: metadata of the run.
        settings: batch-time settings of the run.
        predict: maps x, as returned by `gather`, to probabilities of shape `(n, 1)` or `(n, classes)`.
        embedding: returns the weights of the model's first Embedding layer, `(features, dimension)`, or None.
        week: applies to forecasts only.

    Raises:
        UsageError: `week` is given.
    """
    if week is not None:
        raise UsageError("--week is for forecasts; the documents of a text run have no time")
    splits = settings.open(dataset)
    split = "test" if len(splits["test"]) else "val"
    examples = splits[split]
    indices = np.linspace(0, len(examples) - 1, min(SAMPLED, len(examples))).astype(np.int64)
    found = _answers(examples, indices, predict, settings.bag)
    whole = "all" if len(indices) == len(examples) else f"{len(indices):,} evenly spaced of the"
    where = f"On {whole} {len(examples):,} documents of the {split} split."
    classes = facts["classes"]
    sections = [
        confusion_section(found, classes, where, facts.get("priors")),
        confidence_section(found, where, "documents"),
        _mistakes_section(dataset, found, classes, split),
        _length_section(dataset, found, settings, where),
    ]
    values = embedding() if embedding is not None else None
    words = neighbors_section(facts, splits["train"], values) if values is not None else None
    return [section for section in (*sections, words) if section is not None]


def _answers(examples: Any, indices: np.ndarray, predict: Predict, bag: bool) -> ClassPredictions:
    truth, taken, confidence = [], [], []
    for x, y, count in example_batches(examples, indices, BATCH):
        prediction = np.asarray(predict(widened(x) if bag else x))[:count]
        own = predicted_classes(prediction)
        truth.append(y.reshape(-1)[:count].astype(np.int64))
        taken.append(own)
        confidence.append(probabilities(prediction)[np.arange(count), own])
    rows = np.asarray(examples.rows)[indices]
    return ClassPredictions(rows, np.concatenate(truth), np.concatenate(taken), np.concatenate(confidence))


def _mistakes_section(dataset: Dataset, found: ClassPredictions, classes: Sequence[str], split: str) -> Section | None:
    wrong = np.flatnonzero(~found.right)
    if not len(wrong):
        return None
    worst = wrong[np.argsort(-found.confidence[wrong], kind="stable")][:_MISTAKES]
    names = dataset.texts("id", found.rows[worst])
    shown = excerpts(dataset, found.rows[worst])
    quotes = [
        (f"{name}: {classes[true]}, taken for {classes[taken]} ({100 * sure:.1f} %)", text)
        for name, true, taken, sure, text in zip(
            names, found.truth[worst], found.predicted[worst], found.confidence[worst], shown, strict=True
        )
    ]
    note = f"The {len(worst)} of {len(wrong):,} mistakes on the {split} split in which the model is surest."
    return Section("Most confident mistakes", [Quotes(quotes)], note)


def _length_section(
    dataset: Dataset, found: ClassPredictions, settings: TextClassificationSettings, where: str
) -> Section | None:
    lengths = dataset.ragged("tokens").lengths[found.rows]
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, _LENGTHS + 1)).astype(np.int64))
    if len(edges) < 3:
        return None
    place = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(place, minlength=len(edges) - 1)
    accuracy = np.bincount(place, found.right, len(edges) - 1) / np.maximum(counts, 1)
    last = len(edges) - 2
    labels = [
        f"{begin:,}\u2013{end - (number < last):,}"
        for number, (begin, end) in enumerate(itertools.pairwise(edges.tolist()))
    ]
    note = f"{where} Groups of about as many documents each."
    if not settings.bag:
        side = {"pre": "last", "post": "first"}[settings.truncation]
        cut = int((lengths > settings.maxlen).sum())
        note += f" The model sees the {side} {settings.maxlen:,} tokens: {cut:,} documents have more."
    bars = Bars(
        "Accuracy by length",
        labels,
        np.where(counts > 0, accuracy, np.nan),
        "tokens of the document",
        "accuracy",
        counts=counts.tolist(),
        wide=True,
    )
    return Section("Short and long documents", [bars], note)


def excerpts(dataset: Dataset, rows: np.ndarray) -> list[str]:
    """Return an excerpt from the beginning of each document.

    Documents without stored text are shown by the words of their tokens.
    """
    shown = []
    tokens = dataset.ragged("tokens")
    words = dataset.extra("vocabulary").column("word")
    for row, text in zip(np.asarray(rows).tolist(), dataset.texts("text", rows), strict=True):
        if not text:
            first = tokens.row(row)[: _EXCERPT // 4].tolist()
            text = " ".join(words[word].as_py() if word >= 0 else "\u2026" for word in first)
        text = " ".join(text.split())
        shown.append(text if len(text) <= _EXCERPT else text[:_EXCERPT].rstrip() + "\u2026")
    return shown
