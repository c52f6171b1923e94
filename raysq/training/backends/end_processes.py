"""Find stopped processes of a worker group on any node, and end processes, stopped ones too."""

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from raysq.distributed import own_cluster, processes
from raysq.training.backends.group_events import Member

_SECONDS = 20.0  # less than the silence for which the driver itself would count as cut off


def end(members: Mapping[Member, int]) -> None:
    """End processes with SIGKILL and wait until they are gone. A node that does not answer is left alone.

    Args:
        members: the processes, and the moments of their starts as in `processes.Process`; 0 where that is unknown.
    """
    _on_nodes(end_here, members)


def stopped(members: Mapping[Member, int]) -> list[Member]:
    """Return the processes that are stopped by a signal. Those of a node that does not answer are not among them.

    Args:
        members: see `end`.
    """
    found = _on_nodes(stopped_here, members)
    return [member for member in members if member.pid in found.get(member.node, ())]


def _on_nodes(function: Callable[[Mapping[int, int]], Any], members: Mapping[Member, int]) -> dict[str, Any]:
    """Call a function with the processes of each node on that node, and return the results of the nodes that answer."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    pids: dict[str, dict[int, int]] = {}
    for member, started in members.items():
        pids.setdefault(member.node, {})[member.pid] = started
    own = ray.get_runtime_context().get_node_id()
    results = {own: function(pids.pop(own, {}))}
    tasks = {}
    for node, numbers in pids.items():
        strategy = NodeAffinitySchedulingStrategy(node, soft=False)
        remote = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=strategy)(function)
        tasks[remote.remote(numbers)] = node
    if tasks:
        done, unanswered = ray.wait([*tasks], num_returns=len(tasks), timeout=_SECONDS)
        for task in unanswered:  # else it would run once the node is back
            ray.cancel(task)
        for task in done:
            with contextlib.suppress(Exception):  # the node was lost, and its processes with it
                results[tasks[task]] = ray.get(task)
    return results


def end_here(pids: Mapping[int, int]) -> None:
    """End Ray's processes with these numbers on this node, but none that started at another moment."""
    processes.end(_workers(pids))


def stopped_here(pids: Mapping[int, int]) -> list[int]:
    """Return which of Ray's processes with these numbers on this node are stopped."""
    return [process.pid for process in _workers(pids) if processes.is_stopped(process)]


def end_stopped_starts() -> None:
    """End the stopped processes among the workers of this process's own Ray.

    A worker that is stopped before its group knows its number is not a member yet.
    """
    found = [process for process in own_cluster.workers() if processes.is_stopped(process) and _is_of_ray(process.pid)]
    processes.end(found)


def _workers(pids: Mapping[int, int]) -> list[processes.Process]:
    """Return Ray's processes with these numbers on this node that started at these moments."""
    found = [processes.find(pid) for pid in pids if _is_of_ray(pid)]
    return [process for process in found if process and pids[process.pid] in (0, process.started)]


def _is_of_ray(pid: int) -> bool:
    """Whether a process is one of Ray's, and not a later one with the number of an ended one."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return pid != os.getpid() and file.read().startswith(b"ray::")
    except OSError:
        return False
