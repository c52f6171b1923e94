"""One damaged file of a run is one line with the way out; lists, reports of several, `rm` and `--fresh` go on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from training.series import SMALL, write_series

from raysq import cli
from raysq.errors import DamagedError
from raysq.report.cached_model import ReportCache
from raysq.storage.atomic import write_json
from raysq.training import checkpoint
from raysq.training import train as api
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.run import Run, runs
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

# The rate is high: the best epoch is not the last.
SETTINGS = {**SMALL, "epochs": 3, "units": 4, "xla": "false", "learning_rate": 1.0}
DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "a list": lambda content: b"[1]\n",
    "a text": lambda content: b'"text"\n',
    "no keys": lambda content: b"{}\n",
    "no UTF-8": lambda content: content[:9] + b"\xff" + content[9:],
    "a digit": lambda content: content.replace(b"1", b"7", 1),
}
damaged = pytest.mark.parametrize("damage", DAMAGES)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A home with two finished runs of one configuration."""
    home = tmp_path_factory.mktemp("home")
    data = write_series(home / "data" / "jena" / "waves")
    config = resolve_config("jena", "dense", data, 0, SETTINGS)
    run = Run.create(config, name="hurt", folder=home / "runs")
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks(tensorboard=False))
    shutil.copytree(run.directory, home / "runs" / "sound")
    return home


@pytest.fixture
def hurt(kept, raysq_home):
    """Damages a file of the run that is called so, in a copy of the home."""
    shutil.copytree(kept / "runs", raysq_home / "runs")

    def change(name: str, damage: str) -> Path:
        path = raysq_home / "runs" / "hurt" / name
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
        return path

    return change


def train(kept: Path, *more: str) -> list[str]:
    sets = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    data = str(kept / "data" / "jena" / "waves")
    return ["train", "jena", "--data", data, "--model", "dense", "--name", "hurt", "--json", *sets, *more]


def one_line(capsys, arguments: list[str]) -> str:
    """The one line with which a command fails."""
    capsys.readouterr()
    assert cli.main(arguments) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("raysq:")]
    return line


@damaged
@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "result.json"])
def test_lists_go_on_and_say_so_and_others_name_the_file(hurt, kept, capsys, name, damage):
    path = hurt(name, damage)
    assert cli.main(["runs", "--json"]) == 0
    found = capsys.readouterr()
    rows = {row["run"]: row for row in json.loads(found.out)}
    assert rows["sound"]["state"] == "finished" and rows["sound"]["epochs"] == 3 and rows["sound"]["error"] is None
    assert rows["hurt"]["state"] == "damaged" and rows["hurt"]["val_loss"] is None
    assert rows["hurt"]["error"].startswith(f"{path} is damaged (")
    assert rows["hurt"]["error"] in found.err
    assert cli.main(["runs"]) == 0 and "damaged" in capsys.readouterr().out
    for arguments in (["report", "hurt"], ["evaluate", "hurt"], train(kept)):
        if (name, arguments[0]) in (("metrics.jsonl", "evaluate"), ("metrics.jsonl", "train")):
            continue  # they need only the weights, or the result
        line = one_line(capsys, arguments)
        assert f"{path} is damaged (" in line
        assert "--fresh" in line or "remove it, and the same `raysq train` command" in line
    assert cli.main(["rm", "hurt", "--yes"]) == 0 and not path.parent.exists()
    assert [run.name for run in runs()] == ["sound"]


def test_fresh_begins_anew_and_the_numbers_are_those_of_before(hurt, kept, capsys):
    for name, damage in (("result.json", "a list"), ("metrics.jsonl", "cut"), ("config.json", "cut")):
        hurt(name, damage)
    assert cli.main(train(kept, "--fresh")) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == Run.open("sound").result()["metrics"]
    assert Run.open("hurt").state() == "finished"


def test_a_damaged_result_is_measured_again_where_it_is_removed(hurt, kept, capsys):
    hurt("result.json", "emptied").unlink()
    assert cli.main(train(kept)) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == Run.open("sound").result()["metrics"]


def test_a_damaged_model_is_written_again_from_the_checkpoint(hurt, kept, capsys, tmp_path):
    path = hurt("model.keras", "cut")
    export = ["export", "hurt", "--output", str(tmp_path / "model.keras")]
    assert "has a model.keras that cannot be read (" in (line := one_line(capsys, export))
    assert line.endswith("; remove its result.json, and the same `raysq train` command writes it again")
    (path.parent / "result.json").unlink()
    assert cli.main(train(kept)) == 0 and cli.main(export) == 0


def test_a_report_of_several_runs_leaves_the_damaged_one_out(hurt, capsys, raysq_home):
    path = hurt("config.json", "cut")
    assert cli.main(["report", "hurt", "sound", "--json"]) == 0
    found = capsys.readouterr()
    assert f"A run is left out: {path} is damaged (" in found.err
    page = Path(json.loads(found.out)["report"]).read_text()
    assert f"A run is left out: {path} is damaged (" in page and "1 runs: dense" in page
    (raysq_home / "runs" / "sound" / "result.json").write_text("")
    assert "config.json is damaged" in one_line(capsys, ["report", "hurt", "sound"])


def test_epochs_that_are_missing_are_noticed(hurt):
    run = Run.open("hurt")
    path = run.directory / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    for kept_lines in (lines[:2], lines[1:], [lines[0], lines[0], lines[2]]):
        path.write_text("".join(kept_lines))
        with pytest.raises(DamagedError, match="lacks some of the 3 epochs"):
            run.metrics()
    (run.directory / "result.json").unlink()
    path.write_text("".join(lines[:2]))
    with pytest.raises(DamagedError, match="lacks some of the 3 epochs"):  # of the checkpoint
        api.train_run(run)


FILES = ["state.json", "variables.npz"]


@damaged
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_noticed(hurt, name, damage):
    path = hurt(f"checkpoints/last/{name}", damage)
    with pytest.raises(DamagedError, match=f"{name} is damaged .*--fresh starts anew"):
        checkpoint.load(path.parent)
    shutil.copytree(Run.open("sound").last, path.parent.with_name("last.old"))  # it was being replaced
    values, state, _ = checkpoint.load(path.parent)
    assert state["epoch"] == 3 and len(values) > 3


@pytest.mark.parametrize("name", FILES)
def test_training_goes_on_from_the_best_checkpoint_where_the_last_is_damaged(hurt, kept, capsys, name):
    sound = Run.open("sound")
    run = Run.open("hurt")
    (run.directory / "result.json").unlink()
    hurt(f"checkpoints/last/{name}", "cut")
    capsys.readouterr()
    assert cli.main(train(kept)) == 0
    found = capsys.readouterr()
    assert "training goes on from the best epoch, 2, and what came after it is trained again" in found.err
    assert json.loads(found.out)["metrics"] == sound.result()["metrics"]
    a, b = checkpoint.load(run.last)[0], checkpoint.load(sound.last)[0]
    assert a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def test_the_last_checkpoint_stands_in_for_a_damaged_best_one(hurt, capsys):
    hurt("checkpoints/best/variables.npz", "a digit")
    run = Run.open("hurt")
    assert cli.main(["evaluate", "hurt", "--json"]) == 0
    (message,) = json.loads(capsys.readouterr().out)["messages"]
    assert "checkpoints/best/variables.npz is damaged" in message and "those of the last one, 3, stand in" in message
    (run.last / "state.json").write_text("{}")
    line = one_line(capsys, ["evaluate", "hurt"])
    assert "checkpoints/best/variables.npz is damaged" in line and line.endswith("; --fresh starts anew")


@damaged
def test_what_a_report_keeps_is_made_again_where_it_is_damaged(hurt, damage):
    run = Run.open("hurt")
    made: list[str] = []

    def report() -> None:
        cache = ReportCache(run)
        assert cache.keep("figure", lambda: made.append("figure") or 0.125) == 0.125
        assert cache.keep_array("array 1", lambda: made.append("predictions") or np.ones(40)).tolist() == [1.0] * 40
        cache.save_arrays()

    report()
    report()
    assert made == ["figure", "predictions"]
    hurt("report-predictions.npz", damage)
    report()
    assert made == ["figure", "predictions", "predictions"]
    hurt("report-cache.json", damage)
    report()
    assert made == ["figure", "predictions", "predictions", "figure", "predictions"]


def test_a_failure_that_cannot_be_read_is_one(hurt):
    run = Run.open("hurt")
    assert run.failure() is None
    write_json(run.directory / "failure.json", {"message": "out of memory"})
    assert run.failure() == "out of memory"
    for damage in DAMAGES.values():
        (run.directory / "failure.json").write_bytes(damage(b'{"message": "1", "checksum": "x"}'))
        assert "the reason is not known" in run.failure()
