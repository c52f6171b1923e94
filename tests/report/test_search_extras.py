"""Parts of a search's report beside its trials: health, importance, time, generations, and settings that changed."""

import json

import numpy as np
import pytest

from raysq.report.page import write_report
from raysq.report.search_analysis import SearchAnalysis, open_experiment
from raysq.report.search_cost import cost, timeline
from raysq.report.search_health import checks
from raysq.report.search_importance import importance
from raysq.training.goal import LOWEST_LOSS

SPACE = {"rate": ["loguniform", 1e-4, 1e-1], "units": [8, 16, 32, 64], "optimizer": ["adam", "sgd"]}
DEFAULTS = {"rate": 0.001, "units": 16, "optimizer": "adam"}


def trial(number, value, state="finished", **settings):
    return {
        "number": number,
        "settings": {**DEFAULTS, **settings},
        "state": state,
        "epochs": 2,
        "val_loss": value,
        "metrics": {} if value is None else {"val_loss": value, "val_accuracy": 1 - value},
        "seconds": 2.5,
        "run": None,
        "error": "no cable" if state == "failed" else None,
    }


def analysis(trials, tmp_path, refit=None, **requested):
    about = {"task": "jena", "space": SPACE, "defaults": DEFAULTS, "requested": {"workers": 2, "gpu": 0.5, **requested}}
    goal = SearchAnalysis(tmp_path, about, []).goal
    return SearchAnalysis(tmp_path, about, goal.rank(trials), refit=refit, seconds=20.0)


def many(seed=0):
    random = np.random.RandomState(seed)
    found = [trial(1, 0.5)]
    for number in range(2, 26):
        settings = {
            "rate": float(np.exp(random.uniform(np.log(1e-4), np.log(1e-1)))),
            "units": int(random.choice([8, 16, 32, 64])),
            "optimizer": str(random.choice(["adam", "sgd"])),
        }
        value = 0.2 + 0.1 * abs(np.log10(settings["rate"]) + 2) + 0.01 * (settings["units"] == 8)
        found.append(trial(number, float(value), **settings))
    return found


def status(experiment):
    return {check.name: check.status for check in checks(experiment)}


def refit(best, defaults):
    rows = []
    for name, values in (("best", best), ("defaults", defaults)):
        figure = {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1)), "values": values}
        rows.append({"name": name, "settings": {}, "runs": [], "metrics": {"val_loss": figure}})
    return {"seeds": [0, 1, 2], "rows": rows}


def test_the_setting_that_matters_is_the_most_important(tmp_path):
    pytest.importorskip("optuna")
    found = importance(analysis(many(), tmp_path))
    assert next(iter(found.shares)) == "rate" and found.shares["rate"] > 0.6 and found.trials == 25
    assert sum(found.shares.values()) == pytest.approx(1) and found.shares["optimizer"] < 0.1
    assert importance(analysis(many(), tmp_path)) == found
    # The direction of the metric does not matter.
    assert next(iter(importance(analysis(many(), tmp_path, metric="val_accuracy", mode="max")).shares)) == "rate"


def test_importance_that_is_not_known_has_a_reason(tmp_path):
    few = importance(analysis(many()[:4], tmp_path))
    assert not few.shares and few.reason == "4 trials have a score, and 6 are needed"
    same = importance(analysis([trial(number, 0.5, units=8 * number) for number in range(1, 8)], tmp_path))
    assert same.reason == "all trials have the same score"
    changed = many()
    changed[3]["schedule"] = [{"epoch": 0, "trial": "trial-04", "settings": DEFAULTS}]
    assert "settings changed in the middle" in importance(analysis(changed, tmp_path)).reason


@pytest.mark.parametrize(
    ("best", "defaults", "expected"),
    [
        ([0.20, 0.21, 0.22], [0.40, 0.41, 0.42], "pass"),
        ([0.30, 0.45, 0.40], [0.40, 0.41, 0.42], "warn"),
        ([0.50, 0.51, 0.52], [0.40, 0.41, 0.42], "warn"),
    ],
)
def test_the_best_is_compared_with_the_defaults_beyond_the_spread_of_seeds(tmp_path, best, defaults, expected):
    trials = many()
    assert status(analysis(trials, tmp_path))["The best beats the defaults"] == "unknown"
    assert status(analysis(trials, tmp_path, refit(best, defaults)))["The best beats the defaults"] == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"rate": 0.01, "units": 32}, None),
        ({"rate": 0.0999, "units": 32}, "rate = 0.0999, the highest is 0.1"),
        ({"rate": 0.00011, "units": 32}, "rate = 0.00011, the lowest is 0.0001"),
        ({"rate": 0.01, "units": 64}, "units = 64, the highest is 64"),
    ],
)
def test_a_best_trial_at_the_border_of_the_space_is_told(tmp_path, settings, expected):
    found = analysis([trial(1, 0.5), trial(2, 0.1, **settings)], tmp_path)
    (check,) = [check for check in checks(found) if check.name == "The best lies inside of the space"]
    assert check.status == ("warn" if expected else "pass") and (expected or "No setting") in check.text


def test_failures_few_trials_and_unfinished_training_are_told(tmp_path):
    found = analysis([trial(1, 0.5), trial(2, 0.1, units=32), trial(3, None, "failed")], tmp_path)
    found.records = {2: [{"epoch": 1, "val_loss": 0.2}, {"epoch": 2, "val_loss": 0.1}]}
    told = {check.name: check.text for check in checks(found) if check.status == "warn"}
    assert "1 of 3 trials failed" in told["Few trials failed"] and "2 trials ended" in told["There are enough trials"]
    assert "still fell in its last epoch, 2" in told["The best trial was trained to its end"]
    found.records[2][0]["val_loss"] = 0.05
    assert status(found)["The best trial was trained to its end"] == "pass"
    passed = status(analysis(many(), tmp_path))
    assert passed["Few trials failed"] == "pass" == passed["There are enough trials"]
    assert checks(analysis([trial(1, None, "failed")], tmp_path)) == []


def test_the_page_has_the_generations_the_schedule_the_importance_and_the_cost(tmp_path):
    trials = LOWEST_LOSS.rank(many())
    about = {
        "format_version": 4,
        "id": "searched",
        "task": "jena",
        "problem": "forecasting",
        "model": "dense",
        "data": "/somewhere",
        "synthetic": True,
        "seed": 0,
        "space": SPACE,
        "fixed": {},
        "defaults": DEFAULTS,
        "requested": {"trials": 50, "generations": 2, "workers": 1, "gpu": 0},
    }
    generations = [
        {"generation": 1, "first": 1, "space": SPACE},
        {"generation": 2, "first": 14, "space": {**SPACE, "rate": ["loguniform", 0.002, 0.05]}},
    ]
    trials[0]["schedule"] = [
        {"epoch": 0, "trial": "trial-02", "settings": DEFAULTS},
        {"epoch": 3, "trial": "trial-02", "settings": {**DEFAULTS, "rate": 0.0123}},
    ]
    contents = {"experiment": about, "trials": trials, "generations": generations, "clock": {"seconds": 60.0}}
    for name, values in contents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(values))
    text = write_report(tmp_path).read_text()
    assert "Settings of the best trial by epoch" in text and "0.0123" in text
    assert "Generations" in text and "0.002 to 0.05 on a log scale" in text
    assert "Not known: settings changed in the middle" in text and "1 health check" not in text
    assert "The trials have no record of when they were trained" in text
    found = open_experiment(tmp_path)
    assert timeline(found) == [] and cost(found).to_json()["trial_seconds"] == 2.5 * 25


def test_the_cost_counts_workers_and_gpus(tmp_path):
    found = cost(analysis(many(), tmp_path)).to_json()
    assert found == {"trial_seconds": 62.5, "worker_seconds": 125.0, "gpu_seconds": 62.5, "elapsed_seconds": 20.0}
