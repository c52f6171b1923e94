"""The one place where Ray is started or joined, and asked for what it, and this process, can hold."""

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from raysq.display.terminal import print_message
from raysq.errors import ResourceError, UsageError
from raysq.storage.uris import redact, redact_text

_NODES_TIMEOUT = 900.0
# How long the autoscaler has to call a request infeasible without a break; it may do so while nodes change.
_INFEASIBLE_SECONDS = 15.0
_REACH_SECONDS = 10.0
_START_SECONDS = 300.0
# Where the cluster launcher and KubeRay write the name of a node's group.
_GROUP = "ray.io/node-group"


def ensure_ray(**options: Any) -> None:
    """Joins or starts Ray, unless this process already has it.

    An existing `ray.init` is respected; with RAY_ADDRESS set (as in a submitted job, or `auto` on a node of a
    cluster) that cluster is joined; otherwise a local one is started, which ends with this process.

    Args:
        **options: for `ray.init` when a local cluster is started, such as `num_cpus`.

    Raises:
        ResourceError: no cluster answers, or none can be started.
    """
    # Both would write to the person's terminal, or look for a network, before anything of theirs has run.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "job_config": _job_config()}
    try:
        if address:
            _reach(address)
        with _kept_signals():
            if address:
                ray.init(address=address, **quiet)
            else:
                with _patient_start():
                    ray.init(address="local", include_dashboard=False, **quiet, **options)
    except Exception as error:  # Ray raises some that have no type of their own
        said = redact_text((str(error).strip() or repr(error)).splitlines()[0])
        if address:
            token = "" if os.environ.get("RAY_AUTH_MODE") else " (a cluster with a token needs RAY_AUTH_MODE=token)"
            raise ResourceError(
                f"no Ray cluster answers at RAY_ADDRESS={redact(address)} ({said}); unset it to run locally{token}"
            ) from None
        raise ResourceError(f"Ray does not start ({said}); `raysq doctor` looks further") from None


@contextlib.contextmanager
def _patient_start() -> Iterator[None]:
    """Give a local node `_START_SECONDS` to report itself, within the block.

    Ray gives it half a minute, whatever its settings say, which is short on a busy machine. It looks at its clock only
    when `get_node` has failed.
    """
    from ray._private import services

    ask = services.get_node

    def wait(*arguments: Any) -> Any:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return ask(*arguments)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    services.get_node = wait
    try:
        yield
    finally:
        services.get_node = ask


@contextlib.contextmanager
def _kept_signals() -> Iterator[None]:
    """Leave SIGTERM to who has it: Ray takes it, and would end this process without a word."""
    handler = signal.getsignal(signal.SIGTERM)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, handler)


def _job_config() -> Any:
    """How Ray's processes begin: with the driver's script and raysq to import from, and without the current folder.

    Ray itself puts the current folder before all installed packages: a `tensorboard.py` there would be run.
    """
    from ray.job_config import JobConfig

    class WithoutCurrentFolder(JobConfig):
        """Keeps Ray from adding it, as where a job brings a folder of its own."""

        def _runtime_env_has_working_dir(self) -> bool:
            return True

    script = os.path.dirname(os.path.realpath(sys.argv[0]))
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = [script] if script in sys.path else []
    if os.path.basename(package) not in ("site-packages", "dist-packages"):
        folders.append(package)
    return WithoutCurrentFolder(_py_driver_sys_path=folders)


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_cluster() -> bool:
    """Whether this process has Ray already, or was told by RAY_ADDRESS which cluster to join."""
    ray = sys.modules.get("ray")
    return bool(os.environ.get("RAY_ADDRESS")) or (ray is not None and ray.is_initialized())


def _reach(address: str) -> None:
    """Raises OSError where nothing listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return  # `auto`, or another kind of address
    deadline = time.monotonic() + _REACH_SECONDS
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def check_resources(needs: Mapping[str, float], what: str, times: int = 1) -> None:
    """Makes sure that the nodes can hold something, whatever else runs there now.

    On a cluster that may grow, the missing nodes are asked for and waited for, up to RAYSQ_NODES_TIMEOUT seconds
    (default 900), and a line on standard error says so.

    Args:
        needs: Ray resources of one, such as `{"CPU": 1, "GPU": 0.5}`; each is held by one node.
        what: its name for messages, such as "a trial".
        times: how many at once.

    Raises:
        ResourceError: with the numbers, if they cannot.
    """
    needs = {name: value for name, value in needs.items() if value}
    if not needs or room_for(needs) >= times:
        return
    if not can_grow():
        raise ResourceError(f"{_shortage(needs, what, times)}: ask for less, or add nodes")
    from ray.autoscaler.sdk import request_resources

    timeout = nodes_timeout()
    print_message(f"waiting up to {timeout:g} s for nodes: {_shortage(needs, what, times)}")
    started = hoped = asked = time.monotonic()
    request_resources(bundles=[dict(needs)] * times)
    try:
        while room_for(needs) < times:
            now = time.monotonic()
            hoped = hoped if _infeasible() else now
            if now - hoped > _INFEASIBLE_SECONDS:
                raise ResourceError(
                    f"{_shortage(needs, what, times)}, and its autoscaler has no nodes that could bring more: ask for "
                    f"less, or raise max_workers"
                )
            if now - started > timeout:
                raise ResourceError(
                    f"{_shortage(needs, what, times)}, and not enough nodes came in {timeout:g} s: ask for less, look "
                    f"at `ray status`, or wait longer (RAYSQ_NODES_TIMEOUT)"
                )
            if now - asked > 10:  # another driver's request would have taken the place of ours
                asked = now
                request_resources(bundles=[dict(needs)] * times)
            time.sleep(min(1.0, timeout / 10))
    finally:
        request_resources(bundles=[])


def can_grow() -> bool:
    """Whether more nodes may come by themselves: a launcher, an autoscaler or KubeRay keeps this cluster."""
    import ray
    from ray.experimental.internal_kv import _internal_kv_get

    if any(_GROUP in (node.get("Labels") or {}) for node in ray.nodes() if node["Alive"]):
        return True
    # Ray's first autoscaler need not name the head's group; it reports the types of nodes, which without a
    # configuration are made of the nodes' own ids.
    report = json.loads(_internal_kv_get("__autoscaling_status") or "{}").get("autoscaler_report") or {}
    return any(not name.startswith("node_") for name in (report.get("node_type_mapping") or {}).values())


def nodes_timeout() -> float:
    """Seconds to wait for nodes to come: RAYSQ_NODES_TIMEOUT.

    Raises:
        UsageError: it is not a number above 0.
    """
    value = os.environ.get("RAYSQ_NODES_TIMEOUT", "")
    try:
        seconds = float(value or _NODES_TIMEOUT)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"RAYSQ_NODES_TIMEOUT must be a number of seconds above 0, received {value!r}")
    return seconds


def room_for(needs: Mapping[str, float]) -> int:
    """How many the alive nodes could hold if nothing else ran there."""
    import ray

    return sum(
        int(min(node["Resources"].get(name, 0.0) / value + 1e-6 for name, value in needs.items()))
        for node in ray.nodes()
        if node["Alive"]
    )


def is_alone() -> bool:
    """Whether all that Ray runs, runs on this machine."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    return len(alive) == 1 and alive[0]["NodeManagerHostname"] == socket.gethostname() and not can_grow()


def _infeasible() -> bool:
    """Whether the autoscaler says that no nodes it may start would do; its first version never says so."""
    import ray
    from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply

    reply = GetClusterStatusReply.FromString(ray._private.worker.global_worker.gcs_client.get_cluster_status())
    return bool(reply.autoscaling_state.infeasible_cluster_resource_constraints)


def _shortage(needs: Mapping[str, float], what: str, times: int) -> str:
    import ray

    total = ray.cluster_resources()
    who = what if times == 1 else f"{times} {what.removeprefix('a ').removeprefix('an ')}s"
    verb = "needs" if times == 1 else "need"
    short = [name for name, value in needs.items() if value * times > total.get(name, 0.0) + 1e-6]
    if short:
        asked = " and ".join(f"{needs[name] * times:g} {_noun(name)}" for name in short)
        return (
            f"{who} {verb} {asked}, the Ray cluster has {' and '.join(f'{total.get(name, 0.0):g}' for name in short)}"
        )
    each = " and ".join(f"{value:g} {name}" for name, value in needs.items())
    largest = [
        " and ".join(f"{node['Resources'].get(name, 0.0):g} {name}" for name in needs)
        for node in ray.nodes()
        if node["Alive"]
    ]
    return f"{who} {verb} {each} on one node{'' if times == 1 else ' each'}, the nodes have {', '.join(largest[:5])}"


def _noun(resource: str) -> str:
    return f"{resource}s" if resource in ("CPU", "GPU") else resource
