"""Ray on this machine, where this process has started it: notice the end of its servers, and clear it away."""

from typing import Any

from raysq.distributed import processes
from raysq.distributed.processes import Process

_SERVERS = ("raylet", "gcs_server")

# The node of `ray.init`, and the options it was started with.
_started: tuple[Any, dict[str, Any]] | None = None
_processes: list[Process] = []
# Whether Ray started by itself where it was not running, before `shut_down`.
_auto_connect: bool | None = None


def record(options: dict[str, Any]) -> None:
    """Record that this process has just started Ray itself, with options for the next start."""
    global _started, _auto_connect
    from ray._private import auto_init_hook, worker

    node = worker._global_node
    _started = None if node is None else (node, options)
    if _auto_connect is not None:
        auto_init_hook.enable_auto_connect, _auto_connect = _auto_connect, None


def options() -> dict[str, Any] | None:
    """Return the options with which this process has started the Ray that it is connected to; None if it joined it."""
    from ray._private import worker

    return None if _started is None or worker._global_node is not _started[0] else _started[1]


def lost_server() -> str | None:
    """Return the name of a server of this process's own Ray that has ended, or None."""
    if options() is None or _started is None:
        return None
    return next((name for name, _ in _started[0].dead_processes() if name in _SERVERS), None)


def remember() -> None:
    """Remember the running processes of this process's own Ray, to find them after a server has ended."""
    global _processes
    if options() is not None and lost_server() is None:
        servers = _servers()
        found = [*filter(None, map(processes.find, servers)), *processes.descendants(servers)]
        if lost_server() is None:  # workers of a lost raylet have another parent
            _processes = found


def workers() -> list[Process]:
    """Return the running processes of this process's own Ray other than its servers; none if it joined its cluster."""
    if options() is None:
        return []
    servers = _servers()
    return [process for process in processes.descendants(servers) if process.pid not in servers]


def shut_down() -> None:
    """End this process's own Ray, though some of its servers have ended already or do not answer."""
    global _auto_connect
    import ray
    from ray._private import auto_init_hook

    # Threads that still use the lost Ray get an error until `record`. Ray would start another one for them by itself.
    if _auto_connect is None:
        _auto_connect = auto_init_hook.enable_auto_connect
    auto_init_hook.enable_auto_connect = False
    if lost_server() is None:
        end_processes()  # one of them may be stopped, and Ray would wait for it
    ray.shutdown()
    processes.end(_processes)


def end_processes() -> None:
    """End the processes of this process's own Ray, and leave it connected."""
    remember()
    processes.end(_processes)


def _servers() -> list[int]:
    """Return the numbers of the servers that `ray.init` has started in this process."""
    if _started is None:
        return []
    return [info.process.pid for infos in _started[0].all_processes.values() for info in infos]
