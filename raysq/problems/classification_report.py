"""Classification report: confusion matrix, and precision, recall and F1 of each class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysq.problems.charts import Table, Text
from raysq.problems.classes import one_class

NAMED = 6  # most classes for which the matrix is shown as a table
LISTED = 40  # most classes for which each has a row
_CONFUSIONS = 10  # most confused pairs to list


def probabilities(prediction: np.ndarray) -> np.ndarray:
    """Return the probability of each class.

    Args:
        prediction: shape `(n, classes)` from a softmax, or `(n, 1)` from a sigmoid, which is the probability of the
            second of two classes.

    Returns:
        float64 of shape `(n, classes)`.
    """
    prediction = np.asarray(prediction, np.float64)
    return np.concatenate([1.0 - prediction, prediction], 1) if prediction.shape[1] == 1 else prediction


def predicted_classes(prediction: np.ndarray) -> np.ndarray:
    """Return the predicted class of each example by the rule of the accuracy metric.

    Args:
        prediction: shape `(n, classes)`, of which the largest is taken, or `(n, 1)` from a sigmoid with threshold 0.5.

    Returns:
        int64 of shape `(n,)`.
    """
    prediction = np.asarray(prediction)
    return (prediction[:, 0] > 0.5).astype(np.int64) if prediction.shape[1] == 1 else prediction.argmax(1)


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix.

    Args:
        truth: index of the true class, shape `(n,)` or `(n, 1)`.
        predicted: index of the predicted class, shape `(n,)` or `(n, 1)`.
        classes: number of classes.

    Returns:
        Counts by true class (rows) and predicted class (columns), int64 of shape `(classes, classes)`.
    """
    pairs = np.asarray(truth, np.int64).reshape(-1) * classes + np.asarray(predicted, np.int64).reshape(-1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def classification_report(
    facts: Mapping[str, Any], settings: Any, y: np.ndarray, prediction: np.ndarray
) -> dict[str, Any]:
    """Return the classification report of a split.

    Args:
        facts: metadata of the run: `classes`, and `priors` where recorded.
        settings: batch-time settings of the run; not used.
        y: class index of each example, shape `(n, 1)`.
        prediction: output of the model, shape `(n, 1)` from a sigmoid or `(n, classes)` from a softmax.

    Returns:
        JSON-ready `classes`, `examples`, `accuracy`, `confusion` (a list of counts for each true class), and
        `per_class`: `precision`, `recall`, `f1` and `support` (number of examples) by class name. A figure without
        examples to count is None. `macro` holds the means over the classes that occur or are predicted, with None
        counted as 0. `caveats` lists the limits of the figures, for example that the split has a single class.
    """
    classes = facts["classes"]
    return figures(confusion(y, predicted_classes(prediction), len(classes)), classes, facts.get("priors"))


def figures(counts: np.ndarray, classes: Sequence[str], priors: Sequence[float] | None = None) -> dict[str, Any]:
    """Return the classification report of a confusion matrix.

    Args:
        counts: confusion matrix, shape `(classes, classes)`.
        classes: names of the classes.
        priors: share of each class among the training examples.

    Returns:
        The dict that `classification_report` returns.
    """
    hits, support, guesses = np.diag(counts), counts.sum(1), counts.sum(0)
    per_class = {
        name: {
            "precision": _share(hit, guessed),
            "recall": _share(hit, there),
            "f1": _share(2 * hit, there + guessed),
            "support": int(there),
        }
        for name, hit, there, guessed in zip(classes, hits, support, guesses, strict=True)
    }
    seen = [one for one in per_class.values() if one["f1"] is not None]
    return {
        "classes": list(classes),
        "examples": int(counts.sum()),
        "accuracy": _share(hits.sum(), counts.sum()),
        "confusion": counts.tolist(),
        "per_class": per_class,
        "macro": {
            name: sum(one[name] or 0.0 for one in seen) / len(seen) if seen else None
            for name in ("precision", "recall", "f1")
        },
        "caveats": _caveats(support, classes, priors),
    }


def _caveats(support: np.ndarray, classes: Sequence[str], priors: Sequence[float] | None) -> list[str]:
    """Return messages about the limits of a split's figures, from the number of examples of each class."""
    there = [name for name, count in zip(classes, support, strict=True) if count]
    lines = [one_class(there[0])] if len(there) == 1 else []
    shares = priors or [1.0] * len(classes)
    for name, count, share in zip(classes, support.tolist(), shares, strict=True):
        if count and not share:
            lines.append(f"{count:,} of {name}, which no training example has: no model can be right on them")
    return lines


def report_tables(details: Mapping[str, Any], split: str) -> list[Table | Text]:
    """Return a classification report as tables and text.

    The tables are the figures of each class, and the confusion matrix or, for many classes, the most confused pairs.

    Args:
        details: result of `classification_report`.
        split: name of the split, for the titles.
    """
    classes = details["classes"]
    caveats = details.get("caveats", ())  # earlier versions wrote none
    items: list[Table | Text] = [Text(f"{split}: {line}") for line in caveats]
    items.append(class_table(details, f"{split}: each class"))
    if len(classes) <= NAMED:
        rows = [[name, *counts] for name, counts in zip(classes, details["confusion"], strict=True)]
        items.append(Table(["true \\ predicted", *classes], rows, f"{split}: confusion matrix"))
    else:
        items.append(confusions(details, f"{split}: largest confusions"))
    return items


def class_table(details: Mapping[str, Any], title: str = "") -> Table:
    """Return the table of precision, recall, F1 and support of each class, with the macro average at the end.

    Of more than `LISTED` classes, the table has those with the lowest F1.

    Args:
        details: result of `classification_report`.
        title: title of the table.
    """
    names = ("precision", "recall", "f1")
    shown = list(details["per_class"].items())
    if len(shown) > LISTED:
        title = f"{title}{', ' if title else ''}the {LISTED} of {len(shown):,} with the lowest F1"
        seen = [one for one in shown if one[1]["f1"] is not None]
        shown = sorted(seen, key=lambda one: (one[1]["f1"], -one[1]["support"]))[:LISTED]
    rows: list[list[Any]] = [[name, *(one[key] for key in names), one["support"]] for name, one in shown]
    rows.append(["macro average", *(details["macro"][key] for key in names), details["examples"]])
    return Table(["class", "precision", "recall", "F1", "examples"], rows, title)


def confusions(details: Mapping[str, Any], title: str = "") -> Table:
    """Return the table of the most confused pairs of classes.

    Args:
        details: result of `classification_report`.
        title: title of the table.
    """
    counts = np.array(details["confusion"], np.int64)
    support = counts.sum(1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [np.unravel_index(place, counts.shape) for place in order.tolist()]
    classes = details["classes"]
    rows = [
        [classes[true], classes[taken], int(counts[true, taken]), float(counts[true, taken] / support[true])]
        for true, taken in pairs
        if counts[true, taken]
    ]
    return Table(["true", "predicted", "examples", "share of the class"], rows, title)


def _share(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None
