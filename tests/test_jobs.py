"""`ray job submit` against a local head, with token authentication as Ray has it by default."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from many_nodes import end_all

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """A Ray head on free ports, started in the repository: a job without `--working-dir` runs where the head does."""
    home = tmp_path_factory.mktemp("home")
    # Unix sockets have short paths, pytest's are long.
    temporary = tempfile.mkdtemp(prefix="rq", dir="/tmp")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment |= {
        "HOME": str(home),
        "RAYSQ_HOME": str(home / "raysq"),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    dashboard = free_port()
    command = [
        "ray",
        "start",
        "--head",
        "--block",
        "--num-cpus=2",
        f"--temp-dir={temporary}",
        "--include-dashboard=true",
    ]
    ports = [f"--port={free_port()}", f"--dashboard-port={dashboard}", "--object-store-memory=200000000"]
    ports += [f"--{name}={free_port()}" for name in ("dashboard-agent-listen-port", "metrics-export-port")]
    with open(home / "head.log", "w") as log:
        process = subprocess.Popen(
            [*command, *ports], env=environment, stdout=log, stderr=log, start_new_session=True, cwd=ROOT
        )
    environment["RAY_API_SERVER_ADDRESS"] = f"http://127.0.0.1:{dashboard}"
    try:
        deadline = time.monotonic() + 600
        while subprocess.run(["ray", "job", "list"], env=environment, capture_output=True, timeout=240).returncode:
            assert process.poll() is None and time.monotonic() < deadline, (home / "head.log").read_text()
            time.sleep(1)
        submit(environment, "--", "jobs/prepare_jena.py", "--source", "sample:60d")
        yield environment
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        end_all(temporary)
        shutil.rmtree(temporary, ignore_errors=True)


def submit(environment, *arguments: str, folder: Path = ROOT, timeout: int = 1200) -> str:
    done = subprocess.run(
        ["ray", "job", "submit", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


SMALL = ("--trials", "2", "--epochs", "2", "--steps", "5", "--refit", "0")


def test_the_search_is_submitted_and_submitted_again(head, tmp_path):
    out = submit(head, "--", "jobs/tune_jena.py", *SMALL)
    assert "succeeded" in out and "2 trials" in out
    (best,) = Path(head["RAYSQ_HOME"]).glob("experiments/*/best.json")
    assert json.loads(best.read_text())["metrics"]["val_mae"] > 0
    before = best.stat().st_mtime_ns
    # Packed with the working directory, the same search is found finished.
    folder = tmp_path / "packed"
    shutil.copytree(ROOT / "jobs", folder / "jobs")
    again = submit(head, "--working-dir", ".", "--", "jobs/tune_jena.py", *SMALL, folder=folder)
    assert "2 trials" in again and best.stat().st_mtime_ns == before


def test_as_written_it_starts_to_search(head):
    out = submit(head, "--no-wait", "--submission-id", "as-written", "jobs/tune_jena.py")
    assert "as-written" in out
    trials = Path(head["RAYSQ_HOME"]) / "experiments"
    deadline = time.monotonic() + 900
    try:
        # Another search than the one above: sixteen trials of the defaults' length.
        while not any(
            len(path.read_text().splitlines()) >= 1
            for path in trials.glob("*/trials/*/metrics.jsonl")
            if json.loads((path.parent / "config.json").read_text())["settings"]["training"]["steps_per_epoch"] == 200
        ):
            assert time.monotonic() < deadline, subprocess.run(
                ["ray", "job", "logs", "as-written"], env=head, capture_output=True, text=True, timeout=240
            ).stdout[-3000:]
            time.sleep(1)
    finally:
        subprocess.run(["ray", "job", "stop", "as-written"], env=head, capture_output=True, timeout=240)


def test_training_is_submitted(head):
    out = submit(head, "--", "jobs/train_jena.py", "--model", "dense", "--epochs", "1", "--steps", "5")
    assert "baseline" in out and "degC" in out and "succeeded" in out


@pytest.mark.parametrize("task", ["imdb", "newsgroups"])
def test_searches_over_texts_are_submitted(head, task):
    small = ("--source", "sample:400", "--trials", "2", "--epochs", "1", "--steps", "3", "--refit", "0")
    out = submit(head, "--", f"jobs/tune_{task}.py", *small, "--name", task)
    assert "succeeded" in out and "2 trials" in out
    best = json.loads((Path(head["RAYSQ_HOME"]) / "experiments" / task / "best.json").read_text())
    assert best["task"] == task and best["metrics"]["val_accuracy"] > 0
