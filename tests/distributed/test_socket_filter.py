"""Filters on listening sockets: loopback and the named hosts connect, all others run into their time-out."""

import ipaddress
import socket
import sys

import pytest

from raysq.distributed.socket_filter import SocketFilter, check_support, own_addresses, resolve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="packet filters of sockets exist on Linux only")


@pytest.fixture(params=["IPv4", "IPv6"])
def listener(request):
    try:
        if request.param == "IPv4":
            server = socket.create_server(("", 0))
        else:
            server = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError as error:
        pytest.skip(f"this host has no {request.param}: {error}")
    with server:
        yield server


@pytest.fixture
def outer(listener):
    """Addresses of this host, other than loopback, at which the listener is reached."""
    addresses = [text for text in own_addresses() if ":" not in text or listener.family == socket.AF_INET6]
    return addresses or pytest.skip("this host has no address but loopback")


def port_of(listener):
    return listener.getsockname()[1]


def connects(listener, address):
    try:
        socket.create_connection((address, port_of(listener)), timeout=0.4).close()
    except TimeoutError:
        return False
    return True


def loopback_connects(listener):
    return all(connects(listener, at) for at in ("127.0.0.1", "::1") if "." in at or listener.family == socket.AF_INET6)


def test_this_system_has_filters():
    check_support()


def test_loopback_connects_and_nobody_else(listener, outer):
    assert all(connects(listener, address) for address in outer)
    assert SocketFilter(port_of(listener), []).attach() == 1
    assert loopback_connects(listener)
    assert not any(connects(listener, address) for address in outer)


@pytest.mark.parametrize("hosts", [(), ("2001:db8::/33", "198.51.100.0/25")])
def test_named_hosts_connect_among_many(listener, outer, hosts):
    many = resolve(
        [f"10.1.{number}.7" for number in range(250)] + [f"2001:db8::{3 * number:x}" for number in range(90)]
    )
    SocketFilter(port_of(listener), [*many, *resolve(hosts)]).attach()
    assert not any(connects(listener, address) for address in outer)
    SocketFilter(port_of(listener), [*many, *resolve([*hosts, *outer])]).attach()
    assert loopback_connects(listener) and all(connects(listener, address) for address in outer)


def test_networks_admit_their_hosts(listener, outer):
    networks = [f"{address}/{9 if '.' in address else 71}" for address in outer]
    SocketFilter(port_of(listener), resolve(networks)).attach()
    assert loopback_connects(listener) and all(connects(listener, address) for address in outer)


def test_a_filter_is_attached_once(listener):
    """A large one would exceed the kernel's memory for filters when it is attached again and again."""
    large = SocketFilter(port_of(listener), resolve(f"2001:db8::{2 * number:x}" for number in range(250)))
    assert {large.attach() for _ in range(20)} == {1}
    assert loopback_connects(listener)


def test_only_sockets_at_the_port_are_restricted(listener):
    port = port_of(listener)
    assert SocketFilter(port + 1 if port < 65535 else 1, []).attach() == 0
    with socket.create_connection(("127.0.0.1", port)):
        assert SocketFilter(port, []).attach() == 1


def test_hosts_connected_before_are_disconnected(listener, outer):
    port = port_of(listener)
    with socket.create_connection((outer[0], port)) as client, listener.accept()[0] as accepted:
        assert SocketFilter(port, resolve(outer)).disconnect_others() == []
        client.sendall(b"x")
        assert accepted.recv(1) == b"x"
        assert SocketFilter(port, []).disconnect_others() == [outer[0]]
        assert accepted.recv(1) == b""


def test_the_filter_leaves_the_modes_of_sockets_alone(listener):
    """Duplicates of Python's sockets would take over the default time-out, and share it with the original."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(3)
    try:
        SocketFilter(port_of(listener), []).attach()
    finally:
        socket.setdefaulttimeout(before)
    assert listener.getblocking()


def test_names_networks_and_mapped_addresses_resolve():
    assert ipaddress.ip_network("127.0.0.1") in resolve(["localhost"])
    assert resolve(["::ffff:10.0.0.1", "10.1.2.3/8"]) == [
        ipaddress.ip_network("10.0.0.1"),
        ipaddress.ip_network("10.0.0.0/8"),
    ]
    with pytest.raises(OSError):
        resolve(["no such host"])


def test_too_many_hosts_are_an_error():
    hosts = [ipaddress.ip_network(0x0A000000 + 2 * number) for number in range(1100)]
    with pytest.raises(OSError, match="more than a packet filter holds"):
        SocketFilter(1, hosts)
    neighbors = [ipaddress.ip_network(0x0A000000 + number) for number in range(4096)]
    assert ipaddress.ip_network("10.0.0.0/20") in SocketFilter(1, neighbors).networks
