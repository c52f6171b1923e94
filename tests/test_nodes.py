"""Several nodes: shared storage and none, a lost node, and nodes that come when they are asked for."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from many_nodes import end_all, namespace
from training.series import write_series

pytestmark = pytest.mark.cluster


def run(part: str, folder: Path, seconds: float) -> dict:
    """Runs a part of many_nodes.py and ends whatever it leaves behind."""
    write_series(folder / "data")
    (folder / "private").mkdir()
    # Unix sockets have short paths, pytest's are long.
    temporary = tempfile.mkdtemp(prefix="rq", dir="/tmp")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY")}
    environment |= {
        "HOME": str(folder),
        "RAYSQ_HOME": str(folder / "shared"),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "PYTHONPATH": f"{Path(__file__).parents[1]}:{Path(__file__).parent}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    log = folder / "log"
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "many_nodes.py"), part, str(folder), temporary, str(seconds)],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds + 30)
        except subprocess.TimeoutExpired:
            code = None
            process.kill()
            process.wait(10)
        finally:
            end_all(temporary)
            shutil.rmtree(temporary, ignore_errors=True)
    shown = [line for line in log.read_text().splitlines() if "state-dump" not in line]
    assert code == 0, "\n".join([f"ended with {code}", *shown[-60:]])
    return json.loads((folder / "found.json").read_text())


@pytest.mark.skipif(not namespace(), reason="mount namespaces are not allowed here")
def test_data_runs_and_searches_on_several_nodes(tmp_path):
    found = run("fixed", tmp_path, 400)

    # Only the head and one node see the files: the other maps the shards in Ray's object store, without a copy.
    seen = found["seen"]
    assert seen["folder"] is False and "/plasma" in seen["place"]
    assert seen["owned"] is False and seen["writeable"] is False
    assert found["handle"] < 20_000
    # Runs cannot be kept there: one line says where and what to do, at once.
    runs, data = found["refusals"]
    assert "node blind" in runs and str(tmp_path / "private") in runs and "RAYSQ_HOME" in runs and "mount" in runs
    assert str(tmp_path / "data") in data and "RAYSQ_HOME" in data
    assert found["refused_in"] < 60

    # All see the files: nothing is sent. A group that loses a node reaches the same numbers on another one.
    assert found["shared"] is True
    assert found["busy_nodes"] == 2 and found["epochs_at_loss"] < 6
    assert found["hurt"] == found["store"]

    # A search that loses a node with a trial on it loses no trial.
    assert found["nodes_lost"] == 1 and found["trials_at_loss"] >= 1
    assert len(found["states"]) == 5 and set(found["states"]) <= {"finished", "stopped early"}
    assert found["best"] > 0


def test_nodes_come_when_they_are_asked_for(tmp_path):
    found = run("growing", tmp_path, 240)
    # Nodes that come later may not see the files.
    assert found["grows"] is True and found["handle"] is True
    assert "2 workers need 2 CPUs and 2 GPUs, the Ray cluster has 1 and 0" in found["too_much"]
    assert "max_workers" in found["too_much"]
    assert found["gpus"] == 1
    assert "2 workers need 2 GPUs, the Ray cluster has 1" in found["too_late"]
    assert "RAYSQ_NODES_TIMEOUT" in found["too_late"]
