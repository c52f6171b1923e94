"""benchmarks/gpu.sh: measures the most important first, writes after each, goes on when started again, ends in time."""

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("gpu_benchmark", FOLDER / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_benchmark"] = module  # its dataclass looks there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start(gpu, monkeypatch, tmp_path):
    """Runs the program with stand-ins for measurements, of which some fail; returns the rows it wrote."""
    monkeypatch.setenv("RAYSQ_HOME", "unused")
    monkeypatch.setattr(gpu, "gpu_names", lambda: ["A100", "A100"])

    def start(measured, fails=(), left=100.0):
        def run(key, options, seconds):
            measured.append(tuple(json.loads(key).values())[:4])
            assert seconds <= left
            return {"error": "lost"} if measured[-1] in fails else {"rate": 10.0}

        monkeypatch.setattr(gpu, "run", run)
        monkeypatch.setattr(sys, "argv", ["gpu.py", "--end", str(time.time() + left), "--output", str(tmp_path)])
        gpu.main()
        path = tmp_path / "gpu.json"
        return json.loads(path.read_text())["rows"] if path.exists() else []

    return start


def test_the_most_important_is_measured_first_and_what_failed_again(start, gpu):
    measured = []
    lost = ("lstm", "float32", "one", 1)
    rows = start(measured, fails=[lost])
    assert measured[:5] == [
        ("gru", "float32", "one", 1),
        lost,
        ("cnn", "float32", "one", 1),
        ("dense", "float32", "one", 1),
        ("gru", "mixed_bfloat16", "one", 1),
    ]
    assert len(rows) == len(measured) == len(gpu.cases(2, False)) == len(set(gpu.cases(2, False)))
    assert {row["case"]["devices"] for row in rows} == {"one", "all", "workers"}
    assert [row["case"]["model"] for row in rows if "error" in row] == ["lstm"]
    again = []
    assert not any("error" in row for row in start(again)) and again == [lost]


def test_nothing_is_begun_at_the_end_of_the_time(start, capsys):
    measured = []
    assert start(measured, left=5.0) == [] and not measured
    assert "the same command goes on" in capsys.readouterr().out


def test_one_gpu_has_no_measurements_of_several(gpu):
    assert {case.devices for case in gpu.cases(1, False)} == {"one"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data"], "--data needs a value"),
        (["--data", "nowhere"], "--data must be a folder, received nowhere"),
        (["--minutes", "1h"], "--minutes must be a whole number, received 1h"),
        (["--gpus"], "unknown option --gpus"),
    ],
)
def test_wrong_options_are_named(arguments, message, tmp_path):
    done = subprocess.run([FOLDER / "gpu.sh", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr and not list(tmp_path.iterdir())
