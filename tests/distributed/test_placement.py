"""Several nodes: shared storage and none, a lost node, and nodes that come when they are asked for."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from many_nodes import end_all, namespace
from ray._private import services
from training.series import write_series

from raysq.data.dataset import Dataset
from raysq.distributed import placement
from raysq.distributed.cluster import ensure_ray, nodes_timeout
from raysq.errors import DataError, ResourceError, UsageError

TESTS = Path(__file__).parents[1]


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
        "RAY_worker_niceness": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "PYTHONPATH": f"{TESTS.parent}:{TESTS}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    log = folder / "log"
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, str(TESTS / "many_nodes.py"), part, str(folder), temporary, str(seconds)],
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


def test_shards_in_memory_are_read_where_they_lie(tmp_path):
    mapped = write_series(tmp_path / "data")
    buffers = [np.frombuffer(bytes(buffer), np.uint8) for buffer in mapped.buffers()]
    held = Dataset.from_buffers(mapped.manifest, buffers, tmp_path / "elsewhere")
    for dataset in (held, pickle.loads(pickle.dumps(held))):
        dataset.verify()
        for name in mapped.columns:
            np.testing.assert_array_equal(dataset.column(name).slice(0, 1200), mapped.column(name).slice(0, 1200))
        assert dataset.statistics("T (degC)", 3, 700) == mapped.statistics("T (degC)", 3, 700)
    assert np.shares_memory(held.column("T (degC)").slice(0, 100), buffers[0])
    changed = [buffers[0].copy(), *buffers[1:]]
    changed[0][-100] ^= 1
    with pytest.raises(DataError, match="was changed"):
        Dataset.from_buffers(mapped.manifest, changed, tmp_path).verify()
    with pytest.raises(DataError, match="its manifest says"):
        Dataset.from_buffers(mapped.manifest, [buffers[0][:-8], *buffers[1:]], tmp_path)
    with pytest.raises(DataError, match="has 3 files, received 1"):
        Dataset.from_buffers(mapped.manifest, buffers[:1], tmp_path)


def test_a_folder_that_is_not_seen_and_one_that_is_damaged_are_told_apart(tmp_path):
    dataset = write_series(tmp_path / "data")
    assert placement.open_dataset(dataset.directory, None).rows == dataset.rows
    with pytest.raises(ResourceError, match=r"does not see .*nowhere: put RAYSQ_HOME on storage"):
        placement.open_dataset(tmp_path / "nowhere", None)
    (dataset.directory / "shard-00001.arrow").unlink()
    with pytest.raises(DataError, match="lacks shard-00001"):
        placement.open_dataset(dataset.directory, None)


@pytest.mark.parametrize("value", ["soon", "0", "-3", "inf", "nan"])
def test_the_wait_for_nodes_is_a_number(monkeypatch, value):
    monkeypatch.setenv("RAYSQ_NODES_TIMEOUT", value)
    with pytest.raises(UsageError, match="RAYSQ_NODES_TIMEOUT must be a number of seconds above 0"):
        nodes_timeout()


def test_an_address_where_nothing_listens_is_one_line(monkeypatch):
    monkeypatch.setattr("raysq.distributed.cluster._REACH_SECONDS", 0.0)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ResourceError, match="no Ray cluster answers at RAY_ADDRESS=127.0.0.1:1"):
        ensure_ray()


@pytest.mark.parametrize("seconds", [60.0, 0.0])
def test_a_local_node_that_is_late_is_waited_for(monkeypatch, seconds):
    calls = []

    def get_node(address, node):
        calls.append(node)
        if len(calls) < 4:
            raise RuntimeError("RPC error: Deadline Exceeded")
        return {"node": node}

    def init(**options):
        """As Ray does where half a minute is over."""
        try:
            assert services.get_node("127.0.0.1:1", "head") == {"node": "head"} and options["num_cpus"] == 3
        except RuntimeError:
            raise Exception("The current node timed out during startup.") from None

    monkeypatch.setattr(services, "get_node", get_node)
    monkeypatch.setattr("raysq.distributed.cluster._START_SECONDS", seconds)
    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with nullcontext() if seconds else pytest.raises(ResourceError, match="Ray does not start .*timed out"):
        ensure_ray(num_cpus=3)
    assert len(calls) == (4 if seconds else 1) and services.get_node is get_node


@pytest.mark.cluster
@pytest.mark.skipif(not namespace(), reason="mount namespaces are not allowed here")
def test_data_runs_and_searches_on_several_nodes(tmp_path):
    results = run("fixed", tmp_path, 1500)

    # Only the head and one node see the files: the other maps the shards in Ray's object store, without a copy.
    seen = results["seen"]
    assert seen["folder"] is False and "/plasma" in seen["place"]
    assert seen["owned"] is False and seen["writeable"] is False
    assert results["handle"] < 20_000
    # Runs cannot be kept there: one line says where and what to do, at once.
    runs, data = results["refusals"]
    assert "node blind" in runs and str(tmp_path / "private") in runs and "RAYSQ_HOME" in runs and "mount" in runs
    assert str(tmp_path / "data") in data and "RAYSQ_HOME" in data
    assert results["refused_in"] < 300

    # All see the files: nothing is sent. A group that loses a node reaches the same numbers on another one.
    assert results["shared"] is True
    assert results["busy_nodes"] == 2 and results["epochs_at_loss"] < 6
    assert results["hurt"] == results["store"]

    # A search that loses a node with a trial on it loses no trial.
    assert results["nodes_lost"] == 1 and results["trials_at_loss"] >= 1
    assert results["errors"] == []
    assert len(results["states"]) == 5 and set(results["states"]) <= {"finished", "stopped early"}
    assert results["best"] > 0

    # One that loses all nodes does not wait without end.
    assert "none came back in 5 s (RAYSQ_NODES_TIMEOUT); the same command continues" in results["stranded"]
    assert results["kept"] and set(results["kept"]) == {"interrupted"}


@pytest.mark.cluster
def test_nodes_come_when_they_are_asked_for(tmp_path):
    results = run("growing", tmp_path, 900)
    # Nodes that come later may not see the files.
    assert results["grows"] is True and results["handle"] is True
    assert "2 workers need 2 CPUs and 2 GPUs, the Ray cluster has 1 and 0" in results["too_much"]
    assert "max_workers" in results["too_much"]
    assert results["gpus"] == 1
    assert "2 workers need 2 GPUs, the Ray cluster has 1" in results["too_late"]
    assert "RAYSQ_NODES_TIMEOUT" in results["too_late"]
