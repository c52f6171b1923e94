"""The command line as a person meets it: exit codes, one-line errors, JSON, and how fast it answers."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from training.series import write_series

from raysq.cli import main

SMALL = ["lookback=24", "step=2", "delay=6", "batch_size=16", "steps_per_epoch=5", "units=4"]
SETTINGS = [f"--set={pair}" for pair in SMALL]
WITHOUT_BATCH = [option for option in SETTINGS if "batch_size" not in option]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_series(tmp_path_factory.mktemp("data") / "waves").directory)


def test_help_is_instant_and_imports_nothing_heavy():
    code = "import sys, raysq, raysq.cli; raysq.cli.main(['tasks', '--help'])"
    heavy = "('tensorflow', 'ray', 'keras', 'pyarrow', 'numpy')"
    check = f"try:\n {code}\nexcept SystemExit: pass\nprint([m for m in {heavy} if m in sys.modules])"

    def seconds():
        # Of a CPU: those on the clock are the other programs' too.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=600)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.stdout.splitlines()[-1] == "[]", done.stderr
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # A busy machine lets a process wait for its memory, too.
    assert any(seconds() < 0.5 for _ in range(5))


def test_import_brings_neither_tensorflow_nor_ray():
    code = "import sys, raysq; print('tensorflow' in sys.modules or 'ray' in sys.modules, callable(raysq.train))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.stdout.strip() == "False True", done.stderr


def test_json_is_all_of_standard_output_whatever_a_model_prints(data, capsys):
    assert (
        main(["train", "jena", "--data", data, "--model", "training.own_models:talkative", *SETTINGS[:-1], "--json"])
        == 0
    )
    shown = capsys.readouterr()
    assert json.loads(shown.out)["steps"] and "building" in shown.err


def test_train_evaluate_runs_rm(data, capsys):
    train = ["train", "jena", "--data", data, "--model", "gru", "--epochs", "2", *SETTINGS]
    assert main([*train, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"run", "task", "model", "seed", "steps", "seconds", "metrics"} <= result.keys()
    assert result["steps"] == 10 and result["synthetic"] is True
    assert {"loss", "val_loss", "val_mae", "test_mae", "val_mae_original"} <= result["metrics"].keys()
    assert main(train) == 0
    shown = capsys.readouterr()
    assert "finished before" in shown.err and "synthetic" in shown.err and "degC" in shown.out
    assert main(["evaluate", result["run"], "--split", "val", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["val_mae"] == pytest.approx(result["metrics"]["val_mae"], rel=1e-6)
    assert "val_mae" in found["baseline"]
    assert found["details"] == {}
    assert main(["predict", result["run"], "--text", "warm", "--json"]) == 2
    said = capsys.readouterr().err
    assert "is a model that forecasts series and cannot predict for texts" in said
    assert "it can: evaluate, predict, report, export" in said
    assert main(["runs", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["state"] == "finished" and row["epochs"] == 2
    assert main(["rm", row["run"][:8]]) == 2
    assert main(["rm", row["run"][:8], "--yes", "--json"]) == 0
    capsys.readouterr()
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_own_texts_are_prepared_with_the_options_for_them(cluster, tmp_path, capsys):
    said = [("good", "yes") if number % 3 else ("bad", "no") for number in range(60)]
    rows = [f'{number},"film, {word} {number}",{liked}' for number, (word, liked) in enumerate(said)]
    (tmp_path / "own.csv").write_text("\n".join(["stars,body,liked", *rows]))
    prepare = ["prepare", "classify", "--source", str(tmp_path / "own.csv"), "--text", "body", "--label", "liked"]
    assert main([*prepare, "--test", "0.25", "--level", "char", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["report"]
    assert report["classes"] == ["no", "yes"] and report["level"] == "char" and report["parts"] == "drawn"
    assert report["words"] < 30 and sum(report["counts"]["test"]) > 0
    assert main([*prepare[:4], "--text", "bdy", "--label", "liked"]) in (1, 2)
    assert "did you mean body" in capsys.readouterr().err


def test_dry_run_writes_nothing(data, capsys, raysq_home):
    assert main(["train", "jena", "--data", data, "--dry-run", "--json", *SETTINGS]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["examples"] == {"train": 570, "val": 270, "test": 270}
    assert found["parameters"] == 245 and found["settings"]["units"] == 4
    assert found["estimated_seconds"] > 0
    assert "forecast" not in found and not (raysq_home / "runs").exists()

    assert main(["train", "jena", "--data", data, "--dry-run", "--workers", "2", *SETTINGS]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    # 245 parameters of four bytes; a step of this model takes less time than a message.
    assert "2 workers" in shown and "sums 980 bytes by gRPC in 0.32 ms" in shown
    assert "fastest with 1 (1 times)" in shown
    assert main(["train", "jena", "--data", data, "--dry-run", "--workers", "0", *SETTINGS]) == 2
    assert "--workers must be at least 1, received 0" in capsys.readouterr().err


def test_a_batch_for_each_worker_grows_with_them(data, capsys, tmp_path, monkeypatch):
    """Of a file of settings as well, which names all of them."""
    shown = []
    monkeypatch.setattr("raysq.training.estimate.estimate", lambda config, **_: shown.append(config.train_settings()))
    monkeypatch.setattr("raysq.training.estimate.show_estimate", lambda console, figures: None)
    assert main(["config", "jena", "--data", data, *SETTINGS]) == 0
    file = tmp_path / "jena.yaml"
    file.write_text(capsys.readouterr().out)
    for source in (["--data", data, *WITHOUT_BATCH], ["--data", data, "--config", str(file)]):
        plain = ["train", "jena", *source, "--dry-run"]
        for workers in ("1", "3"):
            assert main([*plain, "--workers", workers, "--per-worker-batch", "8"]) == 0
            assert main([*plain, "--workers", workers, "--per-worker-batch", "8", "--linear-rate"]) == 0
        assert [settings.batch_size for settings in shown] == [8, 8, 24, 24]
        assert [settings.learning_rate for settings in shown] == pytest.approx([0.001, 0.001, 0.001, 0.003])
        shown.clear()
        assert main([*plain, "--workers=3", "--per-worker-batch=8", "--linear-rate", "--set=learning_rate=0.01"]) == 0
        assert shown.pop().learning_rate == pytest.approx(0.03)
        assert main([*plain, "--per-worker-batch", "8", "--set=training.batch_size=8"]) == 2
        assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "jena", "--data", "DATA", *SETTINGS, "--per-worker-batch", "8"], 2, "exclude each other"),
        (
            ["train", "jena", "--data", "DATA", *WITHOUT_BATCH, "--per-worker-batch", "0"],
            2,
            "--per-worker-batch must be at least 1",
        ),
        (
            ["train", "jena", "--data", "DATA", *WITHOUT_BATCH, "--linear-rate"],
            2,
            "--linear-rate needs --per-worker-batch",
        ),
        (["train", "jenna"], 2, "did you mean jena"),
        (["train", "jena", "--data", "DATA", "--model", "gro"], 2, "did you mean gru"),
        (["train", "jena", "--data", "DATA", "--set", "unit"], 2, "key=value"),
        (["train", "jena", "--data", "DATA", "--set", "unitz=3"], 2, "did you mean unit or units"),
        (["train", "jena", "--data", "DATA", *SETTINGS, "--workers", "0"], 2, "--workers must be at least 1"),
        (["train", "jena", "--data", "DATA", "--model", "nowhere:model"], 2, "there is no module 'nowhere'"),
        (["train", "jena", "--data", "DATA", *SETTINGS, "--gpu"], 1, "the Ray cluster has 0"),
        (["train", "jena", "--data", "missing"], 1, "missing"),
        (["train", "jena", "--data", "DATA", *SETTINGS, "--set", "dropout=2"], 2, "dropout must be at least 0"),
        (
            ["train", "jena", "--data", "DATA", *SETTINGS, "--set", "units=-3"],
            2,
            "units must be at least 1",
        ),
        (["train", "jena", "--data", "DATA", "--seed", "-1"], 2, "--seed must be from 0"),
        (["train", "jena", "--data", "DATA", *SETTINGS, "--threads", "0"], 2, "--threads must be at least 1"),
        (["train", "jena", "--data", "DATA", "--set", "targets=nothing"], 1, "nothing"),
        (["train", "jena", "--data", "DATA", "--set", "learning_rate=nan"], 2, "learning_rate must be above 0"),
        (["train", "images"], 2, "none are prepared: first `raysq prepare images --source PATH`"),
        (["evaluate", "missing"], 1, "raysq runs"),
        (["verify", "missing"], 1, "no data set"),
        (["prepare", "jena", "--source", "missing.csv"], 1, "missing.csv"),
        (
            ["prepare", "jena", "--text", "body"],
            2,
            "--text is for text_classification, language_modeling, word_vectors; task jena is for forecasting",
        ),
        (
            ["prepare", "classify", "--target", "stars"],
            2,
            "--target is for forecasting, arrays; task classify is for text_classification",
        ),
        # Both problems have a setting of that name, and mean another thing by it.
        (["prepare", "images", "--source", "sample", "--set", "colour=gray"], 2, "did you mean color?"),
        (["prepare", "classify", "--split", "0.5/0.25/0.25"], 2, "--split is for forecasting"),
        (["prepare", "classify", "--source", "missing.csv", "--level", "line"], 2, "one of word, char"),
    ],
)
def test_failures_are_one_clear_line(data, cluster, capsys, arguments, code, message):
    assert main([data if argument == "DATA" else argument for argument in arguments]) == code
    error = capsys.readouterr().err.strip()
    assert message in error
    assert error.splitlines()[-1].startswith("raysq: ")
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "images", "--colour", "gray"], "--colour is now --color"),
        (["neighbours", "run", "word"], "neighbours is now neighbors"),
        (["tune", "jena", "--budget", "30m"], "--budget is now --time"),
    ],
)
def test_an_old_name_is_an_error_that_names_the_new_one(capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_an_interrupted_run_is_not_trained_with_other_settings(data, capsys):
    train = ["train", "jena", "--data", data, "--model", "dense", "--epochs", "1", "--name", "mine"]
    assert main([*train, *SETTINGS, "--json"]) == 0
    assert main([*train, *SETTINGS, "--set", "units=5", "--json"]) == 2
    assert "--fresh" in capsys.readouterr().err
    assert main([*train, *SETTINGS, "--set", "units=5", "--fresh", "--json"]) == 0


def test_doctor_and_tasks_and_verify(data, capsys):
    assert main(["doctor", "--no-ray", "--json"]) in (0, 1)
    report = json.loads(capsys.readouterr().out)
    assert report["tensorflow"]["ok"] and "keras" in report["packages"]["text"]
    assert main(["tasks", "--json"]) == 0
    names = {row["task"] for row in json.loads(capsys.readouterr().out)}
    assert {"jena", "beijing"} <= names
    assert main(["verify", data]) == 0


def test_verify_finds_a_data_set_by_its_name(data, raysq_home, capsys):
    made = raysq_home / "data" / "jena" / "waves"
    shutil.copytree(data, made)
    for named in ("waves", "jena/waves", str(made)):
        assert main(["verify", named, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["dataset"] == str(made)
    assert main(["verify", "jena"]) == 1 and main(["verify", "wav*"]) == 1
    shutil.copytree(data, raysq_home / "data" / "beijing" / "waves")
    assert main(["verify", "waves"]) == 2
    assert "several tasks have a data set waves: beijing/waves, jena/waves" in capsys.readouterr().err


def test_job_scripts_end_with_one_clear_line(raysq_home):
    job = Path(__file__).parents[1] / "jobs" / "train_jena.py"
    done = subprocess.run(
        [sys.executable, str(job), "--source", "nowhere.csv"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "nowhere.csv" in done.stderr


def test_a_disk_that_takes_nothing_more_is_one_line(monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/config.json")

    monkeypatch.setattr("raysq.training.run.runs", full)
    assert main(["runs"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("raysq: /some/config.json cannot be written: No space left on device; make room")
    assert said.count("\n") == 1


def test_the_traceback_of_an_error_is_shown_with_debug_alone(data, capsys, monkeypatch):
    monkeypatch.setenv("RAYSQ_DEBUG", "")
    train = ["train", "jena", "--data", data, "--model", "training.own_models:raises", *SETTINGS[:-1]]
    assert main(train) == 2
    shown = capsys.readouterr().err
    assert "Traceback" not in shown and "the table of sizes is missing" in shown.splitlines()[-1]
    assert main([*train, "--debug"]) == 2
    shown = capsys.readouterr().err
    assert 'raise RuntimeError("the table of sizes is missing")' in shown and shown.splitlines()[-1].startswith(
        "raysq: "
    )
