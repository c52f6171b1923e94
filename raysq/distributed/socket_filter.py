"""Restrict the listening sockets of this process to the hosts of a worker group, by packet filters of the kernel.

TensorFlow's servers listen on all interfaces, whatever address TF_CONFIG names, and let every client run operations,
such as writing files. A classic BPF filter on a listening socket needs no privileges, and the sockets that it accepts
inherit it.
"""

import contextlib
import ctypes
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_ATTACH_FILTER = 26  # SO_ATTACH_FILTER
_NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF: offsets count from the IP header
_LOAD_BYTE, _LOAD_WORD, _AND, _SHIFT_RIGHT, _EQUAL, _JUMP, _RETURN = 0x30, 0x20, 0x54, 0x74, 0x15, 0x05, 0x06
_ACCEPT, _DROP = (_RETURN, 0, 0, 0xFFFFFFFF), (_RETURN, 0, 0, 0)
_MAX_INSTRUCTIONS = 4096  # the kernel's limit of a filter
_GET_CONFIGURATION = 0x8912  # SIOCGIFCONF
_LISTEN, _ESTABLISHED = "0A", "01"  # states in /proc/net/tcp

_Instruction = tuple[int, int, int, int]


def own_addresses() -> list[str]:
    """Return the IP addresses of this host that others may reach; none if the system does not list them."""
    if sys.platform != "linux":
        return []
    import fcntl

    entries = ctypes.create_string_buffer(1 << 16)
    request = struct.pack("iL", len(entries), ctypes.addressof(entries))
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
            (size,) = struct.unpack_from("i", fcntl.ioctl(query.fileno(), _GET_CONFIGURATION, request))
        table = Path("/proc/net/if_inet6")
        lines = table.read_text().splitlines() if table.exists() else []
    except OSError:
        return []
    entry = 16 + struct.calcsize("LLHBBBxxx")  # a struct ifreq: the name, and the largest member of its union
    addresses: list[Address] = [
        ipaddress.IPv4Address(entries.raw[start + 20 : start + 24]) for start in range(0, size, entry)
    ]
    addresses += [ipaddress.IPv6Address(int(line.split()[0], 16)) for line in lines]
    return [str(address) for address in addresses if not address.is_loopback and not address.is_link_local]


def resolve(hosts: Iterable[str]) -> list[Network]:
    """Return the networks of host names, addresses and networks such as 10.0.0.0/8.

    Raises:
        OSError: a name does not resolve.
    """
    networks: list[Network] = []
    for host in hosts:
        with contextlib.suppress(ValueError):
            networks.append(_network(ipaddress.ip_network(host, strict=False)))
            continue
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        networks += [_network(ipaddress.ip_network(str(entry[4][0]).split("%")[0])) for entry in entries]
    return networks


def check_support() -> None:
    """Raise OSError if this system has no packet filters on sockets."""
    if sys.platform != "linux":
        raise OSError("packet filters of sockets exist on Linux only")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if SocketFilter(listener.getsockname()[1], []).attach() != 1:
            raise OSError("/proc does not list the sockets of this process")


class SocketFilter:
    """Filter on the listening sockets of this process at a port, which admits loopback and the given networks.

    Args:
        port: TCP port.
        networks: networks and addresses of the hosts that may connect.

    Raises:
        OSError: there are more networks than a filter can hold.
    """

    def __init__(self, port: int, networks: Iterable[Network]):
        ipv4 = [network for network in (*_LOOPBACK, *networks) if isinstance(network, ipaddress.IPv4Network)]
        ipv6 = [network for network in (*_LOOPBACK, *networks) if isinstance(network, ipaddress.IPv6Network)]
        self.networks: list[Network] = [*ipaddress.collapse_addresses(ipv4), *ipaddress.collapse_addresses(ipv6)]
        self._port = port
        self._attached: set[int] = set()
        program = _compile(self.networks)
        packed = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
        self._code = ctypes.create_string_buffer(packed, len(packed))
        self._filter = struct.pack("HL", len(program), ctypes.addressof(self._code))
        self._libc = ctypes.CDLL(None, use_errno=True)

    def attach(self) -> int:
        """Attach the filter to the sockets that listen at the port, each once.

        Returns:
            The number of sockets that have it.

        Raises:
            OSError: the kernel refuses the filter.
        """
        for connection, descriptor in self._descriptors(_LISTEN):
            if connection.inode in self._attached:
                continue
            if self._libc.setsockopt(descriptor, socket.SOL_SOCKET, _ATTACH_FILTER, self._filter, len(self._filter)):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            self._attached.add(connection.inode)
        return len(self._attached)

    def disconnect_others(self) -> list[str]:
        """Close the connections at the port that the filter does not admit: those accepted before it was attached.

        Returns:
            The addresses that were connected.
        """
        others = []
        for connection, descriptor in self._descriptors(_ESTABLISHED):
            if not any(connection.remote in network for network in self.networks):
                others.append(str(connection.remote))
                self._libc.shutdown(descriptor, socket.SHUT_RDWR)
        return others

    def _descriptors(self, state: str) -> Iterator[tuple["_Connection", int]]:
        """Yield the connections of this process at the port in a state, with a file descriptor of each."""
        connections = {connection.inode: connection for connection in _connections(self._port, state)}
        for name in os.listdir("/proc/self/fd") if connections else ():
            try:
                target = os.readlink(f"/proc/self/fd/{name}")
            except FileNotFoundError:
                continue  # closed meanwhile
            if target.startswith("socket:[") and (connection := connections.get(int(target[8:-1]))):
                yield connection, int(name)


class _Connection(NamedTuple):
    remote: Address
    inode: int


def _connections(port: int, state: str) -> Iterator[_Connection]:
    """Yield the TCP sockets of this host at a local port in a state."""
    for table in (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == state and int(fields[1].rpartition(":")[2], 16) == port:
                yield _Connection(_parse(fields[2].rpartition(":")[0]), int(fields[9]))


def _parse(text: str) -> Address:
    """Return an address of /proc/net/tcp: words of 32 bits in the byte order of this host."""
    words = [int(text[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    return getattr(address, "ipv4_mapped", None) or address


def _network(network: Network) -> Network:
    """Return the network of IPv4 that an address of IPv6 stands for, if it does, else the network itself."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return network if mapped is None else ipaddress.ip_network((mapped, network.prefixlen - 96))


def _compile(networks: Iterable[Network]) -> list[_Instruction]:
    """Return a BPF program that accepts IP packets from the networks, and drops all others."""
    ipv4: list[_Instruction] = []
    ipv6: list[_Instruction] = []
    for network in networks:
        four = network.version == 4
        address, mask = network.network_address.packed, network.netmask.packed
        checks: list[_Instruction] = []
        for start in range(len(address) - 4, -1, -4):  # each check that fails jumps behind those after it
            (word,), (bits,) = (struct.unpack_from("!I", packed, start) for packed in (address, mask))
            if bits:
                source = _NETWORK_HEADER + (12 if four else 8) + start
                load = [(_LOAD_WORD, 0, 0, source), (_AND, 0, 0, bits)]
                checks = [*load, (_EQUAL, 0, len(checks) + 1, word), *checks]
        (ipv4 if four else ipv6).extend([*checks, _ACCEPT])
    ipv4.append(_DROP)
    ipv6.append(_DROP)
    version: list[_Instruction] = [(_LOAD_BYTE, 0, 0, _NETWORK_HEADER), (_SHIFT_RIGHT, 0, 0, 4)]
    # Conditional jumps reach 255 instructions, this one any number.
    program = [*version, (_EQUAL, 1, 0, 6), (_JUMP, 0, 0, len(ipv6)), *ipv6, *ipv4]
    if len(program) > _MAX_INSTRUCTIONS:
        raise OSError("the hosts of the group are more than a packet filter holds (some 1,000 of IPv4, 300 of IPv6)")
    return program
