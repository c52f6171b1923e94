"""Real processes on Ray Serve: the command with a replica that is killed under load, and the files for a cluster."""

import collections
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import requests
import yaml

import raysq
from raysq.cli import main
from raysq.errors import UsageError
from raysq.serving.blueprint import write_blueprint
from raysq.serving.serve import _losses_untold, _reason

SECONDS = 300  # that a start may take on a busy machine


def replicas(server: int) -> list[psutil.Process]:
    """The processes of Ray below the server that hold models."""
    found = []
    for process in psutil.Process(server).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            if any("ServeReplica:raysq" in part for part in process.cmdline()):
                found.append(process)
    return found


@pytest.fixture
def command(runs, tmp_path):
    """A function that starts `raysq serve` and returns its process and the JSON line that it prints."""
    started = []

    def start(*arguments: str) -> tuple[subprocess.Popen, dict]:
        words = [sys.executable, "-m", "raysq", "serve", *arguments, "--port", "0", "--json"]
        with open(tmp_path / "errors.txt", "w") as errors:
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
        started.append(process)
        line = process.stdout.readline()
        assert line, (tmp_path / "errors.txt").read_text()
        return process, json.loads(line)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.cluster
def test_killed_replicas_lose_no_request_and_ctrl_c_leaves_no_process(command, runs, tmp_path):
    home = str(runs["reviews"].directory.parents[1])
    os.environ["RAYSQ_HOME"] = home
    os.environ.pop("RAY_ADDRESS", None)
    process, told = command("reviews=reviews", "--replicas", "2", "--host", "0.0.0.0")
    assert told["runs"] == ["reviews"] and len(told["token"]) >= 32
    address = f"http://127.0.0.1:{told['address'].rpartition(':')[2]}"
    headers = {"Authorization": f"Bearer {told['token']}"}
    assert requests.get(f"{address}/runs").status_code == 401
    texts = [f"a film of {number} minutes" for number in range(50)]
    expected = raysq.load(runs["reviews"]).predict(texts).to_pylist()
    stop, statuses, wrong = threading.Event(), collections.Counter(), []

    def ask(first: int) -> None:
        with requests.Session() as session:
            number = first
            while not stop.is_set():
                number = (number + 1) % len(texts)
                answer = session.post(f"{address}/predict", json={"inputs": [texts[number]]}, headers=headers)
                statuses[answer.status_code] += 1
                if answer.json().get("predictions") != [{**expected[number], "row": 0}]:
                    wrong.append(answer.text)

    threads = [threading.Thread(target=ask, args=(10 * number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    below = psutil.Process(process.pid).children(recursive=True)
    killed = set()
    for _ in range(2):
        time.sleep(1)
        first = next(each for each in replicas(process.pid) if each.pid not in killed)
        killed.add(first.pid)
        first.kill()
        until = time.monotonic() + SECONDS
        while len([each for each in replicas(process.pid) if each.pid not in killed]) < 2:
            assert time.monotonic() < until, "the replica that was killed is not replaced"
            time.sleep(0.2)
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200} and statuses[200] > 50 and not wrong
    assert requests.get(f"{address}/readyz").json() == {"status": "ready", "missing": []}

    below += psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    _, alive = psutil.wait_procs(below, timeout=30)
    assert alive == []
    assert (tmp_path / "errors.txt").read_text() == "raysq: the server has stopped\n"


def test_lost_replicas_are_no_errors_of_asyncio(caplog):
    from ray.exceptions import ActorDiedError

    with _losses_untold():
        for error in (ActorDiedError(), ValueError("a mistake")):
            logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=error)
    logging.getLogger("asyncio").error("later", exc_info=ActorDiedError())
    assert [record.exc_info[0] for record in caplog.records] == [ValueError, ActorDiedError]


@pytest.mark.cluster
def test_the_config_is_deployed(runs, tmp_path, cluster):
    """What `serve deploy` does with the file, without the dashboard that it asks."""
    from ray import serve
    from ray.serve._private.api import serve_start
    from ray.serve.schema import ServeDeploySchema

    os.environ["RAYSQ_HOME"] = str(runs["table"].directory.parents[1])
    paths = write_blueprint({"rows": "table"}, tmp_path, host="127.0.0.1", port=8471)
    schema = ServeDeploySchema.model_validate(yaml.safe_load(Path(paths["config"]).read_text()))
    client = serve_start(http_options={**schema.http_options.model_dump(), "location": schema.proxy_location})
    try:
        client.deploy_apps(schema)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            try:
                if requests.get("http://127.0.0.1:8471/readyz", timeout=10).status_code == 200:
                    break
            except requests.RequestException:
                pass
            time.sleep(0.5)
        example = requests.get("http://127.0.0.1:8471/runs").json()["runs"][0]["input"]["example"]
        found = requests.post("http://127.0.0.1:8471/predict", json={"inputs": example}).json()
        assert found == {"run": "rows", "predictions": raysq.load(runs["table"]).predict(example).to_pylist()}
        assert requests.get("http://127.0.0.1:8471/").headers["content-type"].startswith("text/html")
        answer = requests.post("http://127.0.0.1:8471/predict", data=b"x" * 1000, headers={"Host": "evil.example"})
        assert answer.status_code == 421
        # In Python, beside what runs on the cluster already.
        with raysq.serve({"mine": runs["table"]}, port=0) as server:
            found = requests.post(f"{server.address}/predict", json={"inputs": example}).json()
            assert found["run"] == "mine" and len(found["predictions"]) == 1
            assert set(serve.status().applications) > {"raysq"}
        assert set(serve.status().applications) == {"raysq"}
        with pytest.raises(requests.ConnectionError):
            requests.get(server.address)
    finally:
        serve.shutdown()


def test_the_files_for_a_cluster(runs, tmp_path, monkeypatch, capsys):
    from ray.serve.schema import ServeDeploySchema

    home = runs["reviews"].directory.parents[1]
    monkeypatch.setenv("RAYSQ_HOME", str(home))
    arguments = ["serve", "good=reviews", "table", "--blueprint", "--output", str(tmp_path / "new"), "--json"]
    assert main([*arguments, "--replicas", "3", "--gpu", "--host", "0.0.0.0"]) == 0
    paths = json.loads(capsys.readouterr().out)
    assert main(["serve", "table", "--blueprint", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "serve.yaml"), str(tmp_path / "rayservice.yaml")]
    config = yaml.safe_load(Path(paths["config"]).read_text())
    (application,) = ServeDeploySchema.model_validate(config).applications
    runs_by_name = {"good": "reviews", "arrays": "table"}
    expected = {"runs": runs_by_name, "host": "0.0.0.0", "replicas": 3, "gpu": True, "trust": False}
    assert application.args == expected
    assert application.runtime_env == {"env_vars": {"RAYSQ_HOME": str(home)}}
    policy, service = yaml.safe_load_all(Path(paths["manifest"]).read_text())
    assert (policy["kind"], service["kind"]) == ("NetworkPolicy", "RayService")
    inner = yaml.safe_load(service["spec"]["serveConfigV2"])
    (in_pods,) = ServeDeploySchema.model_validate(inner).applications
    assert in_pods.args == expected and in_pods.import_path == application.import_path
    cluster = service["spec"]["rayClusterConfig"]
    assert cluster["authOptions"] == {"mode": "token"}
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["replicas"] == 6  # a GPU each
    labels = policy["spec"]["podSelector"]["matchLabels"]
    for group in (cluster["headGroupSpec"], workers):
        template = group["template"]
        assert template["metadata"]["labels"] == labels
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        (container,) = template["spec"]["containers"]
        values = {each["name"]: each for each in container["env"]}
        assert "secretKeyRef" in values["RAYSQ_SERVE_TOKEN"]["valueFrom"]
    assert workers["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "&id" not in Path(paths["manifest"]).read_text()


def test_wrong_use(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RAYSQ_HOME", str(runs["reviews"].directory.parents[1]))
    for arguments, message in (
        (["reviews", "--replicas", "0"], "--replicas must be at least 1, received 0"),
        (["reviews", "--max-waiting", "0"], "--max-waiting must be at least 1, received 0"),
        (["reviews", "reviews"], "would be served as 'classify'; name them: NAME=RUN"),
        (["reviews", "--output", "x"], "--output goes with --blueprint"),
        (["reviews", "--host", "192.0.2.1"], "--host must be an address or a name of this machine"),
    ):
        assert main(["serve", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert main(["serve", "nobody"]) == 1
    monkeypatch.setenv("RAYSQ_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="and a cluster looks in RAYSQ_HOME/runs; move it there"):
        write_blueprint(runs["reviews"], tmp_path)


def test_the_reason_of_a_failed_start_is_one_line():
    text = 'Deploying app x failed: Traceback\n  File "a.py"\nraysq.errors.DataError: no GPU here\n(replica)'
    assert _reason(text) == "a replica does not start: DataError: no GPU here"
    assert _reason("") == "a replica does not start: Serve gives no reason"
