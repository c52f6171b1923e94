"""What a classifier gets right and wrong: confusion matrix, and precision, recall and F1 of each class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysq.problems.charts import Table, Text
from raysq.problems.classes import one_class

NAMED = 6  # classes up to which a matrix is shown as a table
LISTED = 40  # classes up to which each has a row
_CONFUSIONS = 10  # at most so many are listed


def probabilities(prediction: np.ndarray) -> np.ndarray:
    """The probability of each class, `(n, classes)`; a sigmoid's single output is that of the second of two."""
    prediction = np.asarray(prediction, np.float64)
    return np.concatenate([1.0 - prediction, prediction], 1) if prediction.shape[1] == 1 else prediction


def predicted_classes(prediction: np.ndarray) -> np.ndarray:
    """The class of each example, as the metric counts it: above one half of a sigmoid, else the largest."""
    prediction = np.asarray(prediction)
    return (prediction[:, 0] > 0.5).astype(np.int64) if prediction.shape[1] == 1 else prediction.argmax(1)


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts by true class (rows) and predicted class (columns), `(classes, classes)` int64."""
    pairs = np.asarray(truth, np.int64).reshape(-1) * classes + np.asarray(predicted, np.int64).reshape(-1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def classification_report(
    facts: Mapping[str, Any], settings: Any, y: np.ndarray, prediction: np.ndarray
) -> dict[str, Any]:
    """Figures of a split beyond the metrics.

    Args:
        facts: the run's facts (`classes`).
        settings: the run's text settings.
        y: the number of each example's class, `(n, 1)`.
        prediction: what the model gave, `(n, 1)` of a sigmoid or `(n, classes)` of a softmax.

    Returns:
        JSON-ready `classes`, `examples`, `accuracy`, `confusion` (lists of counts, a list for each true class), and
        `per_class`: `precision`, `recall`, `f1` and `support` (examples) by name of the class. What has no examples to
        count is None. `macro` are the means over the classes that occur or are predicted, None counted as 0.
        `caveats` are lines about what the figures cannot tell, as where the split has one class alone.
    """
    classes = facts["classes"]
    return figures(confusion(y, predicted_classes(prediction), len(classes)), classes, facts.get("priors"))


def figures(counts: np.ndarray, classes: Sequence[str], priors: Sequence[float] | None = None) -> dict[str, Any]:
    """What `details` returns, of a confusion matrix and the shares of the classes among the training examples."""
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
    """What figures of a split cannot tell, by the examples that each class has in it."""
    there = [name for name, count in zip(classes, support, strict=True) if count]
    lines = [one_class(there[0])] if len(there) == 1 else []
    shares = priors or [1.0] * len(classes)
    for name, count, share in zip(classes, support.tolist(), shares, strict=True):
        if count and not share:
            lines.append(f"{count:,} of {name}, which no training example has: no model can be right on them")
    return lines


def report_tables(details: Mapping[str, Any], split: str) -> list[Table | Text]:
    """The details as tables: a row for each class, and the matrix or, of many classes, the largest confusions."""
    classes = details["classes"]
    caveats = details.get("caveats", ())  # those of earlier versions are not there
    items: list[Table | Text] = [Text(f"{split}: {line}") for line in caveats]
    items.append(class_table(details, f"{split}: each class"))
    if len(classes) <= NAMED:
        rows = [[name, *counts] for name, counts in zip(classes, details["confusion"], strict=True)]
        items.append(Table(["true \\ predicted", *classes], rows, f"{split}: confusion matrix"))
    else:
        items.append(confusions(details, f"{split}: largest confusions"))
    return items


def class_table(details: Mapping[str, Any], title: str = "") -> Table:
    """A row for each class, of many those with the lowest F1: precision, recall, F1 and support; the macro average of
    all below."""
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
    """The pairs of classes that are taken for each other most often."""
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
