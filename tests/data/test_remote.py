"""Sources of remote file systems: a server of moto on loopback, of which every third request fails."""

import itertools
import os
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet
import pytest

import raysq
from raysq.data import remote, remote_cache
from raysq.errors import SourceError
from raysq.storage.paths import home

pytest.importorskip("moto.server", reason="moto[server] is not installed")
KEY, SECRET = "AKIATESTKEY", "hush-hush"


class Flaky:
    """WSGI application that fails every n-th request once `every` is set: 503, or an answer that breaks off."""

    def __init__(self, app):
        self.app, self.every, self.count, self.requests = app, 0, itertools.count(1), []

    def __call__(self, environ, start_response):
        number = next(self.count)
        self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE")))
        if self.every and number % self.every == 0:
            start_response("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", "0")])
            return [b""]
        return self.app(environ, start_response)


@pytest.fixture(scope="module")
def server():
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    app = Flaky(DomainDispatcherApplication(create_backend_app))
    http = make_server("127.0.0.1", 0, app, threaded=True)
    app.port = http.server_port
    threading.Thread(target=http.serve_forever, daemon=True).start()
    system = pa.fs.S3FileSystem(
        access_key=KEY,
        secret_key=SECRET,
        endpoint_override=f"127.0.0.1:{http.server_port}",
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )
    system.create_dir("bucket")
    app.system = system
    yield app
    http.shutdown()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch, server):
    monkeypatch.setattr(remote, "PAUSE", 0.01)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server.every = 0
    yield
    server.every = 0


def put(server, name, data):
    with server.system.open_output_stream(f"bucket/{name}") as stream:
        stream.write(data)


def uri(server, name, bucket="bucket", credentials=f"{KEY}:{SECRET}@"):
    return f"s3://{credentials}{bucket}/{name}?endpoint_override=127.0.0.1%3A{server.port}&scheme=http&region=us-east-1"


def csv(count=200):
    hours = pd.date_range("2024-01-01", periods=count, freq="h")
    return pd.DataFrame({"time": hours, "load": np.sin(np.arange(count)).round(3)}).to_csv(index=False).encode()


def test_a_file_of_a_bucket_is_a_source_though_requests_fail(server, tmp_path, capsys):
    put(server, "load.csv", csv())
    (tmp_path / "load.csv").write_bytes(csv())
    expected = raysq.prepare("forecast", tmp_path / "load.csv", quiet=True)
    server.every = 3
    data = raysq.prepare("forecast", uri(server, "load.csv"), name="remote")
    assert data.manifest.fingerprint == expected.manifest.fingerprint and data.rows == 200
    texts = [data.manifest.source["label"], capsys.readouterr().err, str(data.manifest)]
    texts += [path.read_text(errors="replace") for path in home().rglob("*.json")]
    assert all(SECRET not in text and KEY not in text for text in texts) and "s3://bucket/load.csv" in texts[0]


def test_files_are_fetched_again_only_when_they_change(server):
    put(server, "again.csv", csv())
    path = remote_cache.fetch_remote(uri(server, "again.csv"), lambda name: True, recursive=False)
    assert path.read_bytes() == csv()
    server.requests.clear()
    other = remote_cache.fetch_remote(uri(server, "again.csv", credentials="other:secret@"), bool, recursive=False)
    assert other == path and all(method == "HEAD" for method, _, _ in server.requests), "no bytes are read"
    put(server, "again.csv", csv()[:-5] + b"7.25\n")
    assert remote_cache.fetch_remote(uri(server, "again.csv"), bool, recursive=False).read_bytes().endswith(b"7.25\n")


def test_a_broken_download_goes_on_where_it_ended(server, monkeypatch):
    data = np.random.RandomState(0).bytes(300_000)
    put(server, "large.bin", data)
    monkeypatch.setattr(remote_cache, "_BLOCK", 100_000)
    monkeypatch.setattr(remote, "ATTEMPTS", 1)

    def stop(done, total):
        assert total == 300_000
        if done >= 200_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remote_cache.fetch_remote(uri(server, "large.bin"), bool, recursive=False, progress=stop)
    server.requests.clear()
    assert remote_cache.fetch_remote(uri(server, "large.bin"), bool, recursive=False).read_bytes() == data
    ranges = [given for method, _, given in server.requests if method == "GET"]
    assert ranges == ["bytes=200000-299999"]


def test_a_folder_of_a_bucket_is_a_source(server, tmp_path):
    for part, low in (("a", 0), ("b", 100)):
        rows = csv().splitlines(keepends=True)
        put(server, f"days/{part}.csv", rows[0] + b"".join(rows[low + 1 : low + 101]))
    put(server, "days/notes.txt", b"not read")
    put(server, "days/deeper/c.csv", b"not read")
    server.every = 4
    data = raysq.prepare("forecast", uri(server, "days/"), quiet=True)
    assert data.rows == 200 and [file["name"] for file in data.manifest.source["files"]] == ["a.csv", "b.csv"]
    server.every = 0
    server.system.delete_file("bucket/days/b.csv")
    assert raysq.prepare("forecast", uri(server, "days/"), quiet=True).rows == 100
    put(server, "texts/a.txt", b"not read")
    with pytest.raises(SourceError, match=r"^s3://bucket/texts\?[^\n]* has no files that are read here"):
        raysq.prepare("forecast", uri(server, "texts"), quiet=True)


def test_a_tree_of_a_bucket_is_a_source(server):
    for label in ("neg", "pos"):
        for number in range(12):
            put(server, f"reviews/{label}/{number}.txt", f"a {label} text {number}".encode())
    server.every = 5
    data = raysq.prepare("classify", uri(server, "reviews"), quiet=True)
    assert data.rows == 24


def test_predictions_are_read_from_and_written_to_a_bucket(server, tmp_path):
    put(server, "series.csv", csv())
    raysq.prepare("forecast", uri(server, "series.csv"), settings={"lookback": 12}, name="d", quiet=True)
    run = raysq.train("forecast", data="d", model="baseline", name="run")
    output = uri(server, "out/predictions.parquet")
    server.every = 5
    result = raysq.predict_file(run, uri(server, "series.csv"), output)
    assert result["output"].startswith("s3://bucket/out/predictions.parquet") and SECRET not in str(result)
    written = pa.parquet.read_table(server.system.open_input_file("bucket/out/predictions.parquet"))
    assert written.num_rows == result["rows"] > 100


@pytest.mark.parametrize(
    ("name", "bucket", "message"),
    [
        ("nothing.csv", "bucket", r"s3://bucket/nothing.csv\S* does not exist; check its name"),
        ("x.csv", "no-bucket", r"s3://no-bucket/x.csv\S* (does not exist|was not \w+: there is no such file)"),
    ],
)
def test_what_is_not_there_is_one_line(server, name, bucket, message):
    with pytest.raises(SourceError, match=message) as caught:
        raysq.prepare("forecast", uri(server, name, bucket), quiet=True)
    assert "\n" not in str(caught.value) and SECRET not in str(caught.value)


def test_a_server_that_always_fails_or_is_not_there_is_one_line(server, monkeypatch):
    monkeypatch.setattr(remote, "ATTEMPTS", 1)
    put(server, "load.csv", csv())
    server.every = 1
    with pytest.raises(SourceError, match=r"was not found: .*(SLOW_DOWN|HTTP 503|connection)"):
        raysq.prepare("forecast", uri(server, "load.csv"), quiet=True)
    server.every = 0
    lost = uri(server, "load.csv").replace(str(server.port), "9")
    with pytest.raises(SourceError, match=r"was not found: no connection to the server.*; check the network"):
        raysq.prepare("forecast", lost, quiet=True)


@pytest.mark.parametrize(
    ("text", "message", "final"),
    [
        ("AWS Error ACCESS_DENIED during HeadObject operation: secret", r"no permission \(ACCESS_DENIED\)", True),
        ("AWS Error NO_SUCH_BUCKET during ListObjects", r"no such file, folder or bucket \(NO_SUCH_BUCKET\)", True),
        ("google::cloud::Status(PERMISSION_DENIED: secret)", r"no permission \(PERMISSION_DENIED\)", True),
        ("Azure Error: [ContainerNotFound] 404 secret", r"no such file, folder or bucket \(ContainerNotFound\)", True),
        ("AWS Error NETWORK_CONNECTION during GetObject: secret", r"no connection to the server", False),
        (
            "google::cloud::Status(UNAVAILABLE: no token to authenticate: CURL error [6]=Could not resolve hostname)",
            r"no connection to the server \(UNAVAILABLE\)",
            False,
        ),
        ("Failed to get token from DefaultAzureCredential.", r"no permission; check the credentials", True),
        ("something else with hush-hush in it", r": something else with ... in it; fetch it yourself", False),
    ],
)
def test_errors_of_clouds_are_told_apart_and_not_quoted(text, message, final, monkeypatch):
    monkeypatch.setattr(remote, "ATTEMPTS", 2)
    location = remote.Location(None, "x", "s3://bucket/x", ("hush-hush",))
    calls = []

    def fail():
        calls.append(1)
        raise OSError(text)

    with pytest.raises(SourceError, match=message) as caught:
        location.call("read", fail)
    assert len(calls) == (1 if final else 2) and "secret" not in str(caught.value) and "hush" not in str(caught.value)


def test_other_schemes_are_those_of_fsspec(tmp_path):
    import fsspec

    with fsspec.open("memory://folder/load.csv", "wb") as file:
        file.write(csv())
    assert raysq.prepare("forecast", "memory://folder/load.csv", quiet=True).rows == 200
    with pytest.raises(SourceError, match=r"^nowhere://x/y was not opened: [^\n]*nowhere[^\n]*; fetch it yourself"):
        raysq.prepare("forecast", "nowhere://x/y", quiet=True)
    (tmp_path / "load.csv").write_bytes(csv())
    assert raysq.prepare("forecast", f"file://{tmp_path}/load.csv", quiet=True).rows == 200


def test_a_change_of_the_same_size_is_noticed_after_an_interruption(server, monkeypatch):
    put(server, "same.bin", bytes(300_000))
    remote_cache.fetch_remote(uri(server, "same.bin"), bool, recursive=False)
    put(server, "same.bin", b"1" * 300_000)
    monkeypatch.setattr(remote_cache, "_BLOCK", 100_000)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remote_cache.fetch_remote(uri(server, "same.bin"), bool, recursive=False, progress=stop)
    assert remote_cache.fetch_remote(uri(server, "same.bin"), bool, recursive=False).read_bytes() == b"1" * 300_000


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    path = tmp_path / "changing.bin"
    path.write_bytes(bytes(300_000))
    monkeypatch.setattr(remote_cache, "_BLOCK", 100_000)
    seen = []

    def change(done, total):
        if not seen:  # a file system without ETags
            path.write_bytes(b"1" * 300_000)
            os.utime(path, ns=(1, 1))
        seen.append(done)

    fetched = remote_cache.fetch_remote(f"file://{path}", bool, recursive=False, progress=change)
    assert fetched.read_bytes() == b"1" * 300_000


def test_a_file_without_etag_and_time_is_always_read_again():
    import fsspec

    for digit in b"12":
        with fsspec.open("memory://folder/untimed.bin", "wb") as file:
            file.write(bytes([digit]) * 100)
        path = remote_cache.fetch_remote("memory://folder/untimed.bin", bool, recursive=False)
        assert path.read_bytes() == bytes([digit]) * 100


def test_a_malformed_host_is_one_line():
    for uri in ("s3://key:hush-hush@[bucket/x.csv", "abfs://account:hush/hush==@container/x.csv"):
        message = r"^\w+://\S* is no URI; write signs in names and passwords as %XX, such as %2F for a slash$"
        with pytest.raises(SourceError, match=message) as caught:
            raysq.prepare("forecast", uri, quiet=True)
        assert "hush" not in str(caught.value)
