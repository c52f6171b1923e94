"""The metric of a search: its direction, its name, and the rank of trials."""

import math

import pytest

from raysq.errors import UsageError
from raysq.training.goal import LOWEST_LOSS, Goal


def record(number, val_loss, accuracy=None, state="finished"):
    metrics = {} if accuracy is None else {"val_accuracy": accuracy}
    return {"number": number, "state": state, "val_loss": val_loss, "metrics": metrics}


@pytest.mark.parametrize(
    ("metric", "mode", "goal"),
    [
        (None, None, LOWEST_LOSS),
        ("val_mae", None, Goal("val_mae", "min")),
        ("val_accuracy", None, Goal("val_accuracy", "max")),
        ("val_accuracy", "min", Goal("val_accuracy", "min")),
    ],
)
def test_the_direction_is_that_of_the_metric(metric, mode, goal):
    assert Goal.make(metric, mode) == goal


@pytest.mark.parametrize(
    ("metric", "mode", "message"),
    [
        ("accuracy", None, "did you mean val_accuracy"),
        ("test_mae", None, "did you mean val_mae"),
        ("val_mae", "maximum", "unknown --mode 'maximum': did you mean max"),
    ],
)
def test_what_no_search_can_rank_by_is_named(metric, mode, message):
    with pytest.raises(UsageError, match=message):
        Goal.make(metric, mode)


def test_a_run_without_the_metric_names_the_nearest():
    with pytest.raises(UsageError, match="no run records it: did you mean val_accuracy"):
        Goal("val_acuracy", "max").score_of([{"val_loss": 1.0, "val_accuracy": 0.5}])


def test_a_run_is_worth_the_metric_of_its_epoch_of_the_lowest_loss():
    records = [{"val_loss": 2.0, "val_accuracy": 0.9}, {"val_loss": 1.0, "val_accuracy": 0.8}]
    records.insert(0, {"val_loss": float("nan"), "val_accuracy": 1.0})
    assert Goal("val_accuracy", "max").score_of(records) == -0.8 and LOWEST_LOSS.score_of(records) == 1.0
    assert LOWEST_LOSS.score_of([]) == math.inf


def test_trials_are_ranked_best_first_and_failed_ones_last():
    trials = [
        record(1, 1.0, 0.5),
        record(2, 2.0, 0.9),
        record(3, 0.5, 0.99, "failed"),
        record(4, None),
        record(5, 3.0, 0.5),
    ]
    trials.append(record(6, 0.1, float("nan")))
    assert [trial["number"] for trial in Goal("val_accuracy", "max").rank(trials)] == [2, 1, 5, 4, 6, 3]
    assert [trial["number"] for trial in LOWEST_LOSS.rank(trials)] == [6, 1, 2, 5, 4, 3]


def test_a_score_is_recorded_as_the_metric():
    trial = {"metrics": {"val_loss": 1.0}, "val_loss": 1.0}
    Goal("val_accuracy", "max").record(trial, -0.75)
    assert trial["metrics"]["val_accuracy"] == 0.75 and trial["val_loss"] == 1.0
    LOWEST_LOSS.record(trial, 0.5)
    assert trial["val_loss"] == 0.5
