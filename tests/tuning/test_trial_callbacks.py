"""Keras callbacks in the trials of a search: fresh copies, decisions of their own, files of their own."""

from pathlib import Path

import keras
import pytest
from ray.tune import Callback
from training.series import SMALL, write_series

import raysq
from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.training import runtime
from raysq.training.backends.driver_context import DriverContext
from raysq.training.backends.pickled_callbacks import pickle_callbacks
from raysq.training.keras_callbacks.written_files import check_relative
from raysq.training.run import Run
from raysq.training.runtime import configure
from raysq.tuning import run_trial
from raysq.tuning.print_results import next_commands
from raysq.tuning.run_trial import TrialContext

FIXED = {**SMALL, "steps_per_epoch": 5, "epochs": 6, "calendar": "", "patience": 0, "learning_rate": 0.01}


class Watching(Callback):
    """Notes the epochs of trials that Ray Tune reports."""

    def __init__(self):
        self.epochs = []

    def on_trial_result(self, iteration, trials, trial, result, **info):
        self.epochs.append(result["epoch"])


def callbacks():
    """The rate falls after every epoch but the first, and the fourth is the last."""

    class Counting(keras.callbacks.Callback):
        """Adds the number of its calls to the record of an epoch; inside of a function, it is sent by value."""

        def __init__(self):
            super().__init__()
            self._calls = 0

        def on_epoch_end(self, epoch, logs=None):
            self._calls += 1
            logs["calls"] = float(self._calls)

    return [
        Counting(),
        keras.callbacks.ReduceLROnPlateau(patience=1, min_delta=99, factor=0.1),
        keras.callbacks.EarlyStopping(patience=3, min_delta=99),
        keras.callbacks.CSVLogger("logs/epochs.csv"),
        keras.callbacks.ModelCheckpoint("best.keras", save_best_only=True),
    ]


def check(run):
    records = run.metrics()
    assert [record["calls"] for record in records] == [1, 2, 3, 4]
    assert [record["learning_rate"] for record in records] == pytest.approx([0.01, 0.01, 0.001, 0.0001], rel=1e-4)
    lines = (run.directory / "callbacks" / "logs" / "epochs.csv").read_text().splitlines()
    assert len(lines) == 5 and lines[0].startswith("epoch,")
    assert (run.directory / "callbacks" / "best.keras").exists()
    assert [each["class"].rpartition(".")[2] for each in run.config.callbacks][1:] == [
        "ReduceLROnPlateau",
        "EarlyStopping",
    ]


def test_every_trial_has_fresh_copies_that_act_and_write_in_its_run(tmp_path, monkeypatch):
    dataset = write_series(tmp_path / "waves", rows=600)
    reports = []
    monkeypatch.setattr(run_trial, "_report", lambda values, path=None: reports.append(values))
    given = callbacks()
    context = TrialContext(
        task="jena",
        model="dense",
        data=str(dataset.directory),
        dataset_ref=None,
        folder=str(tmp_path / "trials"),
        stop_file=str(tmp_path / "stop"),
        workers=1,
        gpu=0,
        export_all=False,
        driver=DriverContext.current(),
        source=("", ""),
        callbacks=pickle_callbacks(given),
    )
    # TensorFlow's threads cannot change in the process of the tests.
    monkeypatch.setattr(runtime, "configure", lambda *given, threads, **options: configure(*given, **options))
    monkeypatch.setattr(run_trial.placement, "open_dataset", lambda data, ref: Dataset.open(data))
    for name, units in (("trial-01", 4), ("trial-02", 8)):
        run_trial.run_trial(context, name, 0, {**FIXED, "units": units}, {"units": units})
        run = Run.open(tmp_path / "trials" / name)
        assert run.failure() is None
        check(run)
    assert [report["epoch"] for report in reports] == [1, 2, 3, 4] * 2 and reports[-1]["calls"] == 4
    assert given[0]._calls == 0 and given[3].filename == "logs/epochs.csv", "the objects of the script do not change"


@pytest.mark.parametrize("path", ["/tmp/log.csv", "../log.csv", "s3://bucket/log.csv"])
def test_paths_that_all_trials_would_share_are_refused(path):
    with pytest.raises(UsageError, match=f"CSVLogger writes to {path}, and so would all trials"):
        check_relative([keras.callbacks.CSVLogger("log.csv"), keras.callbacks.CSVLogger(path)])


class Search:
    def __init__(self, **about):
        self.directory, self.about = Path("/x/search"), about


def test_the_next_commands_name_the_users_own_model_and_callbacks():
    best = {"task": "arrays", "model": "mine:build"}
    early = {"class": "keras.callbacks.EarlyStopping", "values": {"patience": 3}, "code": ""}
    assert next_commands(Search(), {**best, "model": "mlp"})[0] == (
        "next: raysq train arrays --config /x/search/best.json"
    )
    assert next_commands(Search(callbacks=[early]), best) == [
        "next: raysq train arrays --model mine:build --config /x/search/best.json"
        "  # and the callbacks of the trials: EarlyStopping(patience=3)",
        "      raysq report /x/search",
    ]
    passed = next_commands(Search(), {**best, "model": "<python>:build"})
    assert passed[1].strip().startswith("raysq.train('arrays', model=build, data=best['data'], seed=best['seed']")


@pytest.mark.slow
def test_a_search_with_callbacks_of_both_kinds_and_a_refit(cluster, tmp_path, capsys):
    data = write_series(tmp_path / "waves", rows=600).directory
    watching = Watching()
    options = {"model": "dense", "max_concurrent": 2, "settings": FIXED, "scheduler": "none", "refit": 1}
    given = {**options, "trials": 2, "search": {"units": [4, 8]}, "data": data}
    found = raysq.tune("jena", callbacks=[watching, *callbacks()], **given)
    assert {trial["state"] for trial in found.trials} == {"finished"}
    assert sorted(watching.epochs) == sorted([1, 2, 3, 4] * 2)
    for trial in found.trials:
        check(Run.open(found.directory / "trials" / f"trial-{trial['number']:02}"))
    refits = [run for row in found.refit["rows"] for run in row["runs"]]
    for run in refits:
        check(Run.open(run))
    found.show()
    assert "callbacks of the trials: Counting(), ReduceLROnPlateau(" in capsys.readouterr().out
    again = raysq.tune("jena", callbacks=[*callbacks()], **given)
    assert again.name == found.name and len(watching.epochs) == 8
