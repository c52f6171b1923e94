"""The search: the defaults first, failures that do not end it, budgets, searchers, and what it leaves."""

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest
from processes import descendants
from ray import tune as tune_of_ray
from ray.tune import Callback, Stopper
from ray.tune.schedulers import HyperBandScheduler
from ray.tune.search.hyperopt import HyperOptSearch
from training.series import SMALL, write_series

import raysq
from raysq import cli
from raysq.data.dataset import Dataset
from raysq.errors import RaysqError, ResourceError, UsageError
from raysq.inference.predictor import load
from raysq.training import checkpoint
from raysq.training.backends import ray_train
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.state import TrainState
from raysq.tuning import run_trial
from raysq.tuning.experiment import Experiment, experiments
from raysq.tuning.run_trial import write_failure
from raysq.tuning.session import Session
from raysq.tuning.space import Space
from raysq.tuning.trial_queue import TrialQueue

# Everything that Jena's space has is fixed: a test says what it searches.
FIXED = {name.rpartition(".")[2]: value for name, value in SMALL.items()}
FIXED |= {"steps_per_epoch": 5, "epochs": 3, "lookback": 24, "step": 2, "calendar": "", "dropout": 0.0}
STATES = {"finished", "stopped early", "out of time", "failed", "interrupted"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves").directory


def tune(data, **options):
    """Two trials beside each other: every process imports TensorFlow."""
    options = {"model": "dense", "max_concurrent": 2, **options}
    return raysq.tune("jena", data=data, **options)


def test_a_search_leaves_runs_and_the_best_goes_on_and_is_trained_again(cluster, data, monkeypatch, capsys):
    asked = {"settings": FIXED, "search": {"units": "4,8,16"}, "name": "three", "scheduler": "none"}
    asked["max_concurrent"] = 1
    found = tune(data, trials=3, **asked)
    assert len(found.trials) == 3 and {trial["state"] for trial in found.trials} == {"finished"}
    first = next(trial for trial in found.trials if trial["number"] == 1)
    assert first["settings"] == {"units": 32}, "the defaults are not the first trial"
    losses = [trial["val_loss"] for trial in found.trials]
    assert losses == sorted(losses)
    best = json.loads((found.directory / "best.json").read_text())
    assert best["settings"]["model"]["units"] == found.trials[0]["settings"]["units"]
    run = Run.open(best["run"])
    assert min(record["val_loss"] for record in run.metrics()) == best["metrics"]["val_loss"] == losses[0]
    assert best["metrics"]["test_mae"] > 0 and run.result()["ended"] == "finished"
    assert load(run).model.count_params() == run.result()["parameters"]
    about = json.loads((found.directory / "experiment.json").read_text())
    assert about["task"] == "jena" and about["requested"]["trials"] == 3 and about["space"]["units"] == [4, 8, 16]

    # The same name with other settings is not taken for it.
    with pytest.raises(UsageError, match="exists with other settings"):
        tune(data, trials=3, **{**asked, "settings": {**FIXED, "epochs": 2}})
    # The same call shows what was found, without Ray.
    with monkeypatch.context() as patch:
        patch.setattr("raysq.tuning.running_search.ensure_ray", lambda: pytest.fail("Ray was started"))
        again = tune(data, trials=3, **asked)
    before = found.trials
    assert again.trials == before
    # More trials go on where it was; then the best and the defaults with two seeds.
    kept = {path: path.stat().st_mtime_ns for path in found.directory.glob("trials/*/metrics.jsonl")}
    more = tune(data, trials=4, refit=2, **asked)
    assert [trial for trial in more.trials if trial["number"] < 4] == before
    assert len(more.trials) == 4 and len({json.dumps(trial["settings"]) for trial in more.trials}) == 4
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    refit = json.loads((found.directory / "refit.json").read_text())
    assert refit["seeds"] == [0, 1] and [row["name"] for row in refit["rows"]] == ["best", "defaults"]
    for row in refit["rows"]:
        figure = row["metrics"]["test_mae"]
        values = [Run.open(one).result()["metrics"]["test_mae"] for one in row["runs"]]
        assert values == figure["values"] and figure["mean"] == pytest.approx(sum(values) / 2)
        assert figure["std"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
        assert [Run.open(one).config.seed for one in row["runs"]] == [0, 1]
        assert load(row["runs"][0]).model is not None

    # The figures of the trial come back from its settings.
    assert cli.main(["runs"]) == 0
    shown = capsys.readouterr().out
    assert "three" in shown and "4/4" in shown and "trial-01" not in shown
    file = str(found.directory / "best.json")
    assert cli.main(["train", "jena", "--config", file, "--json"]) == 0
    trained = json.loads(capsys.readouterr().out)
    best = json.loads((found.directory / "best.json").read_text())
    assert trained["metrics"]["val_loss"] == pytest.approx(best["metrics"]["val_loss"], rel=1e-4)
    assert cli.main(["train", "beijing", "--config", file]) == 2
    assert "is of task 'jena'" in capsys.readouterr().err
    assert cli.main(["train", "jena", "--model", "gru", "--config", file]) == 2
    assert cli.main(["train", "jena", "--config", file, "--set", "epochs=1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 5


@pytest.mark.cluster  # processes that are killed start again, which takes a minute
def test_failed_trials_do_not_end_the_search(cluster, data, tmp_path, monkeypatch):
    # One that diverges, one without room for its windows, one whose process is killed whatever is tried, one that is
    # killed twice in a row.
    monkeypatch.setattr("raysq.distributed.lost_work.MOST_LOSSES", 3)
    calls = tmp_path / "calls"
    settings = {key: value for key, value in FIXED.items() if key not in ("lookback", "dropout")}
    settings |= {"calls": str(calls), "step": 1}
    found = tune(
        data,
        model="tuning.hostile_models:mortal",
        trials=16,
        settings=settings,
        search={"units": [5, 13, 99], "lookback": [24], "learning_rate": [0.001]},
        name="some",
        scheduler="none",
    )
    # The defaults, whose window is too long here, and all others of the space.
    reasons = {one["settings"]["units"]: one["error"] for one in found.trials if one["state"] == "failed"}
    assert set(reasons) == {4, 13, 99} and len(found.trials) == 4
    assert "no window fits" in reasons[4] and "killed again and again" in reasons[13] and "the loss is" in reasons[99]
    # Killed while it wrote its model, and again: its third process found all epochs trained.
    twice = found.trials[0]
    assert twice["state"] == "finished" and twice["settings"]["units"] == 5
    assert twice["epochs"] == 3 and int(calls.read_text()) == 5
    assert found.state() == "finished"


def test_the_search_stops_when_all_fail_for_the_same_cause(cluster, data):
    settings = {key: value for key, value in FIXED.items() if key != "dropout"}
    asked = {"model": "tuning.hostile_models:broken", "settings": settings, "trials": 12, "name": "none"}
    asked["max_concurrent"] = 1
    for _ in range(2):  # the second time without Ray
        with pytest.raises(
            RaysqError, match="all failed alike: model .* cannot be built: RuntimeError: no cable is plugged in"
        ):
            tune(data, search={"units": "randint(1,99)"}, **asked)
    (experiment,) = experiments()
    assert 3 <= len(experiment.trials) < 12 and experiment.state() == "failed"


def test_first_trials_that_fail_alike_end_it_and_wrong_values_that_fail_at_once_do_not(tmp_path):
    experiment = Experiment.create(tmp_path, "made", {"id": "made"})
    experiment.begin()
    space = Space({"clipnorm": [-1.0, -2.0, -3.0, -4.0]}, {"clipnorm": None})
    scheduler = TrialQueue(experiment, space, trials=5, seed=0, fixed={}, searcher="random")

    def fails(name):
        write_failure(scheduler.folder / name, "clipnorm must be above 0")
        return scheduler.on_trial_end(name, None, None)

    begun = [scheduler.next_trial() for _ in range(4)]
    assert begun[0].searched == {"clipnorm": None}
    # The defaults still train.
    results = [fails(trial.name) for trial in begun[1:]]
    assert [(result.state, result.stop_reason) for result in results] == [("failed", None)] * 3
    assert fails(begun[0].name).stop_reason == "all fail alike"


@pytest.mark.slow
def test_wrong_values_that_fail_at_once_do_not_end_it(cluster, data):
    search = {"units": [8, 16], "learning_rate": [0.001, 0.002, 0.003]}
    settings = {key: value for key, value in FIXED.items() if key != "dropout"}
    found = tune(data, model="tuning.hostile_models:small_only", trials=6, settings=settings, search=search)
    assert [trial["state"] for trial in found.trials] == ["finished"] + ["failed"] * 5
    assert found.trials[0]["number"] == 1 and "units are too many" in found.trials[1]["error"]


def test_a_budget_ends_trials_and_keeps_what_they_reached(cluster, data, monkeypatch):
    settings = {**FIXED, "epochs": 500}
    asked = {"settings": settings, "search": {"units": "4,8,16"}, "name": "short", "trials": 3}
    with pytest.raises(RaysqError, match="spent before a trial had finished an epoch"):
        tune(data, time=0.1, max_concurrent=1, **asked)

    def spent(session, seconds):
        return any(record["epochs"] for record in session.scheduler.records.values())

    monkeypatch.setattr(Session, "is_out_of_time", spent)
    found = tune(data, time="1h", **asked)
    assert found.trials[0]["state"] == "out of time" and 0 < found.trials[0]["epochs"] < 500
    assert {trial["state"] for trial in found.trials} <= {"out of time", "stopped early"}
    best = json.loads((found.directory / "best.json").read_text())
    run = Run.open(best["run"])
    assert run.result()["ended"] == "out of time" and best["metrics"]["test_mae"] > 0
    assert load(run).model.count_params() == run.result()["parameters"]
    # A budget that is spent shows what was found.
    monkeypatch.setattr("raysq.tuning.running_search.ensure_ray", lambda: pytest.fail("Ray was started"))
    assert tune(data, time=found.seconds, **asked).trials == found.trials


def test_hyperband_and_optuna(cluster, data):
    found = tune(
        data,
        trials=4,
        settings={**FIXED, "calendar": ""},
        search={"units": "4,8,16", "learning_rate": "loguniform(1e-4,1e-2)", "features": [["T (degC)"], []]},
        scheduler="hyperband",
        searcher="optuna",
        max_concurrent=1,
        name="bayes",
    )
    assert len(found.trials) == 4 and {trial["state"] for trial in found.trials} <= {"finished", "stopped early"}
    assert all(1e-4 <= trial["settings"]["learning_rate"] <= 1e-2 for trial in found.trials)
    assert {trial["number"] for trial in found.trials} == {1, 2, 3, 4}


class Recorder(Callback):
    """Callback of Ray Tune that keeps what it sees."""

    def __init__(self):
        self.starts, self.epochs, self.ends = {}, [], []

    def on_trial_start(self, iteration, trials, trial, **info):
        self.starts.setdefault(str(trial), trial.config["learning_rate"])

    def on_trial_result(self, iteration, trials, trial, result, **info):
        assert result["training_iteration"] == result["epoch"] and "val_mae" in result
        self.epochs.append((str(trial), result["epoch"]))

    def on_trial_complete(self, iteration, trials, trial, **info):
        self.ends.append(str(trial))


@pytest.mark.slow
def test_a_population_goes_on_from_its_best_and_callbacks_see_it(cluster, data):
    recorder = Recorder()
    fixed = {key: value for key, value in FIXED.items() if key != "learning_rate"}
    search = {"learning_rate": tune_of_ray.loguniform(1e-4, 1e-1), "units": [4, 8]}
    options = {"scheduler": "pbt", "metric": "val_mae", "callbacks": [recorder], "name": "population"}
    found = tune(data, trials=2, settings=fixed, search=search, **options)
    assert {trial["state"] for trial in found.trials} == {"finished"} and found.goal.metric == "val_mae"
    assert set(recorder.ends) == set(recorder.starts) == {"trial-01", "trial-02"}
    assert recorder.starts["trial-01"] == 0.001 and ("trial-02", 3) in recorder.epochs
    # After the first and the second epoch the worse one of two became a copy of the better one.
    changed = [trial for trial in found.trials if "schedule" in trial]
    assert changed and all(len(change["settings"]) == 2 for trial in changed for change in trial["schedule"])
    for trial in changed:
        run = Run.open(found.directory / "trials" / f"trial-{trial['number']:02}")
        first, *later = trial["schedule"]
        assert first["epoch"] == 0 and [change["epoch"] for change in later] == sorted(c["epoch"] for c in later)
        assert later[-1]["settings"] == trial["settings"] and trial["settings"]["units"] == first["settings"]["units"]
        assert run.config.settings["training"]["learning_rate"] == trial["settings"]["learning_rate"]
        # Each epoch was trained with the rate of its time.
        rates = [record["learning_rate"] for record in run.metrics()]
        assert len(rates) == 3
        for epoch, rate in enumerate(rates):
            at = [change for change in trial["schedule"] if change["epoch"] <= epoch][-1]
            assert rate == pytest.approx(at["settings"]["learning_rate"], rel=1e-5)
    assert found.best_run.result()["metrics"]["val_mae"] == found.trials[0]["metrics"]["val_mae"]
    assert len(found.result_grid) == 2 and not found.result_grid.errors
    best = found.result_grid.get_best_result()
    assert best.config == found.trials[0]["settings"] and len(best.metrics_dataframe) == 3
    assert found.timeline()["trial"].nunique() == 2 and found.cost()["trial_seconds"] > 0


@pytest.mark.slow
def test_objects_of_ray_tune_and_generations(cluster, data):
    fixed = {key: value for key, value in FIXED.items() if key != "learning_rate"}
    search = {"learning_rate": tune_of_ray.loguniform(1e-4, 1e-1), "units": tune_of_ray.qrandint(4, 16, 4)}
    options = {
        "searcher": HyperOptSearch(random_state_seed=1),
        "scheduler": HyperBandScheduler(time_attr="training_iteration", max_t=3, reduction_factor=3),
        "stop": {"epoch": 2},
        "generations": 2,
        "name": "objects",
    }
    found = tune(data, trials=3, settings=fixed, search=search, **options)
    assert len(found.trials) == 6 and all(trial["epochs"] <= 2 for trial in found.trials)
    assert {trial["state"] for trial in found.trials} == {"stopped early"}
    assert tune(data, trials=3, settings=fixed, search=search, **options).trials == found.trials


def test_a_stopper_ends_the_search_for_good(cluster, data, monkeypatch):
    class Enough(Stopper):
        epochs = 0

        def __call__(self, trial, result):
            self.epochs += 1
            return False

        def stop_all(self):
            return self.epochs >= 2

    asked = {"settings": {**FIXED, "epochs": 200}, "search": {"units": "4,8,16"}, "name": "enough", "trials": 3}
    found = tune(data, stop=Enough(), max_concurrent=1, scheduler="none", **asked)
    assert [trial["state"] for trial in found.trials] == ["stopped early"] and found.trials[0]["epochs"] < 200
    assert found.best_run.result()["ended"] == "stopped early" and found.state() == "finished"
    monkeypatch.setattr("raysq.tuning.running_search.ensure_ray", lambda: pytest.fail("Ray was started"))
    assert tune(data, stop=Enough(), max_concurrent=1, scheduler="none", **asked).trials == found.trials


def test_what_the_cluster_cannot_hold_is_an_error_at_once(cluster, data):
    with pytest.raises(ResourceError, match="a trial needs 0.5 GPUs, the Ray cluster has 0"):
        tune(data, trials=1, settings=FIXED, gpu=0.5)
    with pytest.raises(ResourceError, match="7 workers need 7 CPUs, the Ray cluster has 6"):
        tune(data, trials=1, settings=FIXED, workers_per_trial=7)


@pytest.mark.slow
def test_trials_of_two_workers_share_their_processes(cluster, data):
    seen: set[int] = set()
    end = threading.Event()

    def look():
        while not end.wait(0.2):
            for pid in descendants(os.getpid()):
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{pid}/cmdline").read_text().startswith("ray::RayTrainWorker"):
                        seen.add(pid)

    watch = threading.Thread(target=look)
    watch.start()
    try:
        found = tune(data, trials=3, settings=FIXED, workers_per_trial=2, max_concurrent=1, scheduler="none")
    finally:
        end.set()
        watch.join()
    assert {trial["state"] for trial in found.trials} == {"finished"} and len(found.trials) == 3
    assert len(seen) == 2


def test_a_trial_that_is_stopped_ends_its_group(data, monkeypatch, tmp_path):
    """Ray Tune stops a trial by an error of its report."""
    run = Run.create(resolve_config("jena", "dense", Dataset.open(data), 0, FIXED), folder=tmp_path)
    ended = threading.Event()

    def train(run, workers, *, should_stop, **options):
        append_saved(run)
        while not should_stop():
            time.sleep(0.01)
        ended.set()

    def stop(record):
        raise SystemExit(0)

    monkeypatch.setattr(ray_train, "train", train)
    context = SimpleNamespace(workers=2, gpu=0, dataset_ref=None, stop_file=tmp_path / "stop")
    with pytest.raises(SystemExit):
        run_trial._train_group(context, run, SimpleNamespace(on_epoch_end=stop))
    assert ended.is_set()


def append_saved(run, epoch=1):
    append(run, epoch)
    checkpoint.save(run.last, {}, TrainState(epoch=epoch, step=5 * epoch).to_json())


def append(run, epoch):
    figures = {"val_loss": 1.0, "seconds": 1.0, "learning_rate": 0.1, "best": True}
    run.append({"epoch": epoch, "step": 5 * epoch, **figures})


def test_a_trial_of_workers_reports_an_epoch_once_its_checkpoint_is_written(data, monkeypatch, tmp_path):
    """Ray Tune may stop it at that report, and its best epoch is then exported."""
    run = Run.create(resolve_config("jena", "dense", Dataset.open(data), 0, FIXED), folder=tmp_path)
    reported = []

    def train(run, workers, **options):
        append_saved(run)
        append(run, 2)
        # Before validation: the step of the epoch's end, without its epoch.
        checkpoint.save(run.last, {}, TrainState(epoch=1, step=10).to_json())
        time.sleep(0.1)
        assert reported == [1]
        append_saved(run, 2)

    monkeypatch.setattr(run_trial, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(ray_train, "train", train)
    context = SimpleNamespace(workers=2, gpu=0, dataset_ref=None, stop_file=tmp_path / "stop")
    run_trial._train_group(context, run, SimpleNamespace(on_epoch_end=lambda record: reported.append(record["epoch"])))
    assert reported == [1, 2]


def test_the_records_of_a_damaged_last_checkpoint_are_those_of_the_best(data, tmp_path):
    run = Run.create(resolve_config("jena", "dense", Dataset.open(data), 0, FIXED), folder=tmp_path)
    append(run, 1)
    assert checkpoint.saved_records(run) == []
    checkpoint.save(run.best, {}, TrainState(epoch=1, step=5).to_json())
    assert checkpoint.saved_records(run) == []  # a run without a last checkpoint begins anew
    append_saved(run, 2)
    assert [record["epoch"] for record in checkpoint.saved_records(run)] == [1, 2]
    (run.last / "state.json").write_text("{")
    assert [record["epoch"] for record in checkpoint.saved_records(run)] == [1]


def test_one_process_searches_at_a_time(data):
    about = {"id": "x", "requested": {}, "synthetic": True}
    experiment = Experiment.create(raysq_experiments(), "held", about)
    experiment.begin()
    with experiment.lock(), pytest.raises(RaysqError, match="being searched by another process"):
        tune(data, trials=1, settings=FIXED, name="held")


def raysq_experiments():
    from raysq.storage.paths import home

    return home() / "experiments"


@pytest.mark.parametrize("name", ["../..", "a/b", ".hidden", "/tmp/elsewhere"])
def test_a_name_cannot_leave_the_folder_of_experiments(data, raysq_home, name):
    kept = raysq_home / "kept"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(UsageError, match="a search's name is letters, digits"):
        tune(data, trials=1, settings=FIXED, name=name, fresh=True)
    assert kept.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "--trials must be at least 1"),
        ({"searcher": "optuna", "search": {"units": "grid_search(4,8)"}}, "grid_search needs searcher random"),
        ({"generations": 0}, "--generations must be at least 1"),
        ({"metric": "val_maee"}, "no run records it: did you mean val_mae"),
        (
            {"callbacks": [object()]},
            "objects of ray.tune.Callback, or of keras.callbacks.Callback for each trial, rec",
        ),
        ({"callbacks": [keras.callbacks.CSVLogger("/tmp/log.csv")]}, "CSVLogger writes to /tmp/log.csv, and so would"),
        ({"callbacks": [keras.callbacks.TerminateOnNaN()], "scheduler": "pbt"}, "not the state of Keras callbacks"),
        ({"callbacks": [keras.callbacks.BackupAndRestore("b")]}, "BackupAndRestore is not needed"),
        ({"scheduler": "pbt", "refit": 2}, "those of a population do"),
        ({"scheduler": "pbt", "search": {"units": "4,8"}}, "scheduler pbt changes learning_rate"),
        ({"scheduler": "asah"}, "did you mean asha"),
        ({"searcher": "grid"}, "unknown --searcher"),
        ({"time": "soon"}, "--time is seconds"),
        ({"gpu": 1.5}, "whole ones"),
        ({"gpu": 0.5, "workers_per_trial": 2}, "whole ones"),
        ({"search": {"learning_rat": "4"}}, "did you mean learning_rate"),
        ({"search": {"units": "uniform(1,2)"}}, "randint"),
        ({"search": {"learning_rate": "loguniform(0,1)"}}, "low > 0"),
        ({"search": {"learning_rate": "uniform(2,1)"}}, "low < high"),
        ({"search": {"learning_rate": "normal(2,1)"}}, "unknown range"),
        ({"search": {"optimizer": "adam,adma"}}, "one of"),
        ({"search": {"dropout": "0.1"}}, "both fixed"),
        ({"search": {"epochs": "1,2"}}, "most that a trial gets"),
        ({"search": {"step": "7min"}}, "step=7min"),
    ],
)
def test_wrong_options_are_one_clear_line(data, options, message):
    given = {"trials": 2, "settings": FIXED, **options}
    if "step" in options.get("search", {}):
        given["settings"] = {key: value for key, value in FIXED.items() if key != "step"}
    with pytest.raises(UsageError, match=message):
        tune(data, **given)


@pytest.mark.parametrize(
    ("options", "trials", "total"),
    [
        ({}, 16, 16),
        ({"trials": 5}, 5, 5),
        ({"time": "5m"}, 1000, None),  # as many as the time allows
        ({"time": "5m", "trials": 5}, 5, 5),
        ({"time": "5m", "generations": 2}, 32, 32),
        ({"time": "5m", "scheduler": "pbt"}, 16, 16),
    ],
)
def test_a_time_alone_is_enough(data, monkeypatch, options, trials, total):
    made = []

    class Fake:
        def __init__(self, experiment, queue, config, dataset, how):
            made.append((queue, how))

        def is_over(self):
            return True

        def finalize(self):
            pass

    monkeypatch.setattr("raysq.tuning.search.RunningSearch", Fake)
    fixed = {key: value for key, value in FIXED.items() if key != "learning_rate"}
    found = tune(data, settings=fixed, search={"learning_rate": ("loguniform", 1e-4, 1e-2)}, **options)
    ((queue, how),) = made
    assert queue.trials == trials and how.trials == total == found.about["requested"]["trials"]
    assert f"trials={0 if total is None else f'0/{total}'}" in repr(found)


def test_nothing_to_search_is_said(data):
    with pytest.raises(UsageError, match="nothing to search"):
        tune(data, model="baseline", trials=2, settings={**SMALL, "learning_rate": 0.1, "calendar": ""})
