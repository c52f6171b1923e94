"""Places for workers on the nodes of a Ray cluster, and the nodes that are about to be taken away."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from raysq.environment import environment_seconds

_SECONDS = 5  # for the head to answer
_REPLACEMENT_SECONDS = 30.0


@dataclass(frozen=True)
class Places:
    """Places for units of a workload.

    Attributes:
        free: units that fit on the nodes beside what runs there.
        total: units that fit on the nodes if nothing else ran there.
        draining: hex ids of the nodes that are about to be taken away, on which nothing new starts.
    """

    free: int
    total: int
    draining: frozenset[str]


def find_places(needs: Mapping[str, float]) -> Places:
    """Return the places of units that need these resources each; nodes that are about to be taken away have none.

    Args:
        needs: Ray resources of a unit, such as `{"CPU": 1, "GPU": 1}`.

    Raises:
        RayError, RuntimeError or AttributeError: the head does not answer, or this process has left the cluster.
    """
    import ray
    from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply

    client = ray._private.worker.global_worker.gcs_client
    reply = GetClusterStatusReply.FromString(client.get_cluster_status(timeout_s=_SECONDS))
    return _count(reply.cluster_resource_state.node_states, needs)


def _count(nodes: Iterable[Any], needs: Mapping[str, float]) -> Places:
    from ray.core.generated import autoscaler_pb2

    free = total = 0
    draining = set()
    for node in nodes:
        if node.status == autoscaler_pb2.DRAINING:
            draining.add(node.node_id.hex())
        elif node.status != autoscaler_pb2.DEAD:
            free += units(node.available_resources, needs)
            total += units(node.total_resources, needs)
    return Places(free, total, frozenset(draining))


def units(resources: Mapping[str, float], needs: Mapping[str, float]) -> int:
    """Return how many units with these needs fit into resources."""
    return int(min(resources.get(name, 0.0) / value + 1e-6 for name, value in needs.items() if value))


def replacement_timeout() -> float:
    """Return the seconds to wait for lost places before going on with fewer workers, from RAYSQ_REPLACEMENT_TIMEOUT.

    The default is 30 seconds.

    Raises:
        UsageError: the value is not a number of seconds.
    """
    return environment_seconds(
        "RAYSQ_REPLACEMENT_TIMEOUT", _REPLACEMENT_SECONDS, lambda seconds: 0 <= seconds < math.inf
    )
