"""Paths, limits, headers and errors of the HTTP server."""

import asyncio
import contextlib
import socket
import time
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from raysq.errors import DataError, ResourceError, UsageError
from raysq.serving import application, deployments
from raysq.serving.access import TOKEN, Access
from raysq.serving.named_runs import open_runs
from raysq.serving.serve import Server
from raysq.serving.server import listen

SECRET = "a-token-of-some-length"


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
        ("table", [{f"c{number}": 1} for number in range(5000)], "inputs have more than 16,777,216 cells: 5,000 rows"),
        ("table", [{"age": 10**30, "city": "Aarau"}], "'age'"),
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
    for token in ("short", " a token with spaces ", "t\u00f6ken of 16 letters", "a-token\twith-a-tab"):
        monkeypatch.setenv(TOKEN, token)
        match = f"16 or more printable ASCII characters without spaces, received {len(token)}"
        with pytest.raises(UsageError, match=match):
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


def test_a_document_without_a_replica_comes_to_an_end(slow, monkeypatch):
    server = slow()
    monkeypatch.setattr(application, "_ANSWER_SECONDS", 0.1)

    async def columns():
        await asyncio.sleep(60)

    server.columns_now = columns
    answer = requests.get(f"{server.address}/openapi.json")
    assert answer.status_code == 503 and "no answer in 0.1 s" in error(answer) and answer.headers["Retry-After"] == "1"


def test_readiness_is_asked_for_once_a_second(monkeypatch):
    asked = []

    def status():
        asked.append(1)
        time.sleep(0.1)
        return SimpleNamespace(applications={})

    monkeypatch.setattr("ray.serve.status", status)
    monkeypatch.setattr(deployments, "_READINESS_SECONDS", 0.5)

    async def ask():
        ready = deployments.readiness({"reviews": ("a", "d")})
        assert await asyncio.gather(*(ready() for _ in range(20))) == [["reviews"]] * 20
        await ready()
        assert len(asked) == 1
        await asyncio.sleep(0.5)
        await ready()
        assert len(asked) == 2

    asyncio.run(ask())


def test_the_address_of_the_page_takes_any_token():
    token = "a+b/c=d&e#f%20ghij"
    with contextlib.ExitStack() as stack:
        page = Server("http://here:1", token, ["reviews"], stack).page
        assert parse_qs(urlsplit(page).fragment) == {"token": [token]}
        assert Server("http://here:1", None, ["reviews"], stack).page == "http://here:1"


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
