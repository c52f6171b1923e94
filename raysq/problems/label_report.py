"""Figures of classifiers of several labels: precision, recall, F1, AUC and a threshold of each label."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysq.problems.charts import Table, Text
from raysq.problems.classification_report import class_figures, macro_means
from raysq.problems.ranking import HALF, auc_by_class, best_threshold

_LISTED = 40  # most labels that are shown


def label_thresholds(y: np.ndarray, prediction: np.ndarray) -> list[float]:
    """Return the probability above which each label is best predicted, by the validation split.

    It has the highest F1. A label without examples, or that all examples have, gets 0.5.

    Args:
        y: 1 for each label of each example, else 0, shape `(n, labels)`.
        prediction: probabilities, of the same shape.
    """
    chosen = (best_threshold(y[:, n] > 0, prediction[:, n], both=False) for n in range(y.shape[1]))
    return [HALF if threshold is None else threshold for threshold in chosen]


def label_report(
    y: np.ndarray, prediction: np.ndarray, labels: Sequence[str], thresholds: Sequence[float] | None = None
) -> dict[str, Any]:
    """Return the figures of a split.

    Args:
        y, prediction: see `label_thresholds`.
        labels: names of the labels.
        thresholds: result of `label_thresholds`, or None.

    Returns:
        JSON-ready `classes`, `examples`, and the figures with a threshold of 0.5: `exact` (share of examples with all
        labels right), `per_class` (`precision`, `recall`, `f1`, `auc` and `support` by label; a figure without
        examples to count is None), `macro` (means over the labels that occur or are predicted, with None counted as 0,
        of `auc` over those with examples and counterexamples) and `micro` (over all decisions). With thresholds,
        `at_threshold` holds `thresholds` by label, `exact`, `per_class`, `macro` and `micro` with them.
    """
    truth, shares = np.asarray(y) > 0, np.asarray(prediction, np.float64)
    report = {"classes": list(labels), "examples": len(truth), **_figures(truth, shares > HALF, labels)}
    areas, mean = auc_by_class(labels, truth.T, shares)
    for name, row in report["per_class"].items():
        row["auc"] = areas[name]
    report["macro"]["auc"] = mean
    if thresholds is not None:
        report["at_threshold"] = {
            "thresholds": dict(zip(labels, thresholds, strict=True)),
            **_figures(truth, shares > np.asarray(thresholds), labels),
        }
    return report


def _figures(truth: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    hits, support, guesses = (truth & predicted).sum(0), truth.sum(0), predicted.sum(0)
    rows = {
        name: class_figures(hit, count, guessed)
        for name, hit, count, guessed in zip(labels, hits.tolist(), support.tolist(), guesses.tolist(), strict=True)
    }
    micro = class_figures(int(hits.sum()), int(support.sum()), int(guesses.sum()))
    return {
        "exact": float((truth == predicted).all(1).mean()) if len(truth) else None,
        "per_class": rows,
        "macro": macro_means(rows.values()),
        "micro": {name: micro[name] for name in ("precision", "recall", "f1")},
    }


def label_tables(report: Mapping[str, Any], split: str = "") -> list[Table | Text]:
    """Return a report as a table of the labels and a line on all of them.

    Of many labels, the table has those with the lowest F1.

    Args:
        report: result of `label_report`.
        split: name of the split, for the titles.
    """
    moved = report.get("at_threshold")
    names = ("precision", "recall", "f1", "auc")
    listed = list(report["per_class"])
    title = f"{split}: each label" if split else ""
    if len(listed) > _LISTED:
        title += f"{', ' if title else ''}the {_LISTED} of {len(listed):,} with the lowest F1"
        counted = [name for name in listed if report["per_class"][name]["f1"] is not None]
        listed = sorted(counted, key=lambda name: report["per_class"][name]["f1"])[:_LISTED]
    rows: list[list[Any]] = []
    for name in listed:
        row = report["per_class"][name]
        extra = [moved["thresholds"][name], moved["per_class"][name]["f1"]] if moved else []
        rows.append([name, *(row[key] for key in names), *extra, row["support"]])
    extra = [None, moved["macro"]["f1"]] if moved else []
    rows.append(["macro average", *(report["macro"][key] for key in names), *extra, report["examples"]])
    heads = ["label", "precision", "recall", "F1", "AUC", *(["threshold", "F1 with it"] if moved else []), "examples"]
    lead = f"{split}: all" if split else "All"
    exact, micro = report["exact"], report["micro"]["f1"]
    line = f"{lead} labels right in {_shown(exact)} of the documents, micro F1 {_shown(micro)}"
    if moved:
        line += (
            f"; with the thresholds that the validation split chose {_shown(moved['exact'])} and "
            f"{_shown(moved['micro']['f1'])}"
        )
    return [Table(heads, rows, title), Text(f"{line}.")]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
