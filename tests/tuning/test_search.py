"""The search: the defaults first, failures that do not end it, and what it leaves."""

import json

import pytest
from training.series import SMALL, write_series

from raysq.errors import RaysqError, ResourceError, UsageError
from raysq.inference.load import load
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
    # The best trial ran to its end, so it is a whole run.
    assert found.trials[0]["state"] == "finished" and run.result() is not None
    assert load(run).model.count_params() == run.result()["parameters"]
    # The same name with other settings is not taken for it.
    with pytest.raises(UsageError, match="exists with other settings"):
        tune("jena", data=data, model="gru", trials=3, settings=FIXED, name="three")
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


@pytest.mark.parametrize("name", ["../..", "a/b", ".hidden", "/tmp/elsewhere"])
def test_a_name_cannot_leave_the_folder_of_experiments(data, raysq_home, name):
    kept = raysq_home / "kept"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(UsageError, match="plain name"):
        tune("jena", data=data, model="gru", trials=1, settings=FIXED, name=name, fresh=True)
    assert kept.read_text() == "mine"


def test_trials_that_draw_the_same_settings_are_runs_of_their_own(cluster, data, monkeypatch):
    monkeypatch.setattr("raysq.tuning.search._space", lambda config, fixed: {"units": [32]})
    found = tune("jena", data=data, model="gru", trials=2, settings=FIXED, name="same")
    assert len({trial["run"] for trial in found.trials}) == 2
    assert found.trials[0]["val_loss"] == found.trials[1]["val_loss"]


def test_gpus_that_are_not_there_are_an_error_at_once(cluster, data):
    with pytest.raises(ResourceError, match="needs 0.5 GPUs, the Ray cluster has 0"):
        tune("jena", data=data, model="gru", trials=1, settings=FIXED, gpu=0.5)


def test_nothing_to_search_is_said(data):
    with pytest.raises(UsageError, match="nothing to search"):
        tune("jena", data=data, model="baseline", trials=2, settings={"lookback": 24, "step": 2, "learning_rate": 0.1})
