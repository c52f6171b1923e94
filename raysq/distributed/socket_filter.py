"""Restrict the listening sockets of this process to the hosts of a worker group, by packet filters of the kernel.

TensorFlow's servers listen on all interfaces, whatever address TF_CONFIG names, and let every client run operations,
such as writing files. A classic BPF filter on a listening socket needs no privileges, and the sockets that it accepts
inherit it.
"""

import ctypes
import fcntl
import ipaddress
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_ATTACH_FILTER = 26  # SO_ATTACH_FILTER
_NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF: offsets count from the IP header
_LOAD_BYTE, _LOAD_WORD, _AND, _SHIFT_RIGHT, _EQUAL, _RETURN = 0x30, 0x20, 0x54, 0x74, 0x15, 0x06
_ACCEPT, _DROP = (_RETURN, 0, 0, 0xFFFFFFFF), (_RETURN, 0, 0, 0)
_MAX_INSTRUCTIONS = 4096  # the kernel's limit of a filter
_GET_CONFIGURATION = 0x8912  # SIOCGIFCONF

_Instruction = tuple[int, int, int, int]


def own_addresses() -> list[str]:
    """Return the IP addresses of all interfaces of this host, or none where the system is not Linux."""
    if sys.platform != "linux":
        return []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
        entries = ctypes.create_string_buffer(1 << 16)
        request = struct.pack("iL", len(entries), ctypes.addressof(entries))
        (used,) = struct.unpack_from("i", fcntl.ioctl(query.fileno(), _GET_CONFIGURATION, request))
    size = 16 + struct.calcsize("LLHBBBxxx")  # of a struct ifreq: the name, and the largest member of its union
    addresses = [socket.inet_ntoa(entries.raw[at + 20 : at + 24]) for at in range(0, used, size)]
    table = Path("/proc/net/if_inet6")
    lines = table.read_text().splitlines() if table.exists() else []
    return addresses + [str(ipaddress.IPv6Address(int(line.split()[0], 16))) for line in lines]


def check_support() -> None:
    """Raise OSError if this system has no packet filters on sockets."""
    if sys.platform != "linux":
        raise OSError("packet filters of sockets exist on Linux only")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        restrict(listener.getsockname()[1], set())


def resolve(hosts: Iterable[str]) -> set[IPAddress]:
    """Return the IP addresses of host names or addresses."""
    entries = [entry for host in hosts for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    return {_parse(str(entry[4][0])) for entry in entries}


def _parse(text: str) -> IPAddress:
    address = ipaddress.ip_address(text.split("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def restrict(port: int, addresses: set[IPAddress]) -> int:
    """Restrict the listening sockets of this process at a port to packets from loopback and the given addresses.

    Args:
        port: TCP port.
        addresses: allowed sources, besides loopback.

    Returns:
        The number of listening sockets at the port, all of them restricted.

    Raises:
        OSError: the kernel refuses the filter.
    """
    program = _compile(addresses)
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    code = ctypes.create_string_buffer(packed, len(packed))
    pointer = struct.pack("HL", len(program), ctypes.addressof(code))
    count = 0
    for listener in _sockets(port, listening=True):
        with listener:
            listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, pointer)
        count += 1
    return count


def disconnect_strangers(port: int, addresses: set[IPAddress]) -> list[str]:
    """Close the connections to this process at a port from addresses that are neither loopback nor allowed.

    Connections accepted before `restrict` are not restricted.

    Returns:
        The addresses that were connected.
    """
    strangers = []
    for connection in _sockets(port, listening=False):
        with connection:
            try:
                address = _parse(connection.getpeername()[0])
                if not address.is_loopback and address not in addresses:
                    strangers.append(str(address))
                    connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed meanwhile
    return strangers


def _sockets(port: int, listening: bool) -> Iterable[socket.socket]:
    """Yield copies of this process's TCP sockets at a local port, either those that listen or those connected."""
    for name in os.listdir("/proc/self/fd"):
        try:
            descriptor = int(name)
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            copy = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            continue  # closed meanwhile
        try:
            wanted = (
                copy.family in (socket.AF_INET, socket.AF_INET6)
                and copy.type == socket.SOCK_STREAM
                and copy.getsockname()[1] == port
                and bool(copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) == listening
            )
        except OSError:
            wanted = False
        if wanted:
            yield copy
        else:
            copy.close()


def _compile(addresses: set[IPAddress]) -> list[_Instruction]:
    """Return a BPF program that accepts IP packets from loopback and the given addresses, and drops all others."""
    four: list[_Instruction] = [
        (_LOAD_WORD, 0, 0, _NETWORK_HEADER + 12),  # the source
        (_AND, 0, 0, 0xFF000000),
        (_EQUAL, 0, 1, 0x7F000000),
        _ACCEPT,
        (_LOAD_WORD, 0, 0, _NETWORK_HEADER + 12),
    ]
    six: list[_Instruction] = []
    for address in sorted(addresses | {ipaddress.ip_address("::1")}, key=lambda address: (address.version, address)):
        if isinstance(address, ipaddress.IPv4Address):
            four += [(_EQUAL, 0, 1, int(address)), _ACCEPT]
        else:
            words = struct.unpack("!4I", address.packed)
            for index, word in enumerate(words):  # a word that differs skips to the next address
                six.append((_LOAD_WORD, 0, 0, _NETWORK_HEADER + 8 + 4 * index))
                six.append((_EQUAL, 0, 2 * (3 - index) + 1, word))
            six.append(_ACCEPT)
    four.append(_DROP)
    six.append(_DROP)
    version: list[_Instruction] = [(_LOAD_BYTE, 0, 0, _NETWORK_HEADER), (_SHIFT_RIGHT, 0, 0, 4)]
    # Conditional jumps reach 255 instructions, this one any number.
    program = [*version, (_EQUAL, 1, 0, 6), (0x05, 0, 0, len(six)), *six, *four]
    if len(program) > _MAX_INSTRUCTIONS:
        raise OSError(f"a packet filter holds some 2,000 hosts, not {len(addresses):,}")
    return program
