"""Access to data and runs from every node of a cluster, by shared storage or through Ray's object store.

A data set is a folder. Nodes that see the folder map the shards from it. If some nodes do not, the driver puts the
shards into Ray's object store once. Ray transfers them to a node at most once, and all processes there map the same
copy. Workers write runs, so all nodes must see the folder of runs; this is checked before anything starts.
"""

import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raysq.data.dataset import MANIFEST, Dataset, Manifest
from raysq.distributed.cluster import can_grow
from raysq.distributed.lost_work import is_loss
from raysq.errors import DataError, LostError, ResourceError

# A node may have to start a process before it answers. A lost node never answers.
ANSWER_SECONDS = 180.0
# Network storage may show a new file with a delay.
_APPEAR_SECONDS = 10.0
_FETCH_SECONDS = 600.0
# Ray spills objects that do not fit to disk, so some room is left for other objects.
_STORE_SHARE = 0.8


@dataclass(frozen=True)
class DatasetRef:
    """Reference to shards in Ray's object store. It is small and can be passed to tasks and actors.

    It is valid as long as the process that created it lives.

    Attributes:
        shards: object reference to the bytes of each file, in the order of `manifest.files`.
    """

    manifest: Manifest
    shards: tuple[Any, ...]


def broadcast(dataset: Dataset, nodes: Sequence[str] | None = None) -> DatasetRef | None:
    """Make a data set readable on every node. Call this in the driver, after it has joined Ray.

    New nodes of a cluster that may grow may not see the folder. On such a cluster the shards are put into the object
    store even if all present nodes see the folder. If the shards do not fit there, new nodes must see the folder.

    Args:
        dataset: data set opened from its folder.
        nodes: ids of the nodes to check (default: all nodes that can run workers).

    Returns:
        None if all nodes see the folder, else the reference that `open_dataset` takes on a worker.

    Raises:
        ResourceError: some nodes do not see the folder, and the shards are larger than an object store.
    """
    import ray

    directory = str(dataset.directory.resolve())
    others = [node for node in _others() if nodes is None or node["NodeID"] in nodes]
    answers = _ask(others, _sees_data, directory, dataset.fingerprint)
    blind = [node for node in others if not answers.get(node["NodeID"])]
    if not blind and not can_grow():
        return None
    needed = sum(file.bytes for file in dataset.manifest.files)
    short = [node for node in [*_own(), *blind] if needed > _store(node) * _STORE_SHARE]
    if short:
        if not blind:
            return None
        raise ResourceError(
            f"{_names(blind)} {'does' if len(blind) == 1 else 'do'} not see {directory}, and its {needed / 2**20:,.0f} "
            f"MiB do not fit into Ray's object store of {_store(short[0]) / 2**20:,.0f} MiB on {_name(short[0])}: "
            f"put RAYSQ_HOME on storage that all nodes share, or start Ray with --object-store-memory"
        )
    shards = tuple(ray.put(np.frombuffer(buffer, np.uint8)) for buffer in dataset.buffers())
    return DatasetRef(dataset.manifest, shards)


def open_dataset(directory: str | Path, handle: DatasetRef | None) -> Dataset:
    """Open a data set on any node, from its folder or from the object store without a copy.

    Args:
        handle: the reference that `broadcast` returned.

    Raises:
        DataError: the folder exists, and its shards are damaged.
        ResourceError: this node does not see the folder and there is no reference, or the object store does not answer.
        LostError: the object store has lost shards.
    """
    try:
        dataset = Dataset.open(directory)
        if handle is None or dataset.fingerprint == handle.manifest.fingerprint:
            return dataset
    except DataError:
        if handle is None and (Path(directory) / MANIFEST).exists():
            raise
    if handle is None:
        raise ResourceError(
            f"node {os.uname().nodename} does not see {directory}: put RAYSQ_HOME on storage that all nodes share"
        )
    import ray

    try:
        shards = ray.get(list(handle.shards), timeout=_FETCH_SECONDS)
    except ray.exceptions.RayError as error:
        kind = LostError if is_loss(error) else ResourceError
        raise kind(
            f"data set {handle.manifest.name} does not reach node {os.uname().nodename} through Ray's object store "
            f"({_line(error)}); put RAYSQ_HOME on storage that all nodes share"
        ) from None
    return Dataset.from_buffers(handle.manifest, shards, directory)


def validate_shared_runs(folder: str | Path) -> None:
    """Check that every node sees the folder that workers write to. Call this in the driver, before anything starts.

    Raises:
        ResourceError: the folder cannot be written here, or some nodes do not see files written to it.
    """
    others = _others()
    if not others:
        return
    folder = Path(folder).resolve()
    token = folder / f".seen-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        token.write_text(token.name)
    except OSError as error:
        raise ResourceError(
            f"{folder} cannot be written ({error.strerror}); set RAYSQ_HOME to a folder that can"
        ) from None
    try:
        answers = _ask(others, _sees_token, str(token))
    finally:
        token.unlink(missing_ok=True)
    # A node that does not answer is busy or lost. Workers there report this themselves.
    blind = [node for node in others if answers.get(node["NodeID"]) is False]
    if blind:
        raise ResourceError(
            f"{_names(blind)} {'does' if len(blind) == 1 else 'do'} not see {folder}, where workers write: mount the "
            f"same storage there and set RAYSQ_HOME to a folder on it (or --storage, for a search)"
        )


def _sees_data(directory: str, fingerprint: str) -> bool:
    try:
        return Dataset.open(directory).fingerprint == fingerprint
    except DataError:
        return False


def _sees_token(token: str) -> bool:
    deadline = time.monotonic() + _APPEAR_SECONDS
    while not Path(token).exists():
        if time.monotonic() > deadline or not Path(token).parent.exists():
            return False
        time.sleep(0.2)
    return Path(token).read_text() == Path(token).name


def _ask(nodes: list[dict[str, Any]], question: Callable[..., bool], *arguments: Any) -> dict[str, bool]:
    """Run a question on each node and return the answers by node id. Nodes that do not answer in time are left out."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(question)
    node_of = {}
    for node in nodes:
        strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        node_of[task.options(num_cpus=0, max_retries=0, scheduling_strategy=strategy).remote(*arguments)] = node
    answers: dict[str, bool] = {}
    if not node_of:
        return answers
    done, waiting = ray.wait(list(node_of), num_returns=len(node_of), timeout=ANSWER_SECONDS)
    for reference in waiting:
        ray.cancel(reference, force=True)
    for reference in done:
        node = node_of[reference]
        try:
            answers[node["NodeID"]] = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            # The process started but cannot run raysq's code.
            raise ResourceError(
                f"{_name(node)} cannot run raysq ({_line(error)}): install the same version on every node"
            ) from None
        except ray.exceptions.RayError:
            continue  # the node was lost in the meantime
    return answers


def _own() -> list[dict[str, Any]]:
    """Return the driver's own node, in a list."""
    import ray

    own_id = ray.get_runtime_context().get_node_id()
    return [node for node in ray.nodes() if node["NodeID"] == own_id]


def _others() -> list[dict[str, Any]]:
    """Return the other nodes that can run workers."""
    import ray

    own_id = ray.get_runtime_context().get_node_id()
    return [
        node
        for node in ray.nodes()
        if node["Alive"] and node["NodeID"] != own_id and any(node["Resources"].get(key) for key in ("CPU", "GPU"))
    ]


def _store(node: dict[str, Any]) -> float:
    return float(node["Resources"].get("object_store_memory", 0.0))


def _name(node: dict[str, Any]) -> str:
    named = node["NodeName"] if node["NodeName"] != node["NodeManagerAddress"] else node["NodeManagerHostname"]
    return f"node {named} ({node['NodeManagerAddress']})"


def _names(nodes: list[dict[str, Any]]) -> str:
    shown = ", ".join(_name(node) for node in nodes[:3])
    return f"{shown} and {len(nodes) - 3} more" if len(nodes) > 3 else shown


def _line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else repr(error)
