"""A run on three Ray nodes on this machine: a head without CPUs, and two nodes of one CPU each."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.trial import MARK, TESTS, Trial

NODE = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
# Short, so that a trial takes minutes: the seconds that a group waits for lost places, and that it waits for nodes.
ENVIRONMENT = {"RAYSQ_REPLACEMENT_TIMEOUT": "10", "RAYSQ_NODES_TIMEOUT": "120"}

_STARTS = 10


@dataclass
class NodesTrial(Trial):
    """A trial on a cluster of its own, whose nodes can be lost. Call `end_cluster` at the end."""

    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))
    limit: float = 1200.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cluster: Any = None

    def start(self) -> None:
        """Start the cluster, and the command there. A command that is started again finds the cluster as it is."""
        if self.cluster is None:
            self._start_cluster()
            self.environment["RAY_ADDRESS"] = self.cluster.address
        super().start()

    def _start_cluster(self) -> None:
        from ray.cluster_utils import Cluster

        os.environ[MARK] = self.mark  # of the nodes' processes
        os.environ["PYTHONPATH"] = str(TESTS.parent)  # the command's own
        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
        head = {**NODE, "num_cpus": 0}
        self.cluster = self._patiently(lambda: Cluster(head_node_args=head, initialize_head=True), self._end_marked)
        for _ in range(2):
            self.add_node()
        self.started = time.monotonic()

    def add_node(self) -> None:
        """Let a node come."""
        self._patiently(lambda: self.cluster.add_node(**NODE))

    def _patiently(self, start: Callable[[], Any], clear: Callable[[], None] = lambda: None) -> Any:
        """Start a node again where the machine is too busy: a raylet ends itself if its agents take 15 seconds."""
        for _ in range(_STARTS - 1):
            try:
                return start()
            except Exception:  # Ray raises one without a type
                clear()
        return start()

    def _end_marked(self) -> None:
        for pid in self.marked():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def end_cluster(self) -> None:
        """End all nodes."""
        if self.cluster is not None:
            self.cluster.shutdown()
            os.environ.pop(MARK)

    def busy_node(self) -> Any:
        """A random node of those whose processes include a worker of the group."""
        parents = {parent(pid) for pid in self.pids("worker")}
        nodes = [node for node in self.cluster.worker_nodes if raylet(node) in parents]
        return self.random.choice(nodes) if nodes else None

    def lose_node(self) -> bool:
        """Kill all processes of a node of the group, and note the moment."""
        node = self.busy_node()
        if node is None:
            return False
        self.send([], 0)
        self.cluster.remove_node(node, allow_graceful=False)
        return True

    def drain_node(self, seconds: float) -> Any:
        """Tell the cluster that a node of the group is about to be taken away, and note the moment; return the node."""
        import ray
        from ray.core.generated import autoscaler_pb2

        node = self.busy_node()
        if node is None:
            return None
        self.send([], 0)
        accepted, reason = ray._raylet.GcsClient(address=self.cluster.address).drain_node(
            node.node_id,
            autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION"),
            "a fault of a trial",
            int((time.time() + seconds) * 1000),
        )
        assert accepted, reason
        return node

    def sizes(self) -> list[int]:
        """The number of workers of each attempt that has trained a step."""
        return [attempt.replicas for attempt in self.attempts() if attempt.step > attempt.first_step]


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def raylet(node: Any) -> int:
    """The raylet's process of a node."""
    (info,) = node.all_processes["raylet"]
    return info.process.pid


def make_trial(folder: Path, name: str, seed: str, *, on_nodes: bool, options: list[str], epochs: int) -> Trial:
    """Return a trial in this process's Ray, or on nodes."""
    made = NodesTrial if on_nodes else Trial
    return made(folder, name, random.Random(seed), options=options, epochs=epochs)
