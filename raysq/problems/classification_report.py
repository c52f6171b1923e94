"""Classification report: confusion matrix, precision, recall, F1 and AUC of each class, top-k accuracy, a threshold."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from raysq.problems.charts import Table, Text
from raysq.problems.classes import single_class_message
from raysq.problems.ranking import auc_by_class, best_threshold, top_k_accuracy

NAMED = 6  # most classes for which the matrix is shown as a table
LISTED = 40  # most classes for which each has a row
TOPS = (3, 5)  # classes among which the true one counts, where there are more
_CONFUSIONS = 10  # most confused pairs to list


def probabilities(prediction: np.ndarray) -> np.ndarray:
    """Return the probability of each class, float64 of shape `(n, classes)`.

    Args:
        prediction: shape `(n, classes)` from a softmax, or `(n, 1)` from a sigmoid, which is the probability of the
            second of two classes.
    """
    prediction = np.asarray(prediction, np.float64)
    return np.concatenate([1.0 - prediction, prediction], 1) if prediction.shape[1] == 1 else prediction


def predicted_classes(prediction: np.ndarray) -> np.ndarray:
    """Return the predicted class of each example by the rule of the accuracy metric, int64 of shape `(n,)`.

    Args:
        prediction: shape `(n, classes)`, of which the largest counts, or `(n, 1)` from a sigmoid with threshold 0.5.
    """
    prediction = np.asarray(prediction)
    return (prediction[:, 0] > 0.5).astype(np.int64) if prediction.shape[1] == 1 else prediction.argmax(1)


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return the counts by true class (rows) and predicted class (columns), int64 of shape `(classes, classes)`.

    Args:
        truth: index of the true class, shape `(n,)` or `(n, 1)`.
        predicted: index of the predicted class, shape `(n,)` or `(n, 1)`.
        classes: number of classes.
    """
    pairs = np.asarray(truth, np.int64).reshape(-1) * classes + np.asarray(predicted, np.int64).reshape(-1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def classification_report(
    y: np.ndarray,
    prediction: np.ndarray,
    classes: Sequence[str],
    priors: Sequence[float] | None = None,
    threshold: float | None = None,
) -> dict[str, Any]:
    """Return the classification report of a split.

    Args:
        y: class index of each example, shape `(n, 1)`.
        prediction: output of the model, shape `(n, 1)` from a sigmoid or `(n, classes)` from a softmax.
        classes: names of the classes.
        priors: share of each class among the training examples.
        threshold: result of `validation_threshold`, or None.

    Returns:
        JSON-ready `classes`, `examples`, `accuracy`, `confusion` (a list of counts for each true class), and
        `per_class`: `precision`, `recall`, `f1`, `auc` (of the class against all others) and `support` (number of
        examples) by class name. A figure without examples to count is None. `macro` holds the means over the classes
        that occur or are predicted, with None counted as 0, of `auc` over those with examples and counterexamples.
        `top_k` holds the share of examples whose class is among the k most probable, by k. `caveats` lists the limits
        of the figures, for example that the split has a single class. With a threshold, `at_threshold` has `class`,
        `threshold`, and `accuracy` and `macro_f1` if that class is predicted above it.
    """
    truth, shares = np.asarray(y, np.int64).reshape(-1), probabilities(prediction)
    counts = confusion_matrix(truth, predicted_classes(prediction), len(classes))
    report = with_ranking(matrix_report(counts, classes, priors), truth, shares)
    return report if threshold is None else with_threshold(report, truth, shares, threshold)


def with_ranking(report: dict[str, Any], truth: np.ndarray, shares: np.ndarray) -> dict[str, Any]:
    """Return a report with the AUC of each class and top-k accuracies.

    Args:
        report: result of `matrix_report`.
        truth: index of the true class, shape `(n,)`.
        shares: probabilities, shape `(n, classes)`.
    """
    classes = report["classes"]
    areas, mean = auc_by_class(classes, (truth == number for number in range(len(classes))), shares)
    return {
        **report,
        "per_class": {name: {**row, "auc": areas[name]} for name, row in report["per_class"].items()},
        "macro": {**report["macro"], "auc": mean},
        "top_k": {str(k): top_k_accuracy(truth, shares, k) for k in TOPS if k < len(classes)},
    }


def with_threshold(report: dict[str, Any], truth: np.ndarray, shares: np.ndarray, threshold: float) -> dict[str, Any]:
    """Return a report of two classes with the figures at a threshold; see `classification_report`."""
    name = report["classes"][1]
    moved = matrix_report(confusion_matrix(truth, shares[:, 1] > threshold, 2), report["classes"])
    figures = {"accuracy": moved["accuracy"], "macro_f1": moved["macro"]["f1"]}
    return {**report, "at_threshold": {"class": name, "threshold": threshold, **figures}}


def validation_threshold(y: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float | None:
    """Return the probability above which the second of two classes is best predicted, by the validation split.

    It has the highest mean F1 of both classes. None for more classes, or a split with a single class.

    Args:
        y, prediction, classes: see `classification_report`; those of the validation split.
    """
    if len(classes) != 2:
        return None
    return best_threshold(np.asarray(y).reshape(-1) == 1, probabilities(prediction)[:, 1], both=True)


def matrix_report(counts: np.ndarray, classes: Sequence[str], priors: Sequence[float] | None = None) -> dict[str, Any]:
    """Return what `classification_report` returns from a confusion matrix alone: no AUC, top-k accuracy or threshold.

    Args:
        counts: confusion matrix, shape `(classes, classes)`.
        classes: names of the classes.
        priors: share of each class among the training examples.
    """
    hits, support, guesses = np.diag(counts), counts.sum(1), counts.sum(0)
    per_class = {
        name: class_figures(hit, count, guessed)
        for name, hit, count, guessed in zip(classes, hits, support, guesses, strict=True)
    }
    return {
        "classes": list(classes),
        "examples": int(counts.sum()),
        "accuracy": _share(hits.sum(), counts.sum()),
        "confusion": counts.tolist(),
        "per_class": per_class,
        "macro": macro_means(per_class.values()),
        "caveats": _caveats(support, classes, priors),
    }


def class_figures(hits: Any, support: Any, guesses: Any) -> dict[str, Any]:
    """Return `precision`, `recall`, `f1` and `support` of a class. A figure without examples to count is None.

    Args:
        hits: number of its examples that were predicted to be of it.
        support: number of its examples.
        guesses: number of examples that were predicted to be of it.
    """
    return {
        "precision": _share(hits, guesses),
        "recall": _share(hits, support),
        "f1": _share(2 * hits, support + guesses),
        "support": int(support),
    }


def macro_means(rows: Iterable[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the means of `class_figures` over the classes that occur or are predicted, with None counted as 0."""
    counted = [row for row in rows if row["f1"] is not None]
    return {
        name: sum(row[name] or 0.0 for row in counted) / len(counted) if counted else None
        for name in ("precision", "recall", "f1")
    }


def _caveats(support: np.ndarray, classes: Sequence[str], priors: Sequence[float] | None) -> list[str]:
    """Return messages about the limits of a split's figures, from the number of examples of each class."""
    present = [name for name, count in zip(classes, support, strict=True) if count]
    lines = [single_class_message(present[0])] if len(present) == 1 else []
    shares = priors or [1.0] * len(classes)
    for name, count, share in zip(classes, support.tolist(), shares, strict=True):
        if count and not share:
            lines.append(f"{count:,} of {name}, which no training example has: no model can be right on them")
    return lines


def report_tables(report: Mapping[str, Any], split: str) -> list[Table | Text]:
    """Return a classification report as tables and text.

    The tables are the figures of each class, and the confusion matrix or, for many classes, the most confused pairs.

    Args:
        report: result of `classification_report`.
        split: name of the split, for the titles.
    """
    classes = report["classes"]
    caveats = report.get("caveats", ())  # earlier versions wrote none
    items: list[Table | Text] = [Text(f"{split}: {line}") for line in caveats]
    items.append(class_table(report, f"{split}: each class"))
    items += [Text(f"{split}: {line}") for line in ranking_lines(report)]
    if len(classes) <= NAMED:
        rows = [[name, *counts] for name, counts in zip(classes, report["confusion"], strict=True)]
        items.append(Table(["true \\ predicted", *classes], rows, f"{split}: confusion matrix"))
    else:
        items.append(confused_pairs(report, f"{split}: largest confusions"))
    return items


def class_table(report: Mapping[str, Any], title: str = "") -> Table:
    """Return the table of precision, recall, F1 and support of each class, with the macro average at the end.

    Of more than `LISTED` classes, the table has those with the lowest F1.
    """
    names = ("precision", "recall", "f1", *(("auc",) if "auc" in report["macro"] else ()))
    shown = list(report["per_class"].items())
    if len(shown) > LISTED:
        title = f"{title}{', ' if title else ''}the {LISTED} of {len(shown):,} with the lowest F1"
        counted = [pair for pair in shown if pair[1]["f1"] is not None]
        shown = sorted(counted, key=lambda pair: (pair[1]["f1"], -pair[1]["support"]))[:LISTED]
    rows: list[list[Any]] = [[name, *(row[key] for key in names), row["support"]] for name, row in shown]
    rows.append(["macro average", *(report["macro"][key] for key in names), report["examples"]])
    heads = {"f1": "F1", "auc": "AUC"}
    return Table(["class", *(heads.get(name, name) for name in names), "examples"], rows, title)


def ranking_lines(report: Mapping[str, Any]) -> list[str]:
    """Return the messages about top-k accuracies and the threshold that the validation split chose."""
    lines = []
    if tops := {k: share for k, share in report.get("top_k", {}).items() if share is not None}:
        shares = ", ".join(f"top {k} {share:.4f}" for k, share in tops.items())
        lines.append(f"the true class is among the most probable ones: {shares}")
    if moved := report.get("at_threshold"):
        lines.append(
            f"threshold {moved['threshold']:.3f} for {moved['class']}, chosen on the validation split: accuracy "
            f"{moved['accuracy']:.4f} and macro F1 {moved['macro_f1']:.4f}, at 0.5 {report['accuracy']:.4f} and "
            f"{report['macro']['f1']:.4f}"
        )
    return lines


def confused_pairs(report: Mapping[str, Any], title: str = "") -> Table:
    """Return the table of the most confused pairs of classes."""
    counts = np.array(report["confusion"], np.int64)
    support = counts.sum(1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [np.unravel_index(index, counts.shape) for index in order.tolist()]
    classes = report["classes"]
    rows = [
        [classes[true], classes[predicted], int(count), float(count / support[true])]
        for true, predicted in pairs
        if (count := counts[true, predicted])
    ]
    return Table(["true", "predicted", "examples", "share of the class"], rows, title)


def _share(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None
