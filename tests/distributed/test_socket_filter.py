"""Filters on listening sockets: loopback and the named hosts connect, all others run into their time-out."""

import ipaddress
import socket
import sys

import pytest

from raysq.distributed import socket_filter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="packet filters of sockets exist on Linux only")


def outer_addresses():
    addresses = [ipaddress.ip_address(text) for text in socket_filter.own_addresses()]
    return [address for address in addresses if not address.is_loopback and not address.is_link_local]


@pytest.fixture
def listener():
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        yield server


def connects(server, address):
    try:
        socket.create_connection((str(address), server.getsockname()[1]), timeout=0.4).close()
    except TimeoutError:
        return False
    return True


def test_own_addresses_have_loopback():
    assert "127.0.0.1" in socket_filter.own_addresses()


def test_loopback_connects_and_nobody_else(listener):
    port = listener.getsockname()[1]
    others = outer_addresses()
    assert all(connects(listener, address) for address in others)
    assert socket_filter.restrict(port, set()) == 1
    assert connects(listener, "127.0.0.1") and connects(listener, "::1")
    assert not any(connects(listener, address) for address in others)


def test_named_hosts_connect_among_many(listener):
    if not (others := outer_addresses()):
        pytest.skip("this host has no address but loopback")
    port = listener.getsockname()[1]
    many = {ipaddress.ip_address(f"10.1.{number}.7") for number in range(250)}
    many |= {ipaddress.ip_address(f"2001:db8::{number:x}") for number in range(100)}
    socket_filter.restrict(port, many)
    assert not any(connects(listener, address) for address in others)
    socket_filter.restrict(port, many | set(others))
    assert all(connects(listener, address) for address in others)
    assert connects(listener, "127.0.0.1") and connects(listener, "::1")


def test_only_sockets_that_listen_at_the_port_are_restricted(listener):
    port = listener.getsockname()[1]
    assert socket_filter.restrict(port + 1 if port < 65535 else 1, set()) == 0
    with socket.create_connection(("127.0.0.1", port)):
        assert socket_filter.restrict(port, set()) == 1


def test_hosts_connected_before_are_disconnected(listener):
    if not (others := outer_addresses()):
        pytest.skip("this host has no address but loopback")
    port = listener.getsockname()[1]
    with socket.create_connection((str(others[0]), port)) as client, listener.accept()[0] as accepted:
        socket_filter.restrict(port, set())
        assert socket_filter.disconnect_strangers(port, set(others)) == []
        client.sendall(b"x")
        assert accepted.recv(1) == b"x"
        assert socket_filter.disconnect_strangers(port, set()) == [str(others[0])]
        assert accepted.recv(1) == b""


def test_names_resolve_and_mapped_addresses_are_plain():
    assert ipaddress.ip_address("127.0.0.1") in socket_filter.resolve(["localhost"])
    assert socket_filter.resolve(["::ffff:10.0.0.1"]) == {ipaddress.ip_address("10.0.0.1")}


def test_too_many_hosts_are_an_error(listener):
    hosts = {ipaddress.ip_address(0x0A000000 + number) for number in range(3000)}
    with pytest.raises(OSError, match="a packet filter holds some 2,000 hosts, not 3,000"):
        socket_filter.restrict(listener.getsockname()[1], hosts)
