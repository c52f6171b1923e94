"""End processes of a worker group on any node, stopped ones too."""

import contextlib
import os
from collections.abc import Mapping

from raysq.distributed import processes
from raysq.training.backends.group_events import Member

_SECONDS = 20.0  # less than the silence for which the driver itself would count as cut off


def end(members: Mapping[Member, int]) -> None:
    """End processes with SIGKILL and wait until they are gone. A node that does not answer is left alone.

    Args:
        members: the processes, and the moments of their starts as in `processes.Process`; 0 where that is unknown.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    pids: dict[str, dict[int, int]] = {}
    for member, started in members.items():
        pids.setdefault(member.node, {})[member.pid] = started
    own = ray.get_runtime_context().get_node_id()
    end_here(pids.pop(own, {}))
    tasks = []
    for node, numbers in pids.items():
        strategy = NodeAffinitySchedulingStrategy(node, soft=False)
        remote = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=strategy)(end_here)
        tasks.append(remote.remote(numbers))
    if tasks:
        done, unanswered = ray.wait(tasks, num_returns=len(tasks), timeout=_SECONDS)
        for task in unanswered:  # else it would run once the node is back
            ray.cancel(task)
        for task in done:
            with contextlib.suppress(Exception):  # the node was lost, and its processes with it
                ray.get(task)


def end_here(pids: Mapping[int, int]) -> None:
    """End Ray's processes with these numbers on this node, but none that started at another moment."""
    found = [processes.find(pid) for pid in pids if _is_of_ray(pid)]
    processes.end([process for process in found if process and pids[process.pid] in (0, process.started)])


def _is_of_ray(pid: int) -> bool:
    """Whether a process is one of Ray's, and not a later one with the number of an ended one."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return pid != os.getpid() and file.read().startswith(b"ray::")
    except OSError:
        return False
