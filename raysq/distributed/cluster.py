"""Start or join Ray, and query the resources of the cluster and of this process."""

import contextlib
import json
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from raysq.display.in_notebook import do_without_widgets
from raysq.display.terminal import print_message
from raysq.distributed import head_watch, own_cluster
from raysq.distributed.places import units
from raysq.environment import environment_seconds
from raysq.errors import ResourceError
from raysq.storage.uris import redact, redact_text

_NODES_TIMEOUT = 900.0
# A request counts as infeasible only after this time without a break: the autoscaler may report it while nodes change.
_INFEASIBLE_SECONDS = 15.0
_REACH_SECONDS = 10.0
_START_SECONDS = 300.0
_HEAD_SECONDS = 10_000_000
# Node label in which the cluster launcher and KubeRay store the name of the node's group.
_GROUP = "ray.io/node-group"


def ensure_ray(**options: Any) -> None:
    """Join or start Ray, unless this process is already connected.

    An existing `ray.init` is kept. If RAY_ADDRESS is set (as in a submitted job, or `auto` on a node of a cluster),
    that cluster is joined. Otherwise a local cluster is started, which ends with this process.

    Args:
        **options: arguments of `ray.init` for a local cluster, such as `num_cpus`.

    Raises:
        ResourceError: the cluster does not answer, or a local one cannot be started.
    """
    # Both would write to the user's terminal or access the network before any of the user's code runs.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Ray would end a process that has not reached the head for a minute, without a line for the user; also where the
    # head was lost and Ray has been started anew since, because of calls that still wait for the old one. The watch
    # that starts below ends this process instead, and says why.
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(_HEAD_SECONDS))
    do_without_widgets()
    import ray

    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "job_config": _job_config()}
    try:
        if address:
            _reach(address)
        with _preserved_signals(), _silent_listener():
            if address:
                ray.init(address=address, **quiet)
            else:
                with _patient_start(), _loopback(), _few_servers():
                    fixed = {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
                    ray.init(address="local", **quiet, **(fixed | options))
                own_cluster.record(options)
        head_watch.start()
    except Exception as error:  # Ray raises some errors without a specific type
        reason = redact_text((str(error).strip() or repr(error)).splitlines()[0])
        if address:
            token = "" if os.environ.get("RAY_AUTH_MODE") else " (a cluster with a token needs RAY_AUTH_MODE=token)"
            raise ResourceError(
                f"no Ray cluster answers at RAY_ADDRESS={redact(address)} ({reason}); unset it to run locally{token}"
            ) from None
        raise ResourceError(f"Ray does not start ({reason}); `raysq doctor` looks further") from None


@contextlib.contextmanager
def _patient_start() -> Iterator[None]:
    """Give a local node `_START_SECONDS` to register, within the block.

    Ray allows 30 seconds regardless of its settings, which is too short on a busy machine. It checks its deadline only
    after `get_node` has failed.
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
def _loopback() -> Iterator[None]:
    """Let Ray start on 127.0.0.1 within the block, so that it listens on loopback only.

    Ray would replace the address by an outer one of this host.
    """
    from ray._private import services

    resolve_ip = services.resolve_ip_for_localhost
    services.resolve_ip_for_localhost = lambda host: host
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = resolve_ip


@contextlib.contextmanager
def _few_servers() -> Iterator[None]:
    """Let Ray start without autoscaler, dashboard and the reader of logs, within the block.

    A local cluster of raysq uses none of them. Each is a process, and takes time at the start and at the end. The
    dashboard's agent on the node is part of the node; it loads less if Ray is told that the dashboard is not installed.
    """
    from ray._private import utils
    from ray._private.node import Node

    with contextlib.ExitStack() as patches:
        for name in ("start_monitor", "start_api_server", "start_log_monitor"):
            patches.enter_context(_replaced(Node, name, lambda *_, **__: None))
        patches.enter_context(_replaced(utils, "get_dashboard_dependency_error", lambda: ImportError("not used")))
        yield


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute within the block."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextlib.contextmanager
def _silent_listener() -> Iterator[None]:
    """Let Ray connect without the thread that prints the errors of nodes, within the block.

    It prints pages of logs about a lost process on standard output, whatever `log_to_driver` is. The caller's own
    errors name the loss.
    """
    from ray._private import worker

    with _replaced(worker, "listen_error_messages", lambda *_: None):
        yield


@contextlib.contextmanager
def _preserved_signals() -> Iterator[None]:
    """Keep the present SIGTERM handler: Ray replaces it, and would end this process without a message."""
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
    """Return a job config that imports from the folders of the driver's script and raysq, but not the current folder.

    By default Ray puts the current folder before all installed packages, so a `tensorboard.py` there would be imported.
    """
    from ray.job_config import JobConfig

    class WithoutCurrentFolder(JobConfig):
        """Job config that claims a working directory, so that Ray does not add the current folder."""

        def _runtime_env_has_working_dir(self) -> bool:
            return True

    script = os.path.dirname(os.path.realpath(sys.argv[0]))
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = [script] if script in sys.path else []
    if os.path.basename(package) not in ("site-packages", "dist-packages"):
        folders.append(package)
    return WithoutCurrentFolder(_py_driver_sys_path=folders)


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_cluster() -> bool:
    """Whether this process is connected to Ray, or RAY_ADDRESS names the cluster to join."""
    ray = sys.modules.get("ray")
    return bool(os.environ.get("RAY_ADDRESS")) or (ray is not None and ray.is_initialized())


def _reach(address: str) -> None:
    """Raise OSError if nothing listens at the address. Ray itself would retry for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return  # `auto`, or an address of another form
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
    """Check that the nodes can hold a workload, regardless of other work running there.

    On a cluster that may grow, the missing nodes are requested. The call then waits for up to RAYSQ_NODES_TIMEOUT
    seconds (default 900) and says so on standard error.

    Args:
        needs: Ray resources of one unit of the workload, such as `{"CPU": 1, "GPU": 0.5}`. A unit must fit on one node.
        what: name of the unit for messages, such as "a trial".
        times: number of units that run at once.

    Raises:
        ResourceError: the nodes cannot hold the workload. The message states the numbers.
    """
    needs = {name: value for name, value in needs.items() if value}
    if not needs or room_for(needs) >= times:
        return
    if not can_grow():
        raise ResourceError(f"{_shortage(needs, what, times)}: ask for less, or add nodes")
    from ray.autoscaler.sdk import request_resources

    timeout = nodes_timeout()
    print_message(f"waiting up to {timeout:g} s for nodes: {_shortage(needs, what, times)}")
    started = hoped = queried = time.monotonic()
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
            if now - queried > 10:  # another driver's request may have replaced this one
                queried = now
                request_resources(bundles=[dict(needs)] * times)
            time.sleep(min(1.0, timeout / 10))
    finally:
        request_resources(bundles=[])


def can_grow() -> bool:
    """Whether nodes may be added automatically, by a cluster launcher, an autoscaler or KubeRay."""
    import ray
    from ray.experimental.internal_kv import _internal_kv_get

    if any(_GROUP in (node.get("Labels") or {}) for node in ray.nodes() if node["Alive"]):
        return True
    # Version 1 of Ray's autoscaler may not name the head's group. It reports node types instead, whose names
    # derive from node ids ("node_...") if there is no configuration.
    report = json.loads(_internal_kv_get("__autoscaling_status") or "{}").get("autoscaler_report") or {}
    return any(not name.startswith("node_") for name in (report.get("node_type_mapping") or {}).values())


def nodes_timeout() -> float:
    """Return the seconds to wait for new nodes, from RAYSQ_NODES_TIMEOUT (default 900), or raise `UsageError`."""
    return environment_seconds(
        "RAYSQ_NODES_TIMEOUT", _NODES_TIMEOUT, lambda seconds: 0 < seconds < math.inf, " above 0"
    )


def room_for(needs: Mapping[str, float]) -> int:
    """Return how many units with these needs the live nodes could hold if nothing else ran there."""
    import ray

    return sum(units(node["Resources"], needs) for node in ray.nodes() if node["Alive"])


def is_alone() -> bool:
    """Whether Ray runs on this machine only."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    return len(alive) == 1 and alive[0]["NodeManagerHostname"] == socket.gethostname() and not can_grow()


def _infeasible() -> bool:
    """Whether the autoscaler reports that no node types it may start fit the request. Its version 1 never does."""
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
        request = " and ".join(f"{needs[name] * times:g} {_noun(name)}" for name in short)
        return (
            f"{who} {verb} {request}, the Ray cluster has {' and '.join(f'{total.get(name, 0.0):g}' for name in short)}"
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
