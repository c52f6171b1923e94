"""Paths, limits, headers and errors of the HTTP server."""

import asyncio
import socket
import time

import pytest
import requests
from serving import served

from raysq.errors import DataError, ResourceError, UsageError
from raysq.serving import http_protocol
from raysq.serving.access import TOKEN, Access
from raysq.serving.application import Application, Backend
from raysq.serving.batcher import Batcher
from raysq.serving.messages import Answer
from raysq.serving.named_runs import open_runs
from raysq.serving.server import listen

SECRET = "a-token-of-some-length"


class Slow:
    """A queue whose answers wait for `release`."""

    def __init__(self, most_waiting: int = 2):
        self.released = False
        self.batcher = Batcher(self.send, 1, most_waiting)

    async def send(self, batch):
        while not self.released:
            await asyncio.sleep(0.01)
        return [Answer(200, b"{}")] * len(batch)

    async def columns(self):
        return []


@pytest.fixture
def slow(runs):
    """A function that serves the run of reviews without its model."""
    made = []

    def serve(access: Access = Access(None, None), most_waiting: int = 2, **options):  # noqa: B008 - immutable
        slow = Slow(most_waiting)
        backend = Backend(slow.batcher, slow.columns)
        application = Application(
            open_runs({"reviews": runs["reviews"]}), {"reviews": backend}, access, served.none_missing, **options
        )
        server = served.serving(application)
        made.append((server, slow))
        slow.address = server.__enter__()
        return slow

    yield serve
    for server, slow in made:
        slow.released = True
        server.__exit__(None, None, None)


def error(answer: requests.Response) -> str:
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "media_type", "status", "message"),
    [
        (b"{", "application/json", 400, "the body is not valid JSON"),
        (b'{"inputs": [NaN]}', "application/json", 400, "NaN is not a number of JSON"),
        (b"\xff", "application/json", 400, "the body is not valid JSON"),
        (b"[" * 100_000, "application/json", 400, "the body is not valid JSON"),
        (b"[]", "application/json", 400, "the body must be a JSON object, received a list"),
        (b'{"input": ["x"]}', "application/json", 400, "the body lacks inputs; it has 'input'"),
        (b'{"inputs": "x"}', "application/json", 400, "inputs must be a list with an input at least, received a text"),
        (b'{"inputs": [null]}', "application/json", 400, "number 0 of them is null"),
        (b"x", "", 415, "received no Content-Type"),
        (b"x", "image/png", 415, "received image/png"),
        (b"", "text/csv", 400, "input.csv, line 1 is empty"),
        (b"\x00" * 64, "application/vnd.apache.arrow.stream", 400, "the Arrow stream is damaged or cut short"),
    ],
)
def test_bodies_that_cannot_be_used(every, body, media_type, status, message):
    url = f"{every.address}/predict?run=reviews"
    answer = requests.post(url, data=body, headers={"Content-Type": media_type} if media_type else {})
    assert answer.status_code == status and message in error(answer), answer.text
    assert "Traceback" not in answer.text and "--" not in answer.text


def test_rows_and_images_that_cannot_be_used(every):
    for name, inputs, message in (
        ("table", [{"a": 1}], "the rows lack columns"),
        ("table", ["x"], "inputs must be rows, as objects by column, and number 0 of them is a text"),
        ("table", [{}], "they have no columns"),
        ("series", [{"a": 1}], "no time column 'Date Time'"),
        ("shapes", ["%"], "number 0 of them is not"),
        ("shapes", ["aGVsbG8="], "hello"),
    ):
        answer = requests.post(f"{every.address}/predict?run={name}", json={"inputs": inputs})
        assert answer.status_code == 400, answer.text
        assert message in error(answer) or name == "shapes", answer.text


def test_paths_and_methods(every):
    def status(method, path, **options):
        return requests.request(method, every.address + path, **options)

    assert status("GET", "/nothing").status_code == 404
    assert status("GET", "/page/../serve.py").status_code == 404
    assert status("GET", "/page/%2e%2e/serve.py").status_code == 404
    assert status("GET", "/predict").status_code == 405
    assert status("POST", "/runs").status_code == 405
    assert status("OPTIONS", "/predict").status_code == 405  # no site may ask
    answer = status("POST", "/predict", json={"inputs": ["x"]})
    assert answer.status_code == 400 and "7 runs are served" in error(answer)
    answer = status("POST", "/predict?run=nobody", json={"inputs": ["x"]})
    assert answer.status_code == 404 and "'nobody'" in error(answer)
    assert status("GET", "/healthz").json() == {"status": "ok"}
    assert status("GET", "/readyz").json() == {"status": "ready", "missing": []}
    page = status("GET", "/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    head = status("HEAD", "/runs")
    assert head.status_code == 200 and head.content == b""
    assert not [name for name in page.headers if name.lower().startswith("access-control")]
    assert page.headers["X-Content-Type-Options"] == "nosniff" and "Content-Security-Policy" in page.headers


def test_other_sites_are_kept_out(slow):
    server = slow(Access.of_host("127.0.0.1"))
    port = server.address.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "", "localhost.evil.example", "[::1"):
        answer = requests.get(f"{server.address}/runs", headers={"Host": host})
        assert answer.status_code == 421 and "loopback only" in error(answer), host
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "LOCALHOST"):
        assert requests.get(f"{server.address}/runs", headers={"Host": host}).status_code == 200
    here = f"http://127.0.0.1.evil.example:{port}"
    for origin in ("http://evil.example", "null", here, "http://127.0.0.1:1", "http://[::1", ""):
        answer = requests.post(f"{server.address}/predict", data="x", headers={"Origin": origin})
        assert answer.status_code == 403 and "another site" in error(answer)
    assert requests.get(f"{server.address}/runs", headers={"Origin": server.address}).status_code == 200


def test_the_token(slow, monkeypatch):
    monkeypatch.setenv(TOKEN, SECRET)
    server = slow(Access.of_host("0.0.0.0"))
    for path in ("/runs", "/openapi.json", "/predict", "/nothing"):
        for header in (
            "",
            "Bearer",
            f"Basic {SECRET}",
            f"Bearer {SECRET}x",
            "Bearer \u00e4".encode().decode("latin-1"),
        ):
            answer = requests.get(server.address + path, headers={"Authorization": header} if header else {})
            assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
            assert SECRET not in answer.text
    assert requests.get(f"{server.address}/runs", headers={"Authorization": f"Bearer {SECRET}"}).status_code == 200
    document = requests.get(f"{server.address}/openapi.json", headers={"Authorization": f"Bearer {SECRET}"}).json()
    assert document["security"] == [{"token": []}]
    for path in ("/", "/healthz", "/readyz"):
        assert requests.get(server.address + path).status_code == 200


def test_who_needs_a_token(monkeypatch):
    monkeypatch.delenv(TOKEN, raising=False)
    assert Access.of_host("localhost").token is Access.of_host("127.0.0.2").token is Access.of_host("::1").token is None
    for host in ("0.0.0.0", "::", "192.168.0.1", "example.org", "localhost.example.org"):
        first, second = Access.of_host(host).token, Access.of_host(host).token
        assert first and second and first != second and len(first) >= 32
        with pytest.raises(UsageError, match=f"{TOKEN} is not set"):
            Access.of_host(host, draw=False)
    monkeypatch.setenv(TOKEN, "short")
    with pytest.raises(UsageError, match="16 or more printable ASCII characters, received 5"):
        Access.of_host("127.0.0.1")
    monkeypatch.setenv(TOKEN, SECRET)
    assert Access.of_host("127.0.0.1").token == SECRET


def test_a_full_queue_says_when_to_try_again(slow):
    server = slow(most_waiting=2)

    def send():
        sock = socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2])))
        sock.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 1\r\n\r\nx"
        )
        return sock

    # Two batches are sent ahead, and two requests wait.
    socks = [send() for _ in range(4)]
    until = time.monotonic() + 10
    while len(server.batcher._queue) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    answer = requests.post(f"{server.address}/predict", json={"inputs": ["x"]})
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
    assert "2 requests are waiting already" in error(answer)
    server.released = True
    assert all(sock.recv(12) == b"HTTP/1.1 200" for sock in socks)


def test_bodies_are_limited(slow):
    server = slow(max_body=1000)
    server.released = True
    url = f"{server.address}/predict"

    def post(body):
        return requests.post(url, data=body, headers={"Content-Type": "text/csv"})

    assert post(b"x" * 1000).status_code == 200
    answer = post(b"x" * 1001)
    assert answer.status_code == 413 and "the body has 1,001 bytes, the most is 1,000" in error(answer)
    answer = post(iter([b"x" * 600] * 2))  # in chunks, of a size that is not announced
    assert answer.status_code == 413 and "more than 1,000 bytes" in error(answer)
    assert post(b"x").status_code == 200  # what was held is free again


def test_bodies_that_wait_are_limited_together(slow):
    server = slow(max_body=1000, most_waiting=100)
    url = f"{server.address}/predict"
    socks = []
    for _ in range(8):
        socks.append(socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2]))))
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\n"
        socks[-1].sendall(head)  # and no body
    time.sleep(0.2)
    answer = requests.post(url, data=b"x", headers={"Content-Type": "text/csv"})
    assert answer.status_code == 503 and "too many large requests" in error(answer)
    for sock in socks:
        sock.close()
    server.released = True
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if requests.post(url, data=b"x", headers={"Content-Type": "text/csv"}).status_code == 200:
            return
        time.sleep(0.05)
    raise AssertionError("what closed connections held is not free")


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


def test_ports_and_hosts():
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(ResourceError, match=f"port {port} of 127.0.0.1 cannot be used: Address already in use"):
            listen("127.0.0.1", port)
    with pytest.raises(UsageError, match="--port must be from 0 to 65535, received 70000"):
        listen("127.0.0.1", 70000)
    for host in ("192.0.2.1", "no such host", ""):
        with pytest.raises(UsageError, match="--host must be an address"):
            listen(host, 0)


def test_names_of_runs(runs):
    named = open_runs([f"{runs['reviews'].directory}", f"mine={runs['table'].directory}"])
    assert [each.name for each in named] == ["classify", "mine"]
    assert [each.name for each in open_runs(runs["series"])] == ["jena"]
    with pytest.raises(UsageError, match="reviews and reviews would be served as 'classify'; name them: NAME=RUN"):
        open_runs([runs["reviews"], str(runs["reviews"].directory)])
    with pytest.raises(UsageError, match="a served run's name is letters"):
        open_runs({"a/b": runs["reviews"]})
    with pytest.raises(UsageError, match="serve takes a run at least"):
        open_runs([])
    with pytest.raises(DataError):
        open_runs(["nobody"])


def test_the_document_is_complete(every):
    document = requests.get(f"{every.address}/openapi.json").json()
    assert document["openapi"].startswith("3.1") and "security" not in document
    expected = {"/predict", "/generate", "/translate", "/neighbors", "/runs", "/healthz", "/readyz"}
    assert set(document["paths"]) == expected
    assert document["paths"]["/translate"]["post"]["parameters"][0]["schema"]["enum"] == ["pairs"]

    def references(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from [inner] if key == "$ref" else references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    schemas = document["components"]["schemas"]
    assert {reference.removeprefix("#/components/schemas/") for reference in references(document)} == set(schemas)
    columns = schemas["table.inputs"]["properties"]["inputs"]["items"]["properties"]
    assert columns["age"]["type"] == ["number", "null"] and "Aarau" in columns["city"]["examples"]
