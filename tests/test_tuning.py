"""The search: the defaults first, failures that do not end it, and what it leaves."""

import json

import pytest
from training.series import SMALL, write_series

from raysq.errors import RaysqError, UsageError
from raysq.training.run import Run
from raysq.tuning.search import tune

FIXED = {**SMALL, "steps_per_epoch": 5, "epochs": 2, "lookback": 24, "step": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves").directory


def test_a_search_leaves_runs_and_the_best(cluster, data, monkeypatch):
    found = tune("jena", data=data, model="gru", trials=3, settings={**FIXED, "recurrent_dropout": 0.0}, name="three")
    assert len(found.trials) == 3
    defaults = {"units": 32, "dropout": 0.0, "learning_rate": 0.001}
    assert defaults in [trial["settings"] for trial in found.trials], "the defaults are not among the trials"
    losses = [trial["val_loss"] for trial in found.trials]
    assert losses == sorted(losses)
    best = json.loads((found.directory / "best.json").read_text())
    assert best["settings"]["units"] == found.trials[0]["settings"]["units"]
    run = Run.open(best["run"])
    assert min(record["val_loss"] for record in run.metrics()) == best["metrics"]["val_loss"] == losses[0]
    # The same call shows what was found, without Ray.
    monkeypatch.setattr("raysq.tuning.search._search", lambda *_: pytest.fail("searched again"))
    again = tune("jena", data=data, model="gru", trials=3, settings={**FIXED, "recurrent_dropout": 0.0}, name="three")
    assert again.trials == found.trials


def test_failed_trials_do_not_end_the_search_unless_all_fail(cluster, data, monkeypatch):
    from raysq.tasks import jena

    # A lookback that no split has room for, and one that fits.
    monkeypatch.setitem(jena.TASK.search, "lookback", [400, 24])
    fixed = {key: value for key, value in FIXED.items() if key != "lookback"}
    others = {"units": 4, "dropout": 0.0, "recurrent_dropout": 0.0, "learning_rate": 0.001}
    found = tune("jena", data=data, model="gru", trials=5, settings={**fixed, **others}, name="some", seed=3)
    states = [trial["state"] for trial in found.trials]
    assert "failed" in states and states[0] != "failed"
    failed = next(trial for trial in found.trials if trial["state"] == "failed")
    assert "no window fits" in failed["error"]
    monkeypatch.setitem(jena.TASK.search, "lookback", [400])
    with pytest.raises(RaysqError, match="all 2 trials failed.*no window fits"):
        tune("jena", data=data, model="gru", trials=2, settings={**fixed, **others}, name="none")


def test_nothing_to_search_is_said(data):
    with pytest.raises(UsageError, match="nothing to search"):
        tune("jena", data=data, model="baseline", trials=2, settings={"lookback": 24, "step": 2, "learning_rate": 0.1})
