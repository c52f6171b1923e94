"""The figures of a classification beyond its metrics: equal to those counted by hand."""

import json

import numpy as np
import pytest

from raysq.problems.charts import Text
from raysq.problems.class_predictions import ClassPredictions, confusion_section
from raysq.problems.classification_report import (
    classification_report,
    confused_pairs,
    predicted_classes,
    probabilities,
    report_tables,
    validation_threshold,
)

THREE = ["a", "b", "c"]


def test_three_classes_by_hand():
    truth = np.array([0, 0, 0, 0, 1, 1, 1, 2])[:, None]
    taken = np.array([0, 0, 1, 2, 1, 1, 0, 1])
    found = classification_report(truth, np.eye(3)[taken] * 0.5 + 0.1, THREE)
    assert found["confusion"] == [[2, 1, 1], [1, 2, 0], [0, 1, 0]]
    assert found["examples"] == 8 and found["accuracy"] == 0.5
    assert [found["per_class"][name].pop("auc") for name in "abc"] == [10 / 16, 9.5 / 15, 3 / 7]
    a, b, c = (found["per_class"][name] for name in "abc")
    assert a == {"precision": 2 / 3, "recall": 0.5, "f1": 4 / 7, "support": 4}
    assert b == {"precision": 0.5, "recall": 2 / 3, "f1": 4 / 7, "support": 3}
    assert c == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert found["macro"]["f1"] == pytest.approx((4 / 7 + 4 / 7 + 0) / 3)
    assert found["macro"]["precision"] == pytest.approx((2 / 3 + 0.5) / 3)
    assert found["macro"]["auc"] == pytest.approx((10 / 16 + 9.5 / 15 + 3 / 7) / 3)
    assert json.loads(json.dumps(found)) == found and found["top_k"] == {}


def test_a_class_that_is_never_named_has_no_precision_and_one_that_is_not_there_no_recall():
    found = classification_report(np.array([[0], [1]]), np.eye(4)[[0, 2]], list("abcd"))
    per_class = found["per_class"]
    assert [row.pop("auc") for row in per_class.values()] == [1.0, 0.5, None, None] and found["macro"].pop(
        "auc"
    ) == 0.75
    assert found["top_k"] == {"3": 1.0}
    assert per_class["b"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert per_class["c"] == {"precision": 0.0, "recall": None, "f1": 0.0, "support": 0}
    # Neither in the truth nor in the answers: it is no part of the means.
    assert per_class["d"] == {"precision": None, "recall": None, "f1": None, "support": 0}
    assert found["macro"] == {"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3}


def test_of_two_classes_one_half_is_the_first():
    prediction = np.array([[0.5], [0.51], [0.2], [1.0]], np.float32)
    assert predicted_classes(prediction).tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(probabilities(prediction).sum(1), 1)
    assert probabilities(prediction)[3].tolist() == [0.0, 1.0]
    found = classification_report(np.array([[0], [1], [1], [1]]), prediction, ["neg", "pos"])
    assert found["confusion"] == [[1, 0], [1, 2]]


def test_many_classes_are_shown_by_their_largest_confusions():
    names = [f"group {number}" for number in range(20)]
    truth = np.repeat(np.arange(20), 10)
    taken = truth.copy()
    taken[30:37] = 5  # seven of group 3
    taken[0] = 1
    found = classification_report(truth[:, None], np.eye(20)[taken], names)
    table = confused_pairs(found)
    assert table.rows == [["group 3", "group 5", 7, 0.7], ["group 0", "group 1", 1, 0.1]]
    each, tops, listed = report_tables(found, "test")
    assert tops.text.startswith("test: the true class is among the most probable ones: top 3 0.9")
    assert len(each.rows) == 21 and each.rows[-1][-1] == 200
    assert listed.rows == table.rows
    wide = classification_report(truth[:, None], np.eye(50)[taken], list(map(str, range(50))))
    each = report_tables(wide, "test")[0]
    assert each.title == "test: each class, the 40 of 50 with the lowest F1"
    assert [row[0] for row in each.rows[:2]] == ["3", "5"] and len(each.rows) == 21  # 20 classes are there at all
    matrix = report_tables(classification_report(truth[:9, None] % 3, np.eye(3)[taken[:9] % 3], THREE), "val")[-1]
    assert matrix.columns[1:] == ["a", "b", "c"] and len(matrix.rows) == 3


def test_figures_that_cannot_tell_are_said_to_be_such():
    both = (["ham", "spam", "third"], [0.5, 0.5, 0.0])
    found = classification_report(np.zeros((4, 1), int), np.eye(3)[[0, 0, 0, 0]], *both)
    assert found["accuracy"] == 1.0
    assert found["caveats"] == ["one class only, ham: accuracy on it says nothing of how well classes are told apart"]
    assert report_tables(found, "test")[0].text == f"test: {found['caveats'][0]}"
    found = classification_report(np.array([[0], [1], [2], [2]]), np.eye(3)[[0, 1, 0, 1]], *both)
    assert found["caveats"] == ["2 of third, which no training example has: no model can be right on them"]
    assert classification_report(np.array([[0], [1]]), np.eye(3)[[0, 1]], *both)["caveats"] == []
    section = confusion_section(
        ClassPredictions.of(np.arange(3), [(np.zeros((3, 1), int), np.zeros((3, 1)))]), ["a", "b"], "On"
    )
    assert [item.text for item in section.items if isinstance(item, Text)] == [
        "One class only, a: accuracy on it says nothing of how well classes are told apart."
    ]


def test_the_validation_split_chooses_a_threshold_of_two_classes():
    y = np.array([[0], [0], [0], [1], [1]])
    prediction = np.array([[0.05], [0.1], [0.3], [0.4], [0.45]])
    threshold = validation_threshold(y, prediction, ["ham", "spam"])
    assert threshold == pytest.approx(0.35)
    assert validation_threshold(y, np.eye(3)[[0, 0, 0, 1, 1]], THREE) is None
    assert validation_threshold(y[:3], prediction[:3], ["ham", "spam"]) is None
    found = classification_report(y, prediction, ["ham", "spam"], threshold=threshold)
    assert found["accuracy"] == 0.6 and found["at_threshold"]["accuracy"] == found["at_threshold"]["macro_f1"] == 1.0
    wanted = (
        "threshold 0.350 for spam, chosen on the validation split: accuracy 1.0000 and macro F1 1.0000, at 0.5 0.6000"
    )
    assert any(wanted in item.text for item in report_tables(found, "test") if isinstance(item, Text))
    assert {row["auc"] for row in found["per_class"].values()} == {1.0}
