"""Predictions of a classifier, and the report's sections on its confusion matrix and its confidence."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from raysq.problems.charts import Bars, Figure, Figures, Histogram, Item, Matrix, Section, Text, digits3
from raysq.problems.classification_report import (
    LISTED,
    NAMED,
    class_table,
    confused_pairs,
    confusion_matrix,
    matrix_report,
    probabilities,
    ranking_lines,
    with_ranking,
    with_threshold,
)

_BINS = 10


@dataclass(frozen=True)
class ClassPredictions:
    """Predicted classes of some examples.

    Attributes:
        rows: rows of the data set, shape `(n,)`.
        truth: index of the true class, shape `(n,)`.
        shares: probability of each class, float32 of shape `(n, classes)`.
    """

    rows: np.ndarray
    truth: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> Self:
        """Return the predictions of batches.

        Args:
            rows: rows of the data set, shape `(n,)`.
            batches: class indices of the examples of each batch, and the model's outputs.
        """
        pairs = [(np.asarray(y, np.int64).reshape(-1), probabilities(out).astype(np.float32)) for y, out in batches]
        return cls(rows, *(np.concatenate(parts) for parts in zip(*pairs, strict=True)))

    @property
    def predicted(self) -> np.ndarray:
        """Index of the predicted class, shape `(n,)`."""
        predicted: np.ndarray = self.shares.argmax(1)
        return predicted

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the predicted class, shape `(n,)`."""
        confidence: np.ndarray = self.shares.max(1)
        return confidence

    @property
    def right(self) -> np.ndarray:
        """Whether each prediction is correct, bool of shape `(n,)`."""
        right: np.ndarray = self.predicted == self.truth
        return right


def confusion_section(
    predictions: ClassPredictions,
    classes: Sequence[str],
    where: str,
    priors: Sequence[float] | None = None,
    threshold: float | None = None,
) -> Section:
    """Return the section with accuracy, confusion matrix, and precision, recall and F1 of each class.

    Args:
        predictions: predictions of some examples.
        classes: names of the classes.
        where: a sentence that describes the examples.
        priors: share of each class among the training examples.
        threshold: threshold of two classes that the validation split chose, or None.
    """
    counts = confusion_matrix(predictions.truth, predictions.predicted, len(classes))
    report = with_ranking(matrix_report(counts, classes, priors), predictions.truth, predictions.shares)
    if threshold is not None:
        report = with_threshold(report, predictions.truth, predictions.shares, threshold)
    right = f"{int(predictions.right.sum()):,} of {len(predictions.rows):,}"
    many, area = len(classes) > NAMED, report["macro"]["auc"]
    items: list[Item] = [
        Figures(
            [
                Figure("Accuracy", f"{report['accuracy']:.4f}", right),
                Figure("Macro F1", f"{report['macro']['f1']:.4f}", "mean over the classes"),
                *(
                    []
                    if area is None
                    else [Figure("AUC", f"{area:.4f}", "mean over the classes, each against the others")]
                ),
            ]
        ),
        *(Text(f"{line[0].upper()}{line[1:]}.") for line in ranking_lines(report)),
        *(Text(f"{line[0].upper()}{line[1:]}.") for line in report["caveats"]),
        *([Matrix("Confusion matrix", list(classes), counts, wide=many)] if len(classes) <= LISTED else []),
        class_table(report),
    ]
    if many:
        items.append(confused_pairs(report, "Largest confusions"))
    note = f"{where} A row for each true class; the stronger a cell's color, the larger its share of the row."
    if len(classes) > LISTED:
        note = f"{where} {len(classes):,} classes are too many for a matrix; `raysq evaluate --json` has all of it."
    return Section("Right and wrong", items, note)


def confidence_section(predictions: ClassPredictions, where: str, what: str) -> Section:
    """Return the section with the histogram of confidence, the accuracy by confidence and the calibration error.

    Args:
        predictions: predictions of some examples.
        where: a sentence that describes the examples.
        what: plural noun for the examples, such as "images".
    """
    low = float(np.floor(predictions.confidence.min() * _BINS) / _BINS)
    edges = np.linspace(min(low, 1.0 - 1.0 / _BINS), 1.0, _BINS + 1)
    bins = np.clip(np.searchsorted(edges, predictions.confidence, side="right") - 1, 0, _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    divisors = np.maximum(counts, 1)
    accuracy = np.bincount(bins, predictions.right, _BINS) / divisors
    confidence = np.bincount(bins, predictions.confidence, _BINS) / divisors
    # Expected calibration error, Naeini et al. 2015: the mean distance between confidence and accuracy.
    distance = float((counts * np.abs(accuracy - confidence)).sum() / counts.sum())
    labels = [f"{begin * 100:.0f}\u2013{end * 100:.0f} %" for begin, end in itertools.pairwise(edges)]
    items: list[Item] = [
        Histogram("How sure the model is", edges, counts, "probability of the class it names", y_label=what),
        Bars(
            "How often it is right then",
            labels,
            np.where(counts > 0, accuracy, np.nan),
            "probability of the class it names",
            "accuracy",
            "accuracy",
            counts.tolist(),
            {"probability, mean": np.where(counts > 0, confidence, np.nan)},
        ),
        Text(
            f"Mean distance between probability and accuracy (expected calibration error): {digits3(distance)}. Where "
            "the bars end below the lines, the model is surer than it should be."
        ),
    ]
    return Section("How sure it is", items, where)
