"""Access to TensorFlow's server of a worker group, from its first moment on."""

import json
import os
import subprocess
import sys

import pytest

from raysq.distributed.socket_filter import SocketFilter, own_addresses
from raysq.errors import LostError, ResourceError
from raysq.training import group_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="packet filters of sockets exist on Linux only")

# A group of two whose other worker never comes: the server listens, and TensorFlow waits.
PROBE = """
import json, os, socket, sys, threading, time
from raysq import backend

def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]

def connects(host, stay=0.0):
    try:
        with socket.create_connection((host, ports[0]), timeout=0.5) as connection:
            time.sleep(stay)
            if stay:
                connection.settimeout(stay)
                while connection.recv(1000):
                    pass
                return "disconnected"
    except OSError as error:
        return type(error).__name__
    return "connected"

def probe():
    while connects("127.0.0.1") != "connected":
        time.sleep(0.001)
    at_once = {host: connects(host, stay=1) for host in hosts[1:]}
    print(json.dumps([at_once, {host: connects(host) for host in hosts}]), flush=True)
    os._exit(0)

hosts, ports = json.loads(sys.argv[1]), (free_port(), free_port())
backend.load()
task = {"type": "worker", "index": 0}
os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]}, "task": task})
from raysq.training.runtime import make_strategy
threading.Thread(target=probe, daemon=True).start()
make_strategy(2, gpu=False)
"""


def test_the_server_is_closed_while_it_waits_for_the_others():
    hosts = json.dumps(["127.0.0.1", *own_addresses()])
    result = subprocess.run([sys.executable, "-c", PROBE, hosts], capture_output=True, text=True, timeout=240)
    assert result.stdout, result.stderr[-2000:]
    at_once, later = json.loads(result.stdout)
    assert later.pop("127.0.0.1") == "connected"
    assert set(at_once.values()) <= {"TimeoutError", "disconnected", "ConnectionResetError"}, at_once
    assert set(later.values()) <= {"TimeoutError"}, later


@pytest.fixture
def group(monkeypatch):
    """A group of two, of which this process starts no server."""
    task = {"cluster": {"worker": ["10.0.0.7:2222", "10.0.0.8:2222"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setitem(os.environ, "TF_CONFIG", json.dumps(task))
    monkeypatch.setattr(group_server, "own_addresses", lambda: ["10.0.0.7"])


@pytest.mark.parametrize("reason", ["no filters", "no socket", "no call"])
def test_a_server_that_stays_open_is_refused_on_public_addresses(group, monkeypatch, capfd, reason):
    if reason == "no filters":

        def refuse():
            raise OSError(92, "Protocol not available")

        monkeypatch.setattr(group_server, "check_support", refuse)
    elif reason == "no call":
        monkeypatch.setattr(group_server, "_unlocked_call", lambda: None)
    with group_server.closed_server():
        pass
    assert "is open to all hosts of its network (" in capfd.readouterr().err
    monkeypatch.setattr(group_server, "own_addresses", lambda: ["10.0.0.7", "8.8.8.8"])
    with pytest.raises(ResourceError, match="would be open to everybody at 8.8.8.8"), group_server.closed_server():
        pass


def test_a_host_connected_before_starts_the_group_anew(group, monkeypatch):
    monkeypatch.setattr(SocketFilter, "attach", lambda self: 1)
    monkeypatch.setattr(SocketFilter, "disconnect_others", lambda self: ["10.0.0.9"])
    message = "10.0.0.9, which is no host of this worker group, connected to its TensorFlow server"
    with pytest.raises(LostError, match=message), group_server.closed_server():
        pass


def test_a_host_without_an_address_is_named(group, monkeypatch):
    monkeypatch.setattr(group_server, "_RESOLVE_SECONDS", 0)
    monkeypatch.setenv(group_server.HOSTS, '["no such host"]')
    with pytest.raises(LostError, match="a host of the worker group has no address"), group_server.closed_server():
        pass
