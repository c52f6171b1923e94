"""Connections of clients that send too much around a body, or too slowly."""

import socket
import time

import pytest
import requests

from raysq.serving import http_protocol
from raysq.serving.access import Access

SECRET = "a-token-of-some-length"


def test_heads_are_limited(slow, monkeypatch):
    monkeypatch.setattr(http_protocol, "_HEAD_SECONDS", 0.3)
    server = slow()
    port = int(server.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        with pytest.raises(ConnectionError):
            for _ in range(64):
                sock.sendall(b"x" * 65536)
            sock.recv(1)
            raise ConnectionError
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(10)
        sock.sendall(b"GET /healthz HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            if sock.recv(1) == b"":
                raise ConnectionError
    with requests.Session() as session:  # a connection that is kept is not cut between and after requests
        assert session.get(f"{server.address}/healthz").status_code == 200
        assert session.get(f"{server.address}/healthz").status_code == 200


def post_head(port: int, head: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.settimeout(10)
    sock.sendall(f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n{head}\r\n\r\n".encode())
    return sock


def is_cut(sock: socket.socket) -> bool:
    """Whether the server ends a connection on which something comes in now and then."""
    until = time.monotonic() + 10
    sock.settimeout(0.05)
    while time.monotonic() < until:
        try:
            sock.sendall(b"x")
            if sock.recv(65536) == b"":
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


def test_bodies_that_are_answered_unread_do_not_hold_a_connection(slow, monkeypatch):
    monkeypatch.setattr(http_protocol, "_HEAD_SECONDS", 0.3)
    server = slow(Access(SECRET, None))
    port = int(server.address.rpartition(":")[2])
    with post_head(port, "Content-Length: 1000000") as sock:
        assert b" 401 " in sock.recv(65536)
        assert is_cut(sock)
    whole = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"
    with socket.create_connection(("127.0.0.1", port)) as sock:  # one that is read keeps its connection
        sock.settimeout(10)
        for _ in range(2):
            sock.sendall(whole)
            assert b" 401 " in sock.recv(65536)
            time.sleep(0.5)


def test_trailers_are_limited(slow):
    server = slow()
    with post_head(int(server.address.rpartition(":")[2]), "Transfer-Encoding: chunked") as sock:
        sock.sendall(b"1\r\nx\r\n0\r\n")
        with pytest.raises(ConnectionError):
            for number in range(10_000):
                sock.sendall(b"X%d: " % number + b"x" * 1000 + b"\r\n")


def test_bodies_in_small_chunks_are_read(slow):
    server = slow()
    server.released = True
    with post_head(int(server.address.rpartition(":")[2]), "Transfer-Encoding: chunked") as sock:
        sock.sendall(b"1\r\nx\r\n" * 30_000 + b"0\r\n\r\n")
        assert b" 200 " in sock.recv(65536)
