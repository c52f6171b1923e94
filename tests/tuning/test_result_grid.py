"""A search's trials as a `ray.tune.ResultGrid`, and its best run."""

import math

import pytest
from ray.tune import Result, ResultGrid

from raysq.errors import NotFoundError, UsageError
from raysq.storage.atomic import write_json
from raysq.training.run_files import RunFiles
from raysq.tuning.experiment import Experiment


@pytest.fixture
def experiment(tmp_path):
    """Three trials: two that trained, best first, and one that failed before its first epoch."""
    requested = {"metric": "val_accuracy", "mode": "max"}
    experiment = Experiment(tmp_path, {"id": "made", "requested": requested})
    records = []
    for number, accuracies in ((2, [0.5, 0.9, 0.8]), (1, [0.6, 0.7]), (3, [])):
        run = RunFiles(tmp_path / "trials" / f"trial-0{number}")
        for epoch, accuracy in enumerate(accuracies, 1):
            run.append(
                {"epoch": epoch, "step": epoch, "seconds": 1.0, "val_loss": 1 - accuracy, "val_accuracy": accuracy}
            )
        best = max(accuracies, default=None)
        records.append(
            {
                "number": number,
                "settings": {"units": 8 * number},
                "state": "finished" if accuracies else "failed",
                "epochs": len(accuracies),
                "val_loss": None if best is None else 1 - best,
                "metrics": {} if best is None else {"val_accuracy": best},
                "seconds": 1.0,
                "run": str(run.directory),
                "error": None if accuracies else "no cable is plugged in",
            }
        )
    (tmp_path / "trials" / "trial-02" / "checkpoints" / "best").mkdir(parents=True)
    write_json(tmp_path / "trials.json", records)
    return experiment


def test_results_are_those_of_the_trials(experiment):
    grid = experiment.result_grid
    assert isinstance(grid, ResultGrid) and len(grid) == 3 and grid.num_errors == 1 and grid.num_terminated == 2
    first, second, failed = grid
    assert isinstance(first, Result) and first.config == {"units": 16} and first.path.endswith("trial-02")
    assert first.metrics["val_accuracy"] == 0.8 and first.metrics["training_iteration"] == 3
    assert first.checkpoint.path.endswith("checkpoints/best") and second.checkpoint is None
    assert str(failed.error) == "no cable is plugged in" and grid.errors == [failed.error]
    assert grid.experiment_path == str(experiment.directory) and "trial-02" in repr(grid)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({}, "trial-02"),
        ({"metric": "val_accuracy"}, "trial-02"),
        ({"metric": "val_accuracy", "scope": "avg", "mode": "min"}, "trial-01"),
        ({"metric": "val_loss", "mode": "max"}, "trial-01"),
        ({"metric": "val_loss", "mode": "min", "scope": "all"}, "trial-02"),
        ({"metric": "val_accuracy", "scope": "last-5-avg"}, "trial-02"),
    ],
)
def test_the_best_result_is_of_a_metric_and_a_scope(experiment, arguments, path):
    assert experiment.result_grid.get_best_result(**arguments).path.endswith(path)


def test_unknown_metrics_and_scopes_are_named(experiment):
    with pytest.raises(UsageError, match="no trial records val_acuracy: did you mean val_accuracy"):
        experiment.result_grid.get_best_result("val_acuracy")
    with pytest.raises(UsageError, match="unknown scope 'lst': did you mean last"):
        experiment.result_grid.get_best_result("val_accuracy", scope="lst")


def test_the_data_frame_has_the_last_or_the_best_epoch(experiment):
    frame = experiment.result_grid.get_dataframe()
    assert frame["trial"].tolist() == [2, 1, 3] and frame["val_accuracy"].tolist()[:2] == [0.8, 0.7]
    best = experiment.result_grid.get_dataframe("val_accuracy", "max")
    assert best["val_accuracy"].tolist()[:2] == [0.9, 0.7] and best["config/units"].tolist() == [16, 8, 24]


def test_a_search_that_has_not_ended_has_no_best_run(experiment):
    with pytest.raises(NotFoundError, match="has no best run yet"):
        _ = experiment.best_run


def test_a_metric_has_a_mode_of_its_own_and_nan_is_no_best_epoch(experiment):
    grid = experiment.result_grid
    assert grid.get_best_result("val_loss", scope="all").path.endswith("trial-02"), "though the search maximizes"
    assert grid.get_dataframe("val_loss")["val_loss"].tolist()[:2] == pytest.approx([0.1, 0.3])
    with pytest.raises(UsageError, match="unknown --mode 'largest'"):
        grid.get_best_result("val_loss", "largest")
    run = RunFiles(experiment.directory / "trials" / "trial-01")
    run.append({"epoch": 3, "step": 3, "seconds": 1.0, "val_loss": math.nan, "val_accuracy": math.nan})
    frame = experiment.result_grid.get_dataframe("val_accuracy")
    assert frame["val_accuracy"].tolist()[:2] == pytest.approx([0.9, 0.7])
