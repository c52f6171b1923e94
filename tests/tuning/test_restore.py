"""A search that is stopped, or killed, goes on by the same command; and trials that are worker groups."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from training.series import SMALL, write_series

from raysq.training import checkpoint
from raysq.training.run import Run

# Every command has a Ray cluster of its own.
pytestmark = pytest.mark.cluster

TESTS = Path(__file__).parents[1]
FIXED = {**SMALL, "lookback": 24, "step": 2, "calendar": "", "dropout": 0.0, "learning_rate": 0.001}
# A trial that cannot end before it is stopped: its epochs are short, there are many.
LONG = {"epochs": 4000, "steps_per_epoch": 40}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves").directory


class Search:
    """The command line in a process group of its own, as a terminal would start it."""

    def __init__(self, home: Path, data: Path, settings: dict, *options: str):
        self.folder = home / "experiments" / "one"
        pairs = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        command = ["-m", "raysq", "tune", "jena", "--data", str(data), "--model", "dense", "--name", "one"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        environment |= {"RAYSQ_HOME": str(home), "PYTHONPATH": str(TESTS), "RAY_worker_niceness": "0"}
        self.process = subprocess.Popen(
            [sys.executable, *command, *pairs, *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for(self, condition, seconds: float = 600) -> None:
        """Returns when the folder is as it should be."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, "it did not come so far in time"
            time.sleep(0.05)

    def end(self, seconds: float = 900) -> tuple[int, str, str]:
        """Exit status, standard output and standard error."""
        try:
            out, error = self.process.communicate(timeout=seconds)
        finally:
            self.kill()
        return self.process.returncode, out, error

    def kill(self) -> None:
        """Ends what is left of the process and of its Ray."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def runs(self) -> dict[str, Run]:
        return {path.parent.name: Run.open(path.parent) for path in sorted(self.folder.glob("trials/*/config.json"))}

    def trials(self) -> dict[int, dict]:
        path = self.folder / "trials.json"
        return {trial["number"]: trial for trial in json.loads(path.read_text())} if path.exists() else {}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_search_goes_on_where_it_was(tmp_path, data, how):
    settings = {**FIXED, **LONG}
    options = ("--trials", "2", "--search", "units=4,8", "--scheduler", "none", "--max-concurrent", "1")
    search = Search(tmp_path, data, settings, *options)
    try:
        search.wait_for(lambda: any(len(run.metrics()) >= 3 for run in search.runs().values()))
        if how == signal.SIGINT:
            os.killpg(search.process.pid, how)  # Ctrl-C reaches all that runs in the terminal
        else:
            search.process.send_signal(how)
        code, out, error = search.end()
    finally:
        search.kill()
    if how != signal.SIGKILL:
        assert code == 130, error
        assert "the same command continues" in error.splitlines()[-1] and not out
        assert "Traceback" not in error
    ((name, run),) = search.runs().items()
    assert name == "trial-01" and run.result() is None
    assert search.trials()[1]["state"] == "interrupted"
    reached, step = run.metrics(), checkpoint.load(run.last)[1]["step"]
    # A signal lets it save the exact step, SIGKILL leaves the last epoch's.
    assert step >= len(reached) * 40 if how != signal.SIGKILL else step % 40 == 0
    again = Search(tmp_path, data, settings, *options)
    try:
        again.wait_for(lambda: len(run.metrics()) > len(reached) + 2)
    finally:
        again.kill()
        again.end()
    # No epoch was trained twice.
    kept = min(len(reached), step // 40)
    assert run.metrics()[:kept] == reached[:kept] and kept >= len(reached) - 1


def test_finished_trials_are_kept(tmp_path, data):
    settings = {**FIXED, "epochs": 2, "steps_per_epoch": 5}
    options = ("--trials", "3", "--search", "units=4,8", "--max-concurrent", "1", "--scheduler", "none")
    search = Search(tmp_path, data, settings, *options)
    try:
        search.wait_for(lambda: any(run.result() for run in search.runs().values()))
        search.kill()
        search.end()
    finally:
        search.kill()
    kept = {
        path: path.stat().st_mtime_ns
        for run in search.runs().values()
        if run.result()
        for path in (run.directory / "metrics.jsonl", run.directory / "checkpoints" / "last" / "state.json")
    }
    assert kept
    code, out, error = Search(tmp_path, data, settings, *options, "--json").end()
    assert code == 0, error
    found = json.loads(out)
    assert found["trials"] == 3 and found["best"]["metrics"]["val_loss"] > 0
    assert {trial["state"] for trial in search.trials().values()} == {"finished"}
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_trials_of_worker_groups(tmp_path, data):
    settings = {**FIXED, "epochs": 3, "steps_per_epoch": 6, "optimizer": "sgd"}
    options = ("--trials", "2", "--search", "units=8", "--workers-per-trial", "2", "--json")
    search = Search(tmp_path, data, settings, *options)
    code, out, error = search.end(1200)
    assert code == 0, error
    found = json.loads(out)
    states = {number: trial["state"] for number, trial in search.trials().items()}
    assert found["trials"] == 2 and set(states.values()) <= {"finished", "stopped early"}, states
    assert Path(found["best"]["run"], "model.keras").exists()
    assert found["best"]["metrics"]["test_mae"] > 0


def test_a_stopped_population_goes_on_with_the_settings_it_had(tmp_path, data):
    settings = {name: value for name, value in FIXED.items() if name != "learning_rate"}
    settings |= {"epochs": 24, "steps_per_epoch": 20}
    options = ("--trials", "2", "--search", "learning_rate=loguniform(1e-4,1e-1)", "--scheduler", "pbt", "--json")
    search = Search(tmp_path, data, settings, *options)
    try:
        search.wait_for(lambda: any(search.folder.glob("trials/*/schedule.json")))
        os.killpg(search.process.pid, signal.SIGINT)
        code, out, error = search.end()
    finally:
        search.kill()
    assert code == 130 and "Traceback" not in error, error
    stopped = search.trials()
    changed = {number: trial for number, trial in stopped.items() if trial.get("schedule")}
    assert changed and {trial["state"] for trial in stopped.values()} <= {"interrupted", "finished"}
    code, out, error = Search(tmp_path, data, settings, *options).end()
    assert code == 0, error
    found = json.loads(out)
    assert {check["status"] for check in found["health"]} <= {"pass", "warn", "unknown"} and found["cost"][
        "trial_seconds"
    ]
    for number, trial in search.trials().items():
        run = search.runs()[f"trial-{number:02}"]
        assert trial["state"] == "finished" and len(run.metrics()) == 24
        for epoch, record in enumerate(run.metrics()):
            at = [change for change in trial.get("schedule", [{**trial, "epoch": 0}]) if change["epoch"] <= epoch][-1]
            assert record["learning_rate"] == pytest.approx(at["settings"]["learning_rate"], rel=1e-5)
