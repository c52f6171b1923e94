"""Tracking of runs: by a tracker of the test's, by MLflow's file store, and by a server."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from typing import ClassVar

import pytest
from training.series import SMALL, write_series

from raysq.errors import Interrupted, MissingPackageError, UsageError
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.trackers import following, tracker
from raysq.training.trackers.tracking import Tracking
from raysq.training.train import train


class Recorded:
    """A tracker that keeps what it is told, or fails."""

    calls: ClassVar = []
    fails = False
    server = "here"

    def begin(self, directory, group, known, parent):
        if Recorded.fails:
            raise ConnectionError("no answer")
        self.calls.append(("begin", directory.name, group, known, parent))
        return known or f"run {len(self.calls)}"

    def log_parameters(self, parameters, tags):
        self.calls.append(("parameters", parameters["units"], tags["raysq.task"]))

    def log_metrics(self, metrics, step):
        self.calls.append(("metrics", step, metrics["val_loss"] if "val_loss" in metrics else sorted(metrics)))

    def log_file(self, path):
        self.calls.append(("file", path.name))

    def end(self, status):
        self.calls.append(("end", status))


@pytest.fixture
def recorded(monkeypatch):
    monkeypatch.setitem(tracker._CLASSES, "json", f"{__name__}:Recorded")
    monkeypatch.setattr(Recorded, "calls", [])
    monkeypatch.setattr(Recorded, "fails", False)
    monkeypatch.setattr(following, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(Tracking, "make_files", lambda self: [self.run.directory / "config.json"])
    return Recorded


@pytest.fixture
def run(tmp_path):
    config = resolve_config("jena", "dense", write_series(tmp_path / "waves"), 0, {**SMALL, "units": 8})
    return Run.create(config, name="small", folder=tmp_path)


def finish(run, epochs):
    metrics = {"val_loss": 0.5, "test_mae": 0.25}
    run.finish({"metrics": metrics, "steps": 1, "seconds": 1, "best_epoch": 1, "epochs": epochs, "parameters": 9})


def record(epoch):
    return {"epoch": epoch, "step": epoch, "seconds": 1.0, "val_loss": 1 / epoch, "best": True}


def test_a_run_that_is_continued_continues_its_run_in_the_tracker(recorded, run):
    with pytest.raises(Interrupted), Tracking(run, "json"):
        run.append(record(1))
        raise Interrupted("stop")
    with Tracking(run, "json"):
        run.append(record(2))
        finish(run, 2)
    assert recorded.calls == [
        ("begin", "small", "jena", None, None),
        ("parameters", 8, "jena"),
        ("metrics", 1, 1.0),
        ("end", "stopped"),
        ("begin", "small", "jena", "run 1", None),
        ("metrics", 2, 0.5),
        ("metrics", 2, ["best_test_mae", "best_val_loss"]),
        ("file", "config.json"),
        ("end", "finished"),
    ]


def test_another_server_gets_a_run_of_its_own(recorded, run, monkeypatch):
    with Tracking(run, "json"):
        run.append(record(1))
    monkeypatch.setattr(recorded, "server", "there")
    with Tracking(run, "json"):
        pass
    assert [call[3] for call in recorded.calls if call[0] == "begin"] == [None, None]
    assert [call for call in recorded.calls if call[0] == "metrics"] == [("metrics", 1, 1.0)] * 2


def test_a_tracker_that_fails_is_one_line_and_gets_all_at_the_end(recorded, run, monkeypatch, capsys):
    monkeypatch.setattr(recorded, "fails", True)
    monkeypatch.setattr(following, "_RETRY_SECONDS", 0.01)
    with Tracking(run, "json"):
        for epoch in (1, 2):
            run.append(record(epoch))
            time.sleep(0.1)
        recorded.fails = False
    assert [call[1] for call in recorded.calls if call[0] == "metrics"] == [1, 2]
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["tracker json fails, and training goes on without it: ConnectionError: no answer"]


def test_a_password_in_the_address_of_a_server_is_neither_shown_nor_kept(recorded, run, monkeypatch, capsys):
    def refuse(*arguments):
        raise ConnectionError("API request to https://me:secret-1@mlflow.example.org/api failed")

    monkeypatch.setattr(recorded, "server", "https://me:secret-1@mlflow.example.org")
    with Tracking(run, "json"):
        pass
    known = (run.directory / "tracking.json").read_text()
    monkeypatch.setattr(recorded, "server", "https://me:secret-2@mlflow.example.org")
    monkeypatch.setattr(recorded, "log_metrics", refuse)
    with Tracking(run, "json"):
        run.append(record(1))
    assert [call[3] for call in recorded.calls if call[0] == "begin"] == [None, "run 1"], "the same run of the server"
    assert (run.directory / "tracking.json").read_text() == known and "secret" not in known
    assert "failed" in (line := capsys.readouterr().err) and "secret" not in line


def test_a_tracker_that_hangs_is_left_behind(recorded, run, monkeypatch, capsys):
    monkeypatch.setattr(following, "_END_SECONDS", 0.1)
    monkeypatch.setattr(recorded, "begin", lambda *arguments: time.sleep(3))
    began = time.monotonic()
    with Tracking(run, "json"):
        pass
    assert time.monotonic() - began < 2
    assert "it did not answer in 0.1 s" in capsys.readouterr().err


def test_trackers_are_checked_before_training():
    with pytest.raises(UsageError, match="unknown tracker 'mlflo': did you mean mlflow"):
        train("jena", track="mlflo")


def test_a_missing_package_is_an_error_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'raysq\[wandb\]'"):
        tracker.check_tracker("wandb")


def check_mlflow(run):
    """Asserts that MLflow has all of a run."""
    import mlflow

    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("jena").experiment_id])
    assert found.info.status == "FINISHED" and found.info.run_name == run.name
    assert found.data.params["units"] == "4" and found.data.tags["raysq.model"] == "dense"
    history = client.get_metric_history(found.info.run_id, "val_loss")
    expected = {record["epoch"]: record["val_loss"] for record in run.metrics()}
    assert {each.step: pytest.approx(each.value) for each in history} == expected
    assert {each.path for each in client.list_artifacts(found.info.run_id)} == {"model.keras", "report.html"}


def train_tracked(folder):
    data = write_series(folder / "waves")
    settings = {**SMALL, "epochs": 2, "units": 4}
    return train("jena", data=data.directory, model="dense", settings=settings, track="mlflow")


def test_mlflow_keeps_a_run_in_its_file_store(tmp_path, raysq_home, monkeypatch, capsys):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    run = train_tracked(tmp_path)
    assert "tracker mlflow fails" not in capsys.readouterr().err
    check_mlflow(run)
    assert str(tmp_path) not in (run.directory / "tracking.json").read_text()


def test_tensorboard_compares_the_settings_of_runs(run):
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorflow.core.util import event_pb2

    with Tracking(run, "tensorboard"):
        run.append(record(1))
    (path,) = (run.directory / "tensorboard" / "hparams").iterdir()
    content, values = path.read_bytes(), []
    while content:  # the length of a record, its checksum, the record, and its checksum
        size = int.from_bytes(content[:8], "little")
        values += event_pb2.Event.FromString(content[12 : 12 + size]).summary.value
        content = content[16 + size :]
    (settings,) = (value for value in values if value.tag.startswith("_hparams_/session_start_info"))
    data = plugin_data_pb2.HParamsPluginData.FromString(settings.metadata.plugin_data.content)
    assert data.session_start_info.hparams["units"].number_value == 8
    assert {"val_loss", "seconds"} <= {value.tag for value in values}


@pytest.mark.slow
def test_mlflow_keeps_a_run_on_a_server(tmp_path, raysq_home, monkeypatch):
    """MLFLOW_SERVER names the program `mlflow` of an environment with the whole package, which has the server."""
    pytest.importorskip("mlflow")
    program = os.environ.get("MLFLOW_SERVER")
    if program is None:
        pytest.skip("MLFLOW_SERVER names no program `mlflow` that has the server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = [f"--backend-store-uri=sqlite:///{tmp_path}/mlflow.db", f"--artifacts-destination={tmp_path}/artifacts"]
    server = subprocess.Popen([program, "server", "--host=127.0.0.1", f"--port={port}", "--workers=1", *store])
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5)
                break
            except OSError:
                time.sleep(1)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        run = train_tracked(tmp_path)
        check_mlflow(run)
    finally:
        server.terminate()
        server.wait(30)
    assert json.loads((run.directory / "tracking.json").read_text())["mlflow"]["epochs"] == 2
