"""The package of docs/extending.md: installed beside raysq, or registered by a call, it does all that raysq does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import raysq
from raysq import problems, tasks
from raysq.cli import main
from raysq.errors import DataError, UsageError

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS / "extension_package"
STEPS = 8  # values that a prediction sees


def write_series(path: Path, rows: int = 2000) -> Path:
    """A wave whose points are anomalies where a spike is added."""
    random = np.random.RandomState(0)
    values = np.sin(np.arange(rows) / 5) + random.normal(0, 0.1, rows)
    spikes = random.uniform(size=rows) < 0.2
    values[spikes] += random.choice([-2, 2], spikes.sum())
    lines = [f"{value:.4f},{'anomaly' if spike else 'normal'}\n" for value, spike in zip(values, spikes, strict=True)]
    path.write_text("value,label\n" + "".join(lines))
    return path


def accuracy_of(path: Path, predictions: str) -> float:
    """The share of a series' points that predictions, as csv, name rightly."""
    labels = [line.partition(",")[2] for line in path.read_text().split("\n")[1:]]
    rows = [line.split(",") for line in predictions.replace('"', "").split("\n")[1:-1]]
    assert [int(row) for row, *_ in rows] == list(range(STEPS - 1, len(labels) - 1))
    return float(np.mean([label == labels[int(row)] for row, label, _ in rows]))


def test_the_package_is_small():
    lines = [line for path in PACKAGE.rglob("*.py") for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) < 150


@pytest.fixture
def registered(monkeypatch):
    """The package's task and problem, registered by a call."""
    monkeypatch.syspath_prepend(PACKAGE)
    for registry in (problems.REGISTRY, tasks.REGISTRY):
        monkeypatch.setattr(registry, "registered", {})
    from raysq_points import POINTS
    from raysq_points.problem import PointLabels

    raysq.register_problem(PointLabels)  # also usable as a decorator
    raysq.register_task(POINTS)
    assert raysq.register_problem(PointLabels) is PointLabels  # a decorator's class


def test_registered_by_a_call(registered, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RAYSQ_HOME", str(tmp_path / "home"))
    source = write_series(tmp_path / "series.csv", 600)
    dataset = raysq.prepare("points", source, quiet=True)
    assert dataset.rows == 600 and dataset.preprocessor_settings["classes"] == ["anomaly", "normal"]
    rows = {"value": [0.0, 1.0, 0.0], "label": ["a", "b", "a"]}
    assert raysq.prepare("points", rows, name="rows", quiet=True).preprocessor_settings["classes"] == ["a", "b"]
    run = raysq.train("points", data=dataset.directory, settings={"lookback": 4})
    assert run.config.package == "raysq_points.problem" and run.config.settings["data"]["lookback"] == 4
    metrics = raysq.evaluate(run)
    assert metrics["dense"]["test_accuracy"] > metrics["baseline"]["test_accuracy"] > 0.5
    predictor = raysq.load(run)
    table = predictor.predict({"value": [0.0, 0.1, 0.2, 0.3, 3.0]})
    assert table["row"].to_pylist() == [3, 4] and table["label"].to_pylist() == ["normal", "anomaly"]
    assert predictor.predict({"value": [0.0]}).num_rows == 0
    assert "Labels of the test points" in raysq.write_report(run).read_text()
    assert main(["report", str(run.directory), "--week", "2020-01-01"]) == 2
    assert f"the report of run {run.name}, a model of point_labels, has no option 'week'" in capsys.readouterr().err
    with pytest.raises(DataError, match="has no column 'value': valid: x"):
        predictor.predict({"x": [1.0]})
    assert main(["train", "points", "--set", "lookback=0"]) == 2
    assert "setting lookback must be at least 1, received 0" in capsys.readouterr().err
    assert main(["prepare", "points", "--source", "sample"]) == 2
    assert "has no built-in sample" in capsys.readouterr().err
    assert main(["prepare", "points", "--source", str(source), "--set", "valeu=x"]) == 2
    assert "did you mean value" in capsys.readouterr().err


def test_a_run_whose_problem_is_not_here_names_its_package(registered, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RAYSQ_HOME", str(tmp_path / "home"))
    raysq.prepare("points", write_series(tmp_path / "series.csv", 600), quiet=True)
    run = raysq.train("points", settings={"epochs": 1})
    monkeypatch.setattr(problems.REGISTRY, "registered", {})
    monkeypatch.setattr(tasks.REGISTRY, "registered", {})
    message = "problem 'point_labels' of task 'points' is unknown here: it was registered by raysq_points.problem"
    for use in (raysq.load, raysq.evaluate, raysq.write_report):
        with pytest.raises(UsageError, match=message):
            use(run.directory)
    assert main(["predict", str(run.directory), "--input", "x.csv"]) == 2
    assert capsys.readouterr().err.startswith(f"raysq: {message}; install that package")
    assert main(["runs"]) == 0, "they can be listed"


@pytest.mark.cluster
def test_installed_beside_raysq(tmp_path):
    site, home = tmp_path / "site", tmp_path / "home"
    copied = shutil.copytree(PACKAGE, tmp_path / "source")  # a build writes into it
    pip = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--target", str(site), "."]
    subprocess.run(pip, cwd=copied, check=True, capture_output=True, text=True)
    path = os.pathsep.join([str(site), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "RAYSQ_HOME": str(home), "RAY_worker_niceness": "0"}

    def python(*arguments: str, program: tuple[str, ...] = ("-m", "raysq")) -> str:
        done = subprocess.run(
            [sys.executable, *program, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    listed = {row["task"]: row for row in json.loads(python("tasks", "--json"))}
    assert listed["points"]["models"] == ["baseline", "dense"]
    assert "--value COLUMN" in python("prepare", "--help")
    source = write_series(tmp_path / "series.csv")
    python("prepare", "points", "--source", str(source), "--name", "threads")
    results = json.loads(python(str(source), program=(str(TESTS / "extension_steps.py"),)).splitlines()[-1])

    manifest = json.loads((home / "data" / "points" / "threads" / "manifest.json").read_text())
    for task, model in (("points", "dense"), ("quick_points", "linear")):
        result = results[task]
        assert result["shards"] == [shard["sha256"] for shard in manifest["shards"]]
        assert result["metrics"][model]["test_loss"] < result["metrics"]["baseline"]["test_loss"]
        assert result["trials"] == ["finished", "finished"]
        assert accuracy_of(source, result["predictions"]) > 0.8
    assert results["points"]["metrics"]["dense"]["test_accuracy"] > 0.9

    metrics = json.loads(python("evaluate", "points-2", "--json"))["metrics"]
    assert metrics["test_accuracy"] == pytest.approx(results["points"]["metrics"]["dense"]["test_accuracy"])
    predictions = python("predict", "points-2", "--input", str(source))
    assert accuracy_of(source, predictions) == pytest.approx(accuracy_of(source, results["points"]["predictions"]))
    assert "Labels of the test points" in Path(python("report", "points-2").strip()).read_text()
    environment["PYTHONPATH"] = str(TESTS.parent)
    with pytest.raises(AssertionError, match="registered by raysq-points; install that package"):
        python("predict", "points-2", "--input", str(source))
