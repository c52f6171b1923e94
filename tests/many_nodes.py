"""Several Ray nodes on this machine, and what users meet on them. Run by test_placement.py in a process of its own.

Usage: many_nodes.py fixed|growing FOLDER TEMPORARY SECONDS: FOLDER/data holds a data set, TEMPORARY is for Ray, and
SECONDS are the most it may take. What was found is written to FOLDER/found.json.
"""

import faulthandler
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STORE = 100 << 20
RAY = [sys.executable, "-m", "ray.scripts.scripts"]  # its program may lie elsewhere
NODE = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
SETTINGS = {
    "lookback": 24,
    "step": 2,
    "delay": 6,
    "batch_size": 13,
    "eval_batch_size": 64,
    "epochs": 6,
    "steps_per_epoch": 75,
    "optimizer": "sgd",
    "learning_rate": 0.02,
}


def fixed(folder: Path, temporary: str) -> dict[str, Any]:
    """A head without CPUs and nodes of one CPU each, so that two workers or trials are on two nodes."""
    import ray
    from ray.cluster_utils import Cluster

    from raysq.distributed.cluster import _patient_start

    class PatientCluster(Cluster):
        """Gives its nodes more than Ray's half minute."""

        def add_node(self, *arguments: Any, **options: Any) -> Any:
            with _patient_start():
                return super().add_node(*arguments, **options)

        def _wait_for_node(self, node: Any, timeout: float = 400) -> None:
            super()._wait_for_node(node, timeout)

    cluster = PatientCluster(head_node_args={**NODE, "num_cpus": 0, "temp_dir": temporary}, initialize_head=True)
    try:
        os.environ["RAY_ADDRESS"] = cluster.address
        ray.init(address=cluster.address, log_to_driver=False)
        cluster.add_node(**NODE)
        with blind_node(cluster.address, [folder / "data", folder / "private"]):
            found = part("without shared data", one_node_is_blind, folder)
        cluster.add_node(**NODE)
        found |= part("with shared data", all_nodes_see, folder, cluster)
        cluster.add_node(**NODE)
        found |= part("search", a_search_loses_a_node, folder, cluster)
        return found | part("no nodes", a_search_loses_all_nodes, folder, cluster)
    finally:
        ray.shutdown()
        cluster.shutdown()


def growing(folder: Path, temporary: str) -> dict[str, Any]:
    """A head and node types of cluster.yaml, with Ray's fake provider in place of AWS."""
    import ray
    import yaml
    from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

    from raysq.distributed import cluster

    asked = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    address = f"{ray.util.get_node_ip_address()}:{free_port()}"
    types = {name: {**one, "node_config": {}} for name, one in asked["available_node_types"].items()}
    types["gpu"]["resources"] |= {"object_store_memory": STORE}
    types["ray.head.default"] = types.pop(asked["head_node_type"]) | {"max_workers": 0}  # as the provider calls it
    config = {"cluster_name": asked["cluster_name"], "max_workers": 1, "idle_timeout_minutes": 10}
    config |= {key: [] for key in asked if key.endswith("_commands")} | {
        "initialization_commands": [],
        "cluster_synced_files": [],
    }
    config |= {"auth": {}, "file_mounts": {}, "available_node_types": types, "head_node_type": "ray.head.default"}
    config["provider"] = {
        "type": "external",  # by its own name it needs a file that Ray's wheel lacks
        "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
        "head_node_id": FAKE_HEAD_NODE_ID,
        "gcs_address": address,
    }
    (folder / "config.json").write_text(json.dumps(config))
    environment = {
        **os.environ,
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        # What `ray up` sets on the head.
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
        "RAY_NODE_TYPE_NAME": "ray.head.default",
    }
    command = f"start --head --port={address.split(':')[1]} --num-cpus=1"
    command += f" --include-dashboard=false --temp-dir={temporary} --object-store-memory={STORE}"
    command += f" --dashboard-agent-listen-port=0 --autoscaling-config={folder / 'config.json'}"
    # It returns when all has started; test_nodes.py ends it.
    subprocess.run([*RAY, *command.split()], env=environment, check=True, timeout=400)
    os.environ["RAY_ADDRESS"] = address
    cluster.ensure_ray()
    try:
        return grown(folder)
    finally:
        ray.shutdown()  # while its head is there


def grown(folder: Path) -> dict[str, Any]:
    """Nodes are asked for, come, and stay away."""
    import ray

    from raysq.data.dataset import Dataset
    from raysq.distributed import cluster, placement
    from raysq.errors import ResourceError

    data = Dataset.open(folder / "data")
    found: dict[str, Any] = {"grows": cluster.can_grow(), "handle": placement.broadcast(data) is not None}
    try:
        cluster.check_resources({"CPU": 1, "GPU": 1}, "a worker", 2)
    except ResourceError as error:
        found["too_much"] = str(error)
    cluster.check_resources({"CPU": 1, "GPU": 0.5}, "a trial", 2)
    found["gpus"] = ray.cluster_resources().get("GPU")
    os.environ["RAYSQ_NODES_TIMEOUT"] = "3"
    try:
        cluster.check_resources({"CPU": 1, "GPU": 1}, "a worker", 2)
    except ResourceError as error:
        found["too_late"] = str(error)
    return found


def part(name: str, body: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    started = time.monotonic()
    found = body(*arguments)
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    return found


def one_node_is_blind(folder: Path) -> dict[str, Any]:
    """Shards go through the object store; runs that a node cannot see are refused at once."""
    import ray

    from raysq.data.dataset import Dataset
    from raysq.distributed import placement
    from raysq.errors import ResourceError
    from raysq.training import train

    data = Dataset.open(folder / "data")
    handle = placement.broadcast(data)
    assert handle is not None
    (blind,) = [node for node in ray.nodes() if node["Alive"] and node["NodeName"] == "blind"]
    seen = ray.get(on(blind).remote(str(data.directory), handle), timeout=400)
    started = time.monotonic()
    refusals = []
    for call in (
        lambda: placement.validate_shared_runs(folder / "private"),
        lambda: ray.get(on(blind).remote(str(data.directory), None), timeout=400),
    ):
        try:
            call()
        except ResourceError as error:
            refusals.append(str(error).splitlines()[-1])
    found = {"handle": len(ray.cloudpickle.dumps(handle)), "seen": seen, "refusals": refusals}
    found["refused_in"] = time.monotonic() - started
    run = train.train("jena", data=data.directory, model="dense", settings=SETTINGS, name="store", workers=2)
    return {**found, "store": timeless(run)}


def all_nodes_see(folder: Path, cluster: Any) -> dict[str, Any]:
    """Nothing goes through the object store; a group that loses a node continues on the others."""
    from raysq.data.dataset import Dataset
    from raysq.distributed import placement
    from raysq.training import train
    from raysq.training.run import Run
    from raysq.training.run_config import resolve_config

    data = Dataset.open(folder / "data")
    found: dict[str, Any] = {"shared": placement.broadcast(data) is None}
    placement.validate_shared_runs(folder / "shared")
    cluster.add_node(**NODE)
    hurt = Run.create(resolve_config("jena", "dense", data, 0, SETTINGS), name="hurt")
    lost: dict[str, Any] = {}

    def lose_a_node() -> None:
        wait_for(lambda: len(hurt.metrics()) >= 2, "the second epoch")
        busy = busy_nodes(cluster)
        cluster.remove_node(busy[0], allow_graceful=False)
        lost.update(busy_nodes=len(busy), epochs_at_loss=len(hurt.metrics()))

    thread = threading.Thread(target=lose_a_node, daemon=True)
    thread.start()
    train.train("jena", data=data.directory, model="dense", settings=SETTINGS, name="hurt", workers=2)
    thread.join()
    return {**found, "hurt": timeless(hurt), **lost}


def a_search_loses_a_node(folder: Path, cluster: Any) -> dict[str, Any]:
    """Trials on three nodes, one of which is lost: all trials end."""
    import raysq

    lost: dict[str, Any] = {}
    trials = folder / "shared" / "experiments" / "lossy" / "trials"

    def lose_a_node() -> None:
        running = lambda: [path.parent for path in trials.glob("*/metrics.jsonl")]  # noqa: E731
        wait_for(lambda: len(running()) >= 2, "two trials")
        lost["trials_at_loss"] = len([one for one in running() if not (one / "result.json").exists()])
        cluster.remove_node(busy_nodes(cluster)[0], allow_graceful=False)
        lost["nodes_lost"] = 1

    thread = threading.Thread(target=lose_a_node, daemon=True)
    thread.start()
    settings = {key: value for key, value in SETTINGS.items() if key != "learning_rate"} | {"epochs": 40}
    search = {"learning_rate": ("loguniform", 0.0005, 0.05)}
    found = raysq.tune(
        "jena", data=folder / "data", model="dense", trials=5, settings=settings, search=search, name="lossy"
    )
    thread.join()
    states = sorted(trial["state"] for trial in found.trials)
    errors = [trial["error"] for trial in found.trials if trial["error"]]
    return {"states": states, "errors": errors, "best": found.best_metrics["val_mae"], **lost}


def a_search_loses_all_nodes(folder: Path, cluster: Any) -> dict[str, Any]:
    """It waits for a while and ends; its trials are kept."""
    import raysq
    from raysq.errors import ResourceError
    from raysq.tuning.experiment import Experiment

    directory = folder / "shared" / "experiments" / "stranded"

    def lose_all_nodes() -> None:
        wait_for(lambda: any(directory.glob("trials/*/metrics.jsonl")), "an epoch of a trial")
        for node in list(cluster.worker_nodes):
            cluster.remove_node(node, allow_graceful=False)

    thread = threading.Thread(target=lose_all_nodes, daemon=True)
    thread.start()
    os.environ["RAYSQ_NODES_TIMEOUT"] = "5"
    settings = SETTINGS | {"epochs": 4000}
    try:
        raysq.tune(
            "jena",
            data=folder / "data",
            model="dense",
            trials=2,
            settings=settings,
            search={"units": [4, 8]},
            name="stranded",
        )
    except ResourceError as error:
        return {"stranded": str(error), "kept": [trial["state"] for trial in Experiment.open(directory).trials]}
    finally:
        thread.join()
    return {}


def busy_nodes(cluster: Any) -> list[Any]:
    """The nodes whose CPU is taken."""
    import ray

    free = ray._private.state.available_resources_per_node()
    return [node for node in cluster.worker_nodes if not free.get(node.node_id, {}).get("CPU")]


def on(node: dict[str, Any]) -> Any:
    """A task on one node: opens the data set there and looks where its values lie."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=strategy)(look)


def look(directory: str, handle: Any) -> dict[str, Any]:
    """What a worker sees of a data set."""
    from raysq.distributed import placement

    dataset = placement.open_dataset(directory, handle)
    dataset.verify()
    values = dataset.column("T (degC)").slice(0, 100)
    address = values.ctypes.data
    place = ""
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, _, end = line.split()[0].partition("-")
        if int(begin, 16) <= address < int(end, 16):
            place = line.split(maxsplit=5)[-1]
    return {
        "folder": Path(directory, "manifest.json").exists(),
        "mean": float(values.mean()),
        "owned": bool(values.flags.owndata),
        "writeable": bool(values.flags.writeable),
        "place": place,
    }


def timeless(run: Any) -> dict[str, Any]:
    """A run's numbers without its times."""
    records = [{key: value for key, value in record.items() if key != "seconds"} for record in run.metrics()]
    return {"epochs": records, "metrics": run.result()["metrics"]}


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come in {seconds:g} s")
        time.sleep(0.1)


@contextmanager
def blind_node(address: str, hidden: list[Path]) -> Iterator[None]:
    """A node whose processes see empty folders in place of the given ones."""
    import ray

    def here() -> bool:
        return any(node["Alive"] and node["NodeName"] == "blind" for node in ray.nodes())

    mounts = " && ".join(f"mount -t tmpfs none {one}" for one in hidden)
    start = f"start --address={address} --num-cpus=1 --object-store-memory={STORE} --node-name=blind --block"
    start += " --dashboard-agent-listen-port=0 --min-worker-port=0 --max-worker-port=0"
    command = [*namespace(), "sh", "-c", f"{mounts} && exec {' '.join(RAY)} {start}"]
    with started(command, dict(os.environ)):
        wait_for(here, "the blind node")
        yield
    wait_for(lambda: not here(), "its end")


@contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """A command that runs until the end of the block."""
    process = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def end_all(temporary: str) -> None:
    """Kills the processes that have Ray's folder on their command line: only ours have."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and temporary in (entry / "cmdline").read_text():
                os.kill(int(entry.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue  # it has ended meanwhile


def namespace() -> list[str]:
    """The command that gives what follows mounts of its own; empty where that is not allowed."""
    for command in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        try:
            if not subprocess.run([*command, "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True).returncode:
                return command
        except OSError:
            break
    return []


if __name__ == "__main__":
    faulthandler.dump_traceback_later(float(sys.argv[4]), exit=True)
    place = Path(sys.argv[2])
    (place / "found.json").write_text(json.dumps({"fixed": fixed, "growing": growing}[sys.argv[1]](place, sys.argv[3])))
