"""A local cluster that raysq starts."""

import os
from pathlib import Path

import pytest
from processes import descendants

LISTEN = "0A"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def sockets(process):
    try:
        links = [os.readlink(path) for path in Path(f"/proc/{process}/fd").iterdir()]
    except OSError:
        return set()  # ended meanwhile
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def test_it_listens_on_loopback_only(cluster):
    import ray

    if not Path("/proc/net/tcp").exists():
        pytest.skip("this system does not list its sockets in /proc")
    ray.get(ray.remote(lambda: None).remote())
    assert [node["NodeManagerAddress"] for node in ray.nodes()] == ["127.0.0.1"]
    own = set().union(*map(sockets, [os.getpid(), *descendants(os.getpid())]))
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == LISTEN and row[9] in own]
    assert len(listening) >= 5, "servers of the head, the raylet and the workers"
    assert [address for address in listening if address.rpartition(":")[0] not in LOOPBACK] == []


def test_it_has_no_servers_that_raysq_does_not_use(cluster):
    processes = [Path(f"/proc/{pid}/cmdline") for pid in descendants(os.getpid())]
    if not processes:
        pytest.skip("this system has no /proc")
    commands = [path.read_text() for path in processes if path.exists()]
    assert any("gcs_server" in command for command in commands)
    for server in ("monitor.py", "dashboard.py", "log_monitor.py"):
        assert not any(server in command for command in commands), server
