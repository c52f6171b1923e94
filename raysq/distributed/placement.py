"""How data and runs reach every node of a cluster: by shared storage, or data through Ray's object store.

A data set is a folder. Where every node sees that folder, each maps the shards from it. Where some do not, the
driver puts the shards into Ray's object store once; Ray brings them to a node at most once, and all processes there
map that one copy. Runs are written by the workers, so their folder has to be seen by all: that is checked at once.
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

# A node may have to start a process to answer; one that is lost never answers.
ANSWER_SECONDS = 180.0
# Storage over a network may show a new file a little later.
_APPEAR_SECONDS = 10.0
_FETCH_SECONDS = 600.0
# Ray moves what does not fit to disk; some room is left to other objects.
_STORE_SHARE = 0.8


@dataclass(frozen=True)
class DatasetRef:
    """Shards in Ray's object store; small, to be passed to tasks and actors. Valid while its maker lives.

    Attributes:
        manifest: of the data set.
        shards: a reference to each shard's bytes, in order.
    """

    manifest: Manifest
    shards: tuple[Any, ...]


def broadcast(dataset: Dataset, nodes: Sequence[str] | None = None) -> DatasetRef | None:
    """Makes sure that every node can read a data set. For the driver, in a process that has joined Ray.

    On a cluster that may grow the shards are put into the object store even where all present nodes see the folder,
    for those that come may not; if they do not fit there, later nodes have to see the folder.

    Args:
        dataset: opened from its folder.
        nodes: ids of the nodes to ask; all that can run workers if left out.

    Returns:
        None where all nodes see the folder, else what `open_data` takes on a worker.

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
    """Opens a data set on whatever node this is: from its folder, or in the object store without a copy.

    Args:
        directory: its folder, seen from the driver.
        handle: what `provide` gave.

    Raises:
        DataError: the folder is there, and its shards are damaged.
        ResourceError: this node does not see the folder and there is no handle, or the object store does not answer.
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
    """Makes sure that every node sees the folder that workers write to. For the driver, before anything starts.

    Raises:
        ResourceError: the folder cannot be written here, or nodes do not see what is written there.
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
    # One that does not answer is busy or lost; a worker there says so itself.
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
    """The answer of each node that gives one in time, by its id."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(question)
    asked = {}
    for node in nodes:
        strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        asked[task.options(num_cpus=0, max_retries=0, scheduling_strategy=strategy).remote(*arguments)] = node
    answers: dict[str, bool] = {}
    if not asked:
        return answers
    done, waiting = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_SECONDS)
    for one in waiting:
        ray.cancel(one, force=True)
    for one in done:
        node = asked[one]
        try:
            answers[node["NodeID"]] = ray.get(one)
        except ray.exceptions.RayTaskError as error:
            # Its process started and cannot run our code.
            raise ResourceError(
                f"{_name(node)} cannot run raysq ({_line(error)}): install the same version on every node"
            ) from None
        except ray.exceptions.RayError:
            continue  # it is gone meanwhile
    return answers


def _own() -> list[dict[str, Any]]:
    """The driver's own node."""
    import ray

    mine = ray.get_runtime_context().get_node_id()
    return [node for node in ray.nodes() if node["NodeID"] == mine]


def _others() -> list[dict[str, Any]]:
    """The other nodes that can run workers."""
    import ray

    mine = ray.get_runtime_context().get_node_id()
    return [
        node
        for node in ray.nodes()
        if node["Alive"] and node["NodeID"] != mine and any(node["Resources"].get(key) for key in ("CPU", "GPU"))
    ]


def _store(node: dict[str, Any]) -> float:
    return node["Resources"].get("object_store_memory", 0.0)


def _name(node: dict[str, Any]) -> str:
    named = node["NodeName"] if node["NodeName"] != node["NodeManagerAddress"] else node["NodeManagerHostname"]
    return f"node {named} ({node['NodeManagerAddress']})"


def _names(nodes: list[dict[str, Any]]) -> str:
    shown = ", ".join(_name(node) for node in nodes[:3])
    return f"{shown} and {len(nodes) - 3} more" if len(nodes) > 3 else shown


def _line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else repr(error)
