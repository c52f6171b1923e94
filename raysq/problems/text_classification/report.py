"""Report of a text classifier: confusion matrix, confidence, mistakes, and accuracy by document length."""

import itertools
from collections.abc import Sequence

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.base import ReportModel
from raysq.problems.charts import Bars, Quotes, Section
from raysq.problems.class_predictions import ClassPredictions, confidence_section, confusion_section
from raysq.problems.classification_report import validation_threshold
from raysq.problems.fixed_batches import example_batches
from raysq.problems.label_report import label_report, label_tables, label_thresholds
from raysq.problems.text_classification.batches import EncodedDocuments, Texts
from raysq.problems.text_classification.metadata import TextClassificationMetadata
from raysq.problems.text_classification.neighbors import neighbors_section
from raysq.problems.text_classification.predict import BATCH, widened
from raysq.problems.text_classification.settings import TextClassificationSettings

SAMPLED = 30_000  # most documents that the report evaluates
_MISTAKES = 12
_EXCERPT = 280  # characters
_LENGTHS = 8  # groups of documents of similar length


def report(documents: EncodedDocuments, metadata: TextClassificationMetadata, model: ReportModel) -> list[Section]:
    """Return the report sections of a text classification run.

    The report covers the test split, or the validation split if the data set has no test part.
    """
    if metadata.several:
        return [_labels_section(documents, metadata, model)]
    dataset, settings = documents.dataset, documents.settings
    split = "test" if len(documents.split.test) else "val"
    texts = Texts(documents, split)
    indices = np.linspace(0, len(texts) - 1, min(SAMPLED, len(texts))).astype(np.int64)
    predictions = _predict(texts, indices, model, settings.bag)
    threshold = None
    if split == "test" and len(metadata.classes) == 2:
        validating = Texts(documents, "val")
        some = np.linspace(0, len(validating) - 1, min(SAMPLED, len(validating))).astype(np.int64)
        chosen = _predict(validating, some, model, settings.bag)
        threshold = validation_threshold(chosen.truth, chosen.shares, metadata.classes)
    amount = "all" if len(indices) == len(texts) else f"{len(indices):,} evenly spaced of the"
    where = f"On {amount} {len(texts):,} documents of the {split} split."
    weights = model.embedding()
    sections = (
        confusion_section(predictions, metadata.classes, where, metadata.priors, threshold),
        confidence_section(predictions, where, "documents"),
        _mistakes_section(dataset, predictions, metadata.classes, split),
        _length_section(dataset, predictions, settings, where),
        None if weights is None else neighbors_section(Texts(documents, "train"), metadata.classes, weights),
    )
    return [section for section in sections if section is not None]


def _predict(texts: Texts, indices: np.ndarray, model: ReportModel, bag: bool) -> ClassPredictions:
    batches = (
        (y[:count], model.predict(widened(x) if bag else x)[:count])
        for x, y, count in example_batches(texts, indices, BATCH)
    )
    return ClassPredictions.of(texts.rows[indices], batches)


def _labels_section(documents: EncodedDocuments, metadata: TextClassificationMetadata, model: ReportModel) -> Section:
    """Return the section on documents with several labels."""
    split = "test" if len(documents.split.test) else "val"
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name in dict.fromkeys(("val", split)):
        texts = Texts(documents, name)
        indices = np.linspace(0, len(texts) - 1, min(SAMPLED, len(texts))).astype(np.int64)
        pairs = [
            (y[:count], model.predict(widened(x) if documents.settings.bag else x)[:count])
            for x, y, count in example_batches(texts, indices, BATCH)
        ]
        y, shares = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        found[name] = (y, shares)
    figures = label_report(*found[split], metadata.classes, label_thresholds(*found["val"]))
    note = (
        f"On {figures['examples']:,} documents of the {split} split. A label is predicted above a probability of 0.5."
    )
    return Section("Labels", list(label_tables(figures)), note)


def _mistakes_section(
    dataset: Dataset, predictions: ClassPredictions, classes: Sequence[str], split: str
) -> Section | None:
    wrong = np.flatnonzero(~predictions.right)
    if not len(wrong):
        return None
    worst = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:_MISTAKES]
    names = dataset.texts("id", predictions.rows[worst])
    texts = excerpts(dataset, predictions.rows[worst])
    columns = (predictions.truth[worst], predictions.predicted[worst], predictions.confidence[worst])
    quotes = [
        (f"{name}: {classes[true]}, taken for {classes[predicted]} ({100 * confidence:.1f} %)", text)
        for name, true, predicted, confidence, text in zip(names, *columns, texts, strict=True)
    ]
    note = f"The {len(worst)} of {len(wrong):,} mistakes on the {split} split in which the model is surest."
    return Section("Most confident mistakes", [Quotes(quotes)], note)


def _length_section(
    dataset: Dataset, predictions: ClassPredictions, settings: TextClassificationSettings, where: str
) -> Section | None:
    lengths = dataset.ragged("tokens").lengths[predictions.rows]
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, _LENGTHS + 1)).astype(np.int64))
    if len(edges) < 3:
        return None
    groups = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(groups, minlength=len(edges) - 1)
    accuracy = np.bincount(groups, predictions.right, len(edges) - 1) / np.maximum(counts, 1)
    last = len(edges) - 2
    labels = [
        f"{begin:,}\u2013{end - (number < last):,}"
        for number, (begin, end) in enumerate(itertools.pairwise(edges.tolist()))
    ]
    note = f"{where} Groups of about as many documents each."
    if not settings.bag:
        side = {"pre": "last", "post": "first"}[settings.truncation]
        longer = int((lengths > settings.maxlen).sum())
        note += f" The model sees the {side} {settings.maxlen:,} tokens: {longer:,} documents have more."
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
    parts = []
    tokens = dataset.ragged("tokens")
    words = dataset.extra("vocabulary").column("word")
    for row, text in zip(np.asarray(rows).tolist(), dataset.texts("text", rows), strict=True):
        if not text:
            codes = tokens.row(row)[: _EXCERPT // 4].tolist()
            text = " ".join(words[code].as_py() if code >= 0 else "\u2026" for code in codes)
        text = " ".join(text.split())
        parts.append(text if len(text) <= _EXCERPT else text[:_EXCERPT].rstrip() + "\u2026")
    return parts
