"""Sources on gs:// and abfs://: emulators of both clouds on loopback, where their programs are installed."""

import base64
import os
import shutil
import socket
import subprocess
import time
import urllib.parse

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet
import pytest

import raysq
from raysq.data import remote
from raysq.errors import SourceError

ACCOUNT = "devstoreaccount1"
KEY = base64.b64encode(b"a key of our own, 64 bytes, with / and + in its base64 text ????").decode()


class Cloud:
    """A server on loopback with a bucket, as pyarrow's file system, and its URIs."""

    def __init__(self, name, system, form):
        self.name, self.system, self.form = name, system, form

    def put(self, name, data):
        with self.system.open_output_stream(f"bucket/{name}") as stream:
            stream.write(data)

    def uri(self, path, key=KEY):
        return self.form.format(path=path, key=urllib.parse.quote(key, safe=""))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def azure(folder, environment):
    port = free_port()
    environment["AZURITE_ACCOUNTS"] = f"{ACCOUNT}:{KEY}"
    command = ["azurite-blob", "--silent", "--skipApiVersionCheck", "--location", str(folder), "--blobPort", str(port)]
    server = dict.fromkeys(("blob_storage_authority", "dfs_storage_authority"), f"127.0.0.1:{port}")
    plain = dict.fromkeys(("blob_storage_scheme", "dfs_storage_scheme"), "http")
    form = f"abfs://{ACCOUNT}:{{key}}@127.0.0.1:{port}/{{path}}?enable_tls=false"
    return command, port, lambda: pa.fs.AzureFileSystem(ACCOUNT, account_key=KEY, **server, **plain), form


def google(folder, environment):
    port = free_port()
    command = ["gcp-storage-emulator", "start", "--host=127.0.0.1", f"--port={port}", "--in-memory"]
    server = f"127.0.0.1:{port}"
    form = f"gs://anonymous@{{path}}?endpoint_override={urllib.parse.quote(server)}&scheme=http"
    connect = lambda: pa.fs.GcsFileSystem(  # noqa: E731
        anonymous=True, endpoint_override=server, scheme="http", project_id="project"
    )
    return [*command, "--default-bucket=bucket"], port, connect, form


@pytest.fixture(scope="module", params=[azure, google], ids=["abfs", "gs"])
def cloud(request, tmp_path_factory):
    environment = dict(os.environ)
    folder = tmp_path_factory.mktemp("cloud")
    command, port, connect, form = request.param(folder, environment)
    if not shutil.which(command[0]):
        install = {
            "azurite-blob": "npm install -g azurite",
            "gcp-storage-emulator": "pipx install gcp-storage-emulator",
        }
        pytest.skip(f"{command[0]} is not installed: {install[command[0]]}")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.2)
        system = connect()
        if request.param is azure:
            system.create_dir("bucket")
        yield Cloud(request.param.__name__, system, form)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch):
    monkeypatch.setattr(remote, "PAUSE", 0.01)
    for name in ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT", "AZURE_CLIENT_ID", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)


def csv(begin=0, end=200):
    hours = pd.date_range("2024-01-01", periods=end, freq="h")
    frame = pd.DataFrame({"time": hours, "load": np.sin(np.arange(end)).round(3)})
    return frame[begin:].to_csv(index=False).encode()


def test_a_file_and_a_folder_are_sources(cloud, tmp_path, capsys):
    (tmp_path / "load.csv").write_bytes(csv())
    expected = raysq.prepare("forecast", tmp_path / "load.csv", quiet=True)
    cloud.put("load.csv", csv())
    data = raysq.prepare("forecast", cloud.uri("bucket/load.csv"), name="remote")
    assert data.manifest.fingerprint == expected.manifest.fingerprint and data.rows == 200
    texts = [data.manifest.source["label"], capsys.readouterr().err, str(data.manifest)]
    assert all(part not in text for text in texts for part in (KEY, urllib.parse.quote(KEY, safe="")))

    for name, low in (("a", 0), ("b", 100)):
        cloud.put(f"days/{name}.csv", csv(low, low + 100))
    cloud.put("days/notes.txt", b"not read")
    for folder in ("bucket/days/", "bucket/days"):
        data = raysq.prepare("forecast", cloud.uri(folder), quiet=True)
        assert data.rows == 200 and [file["name"] for file in data.manifest.source["files"]] == ["a.csv", "b.csv"]


def test_predictions_are_written(cloud):
    cloud.put("series.csv", csv())
    raysq.prepare("forecast", cloud.uri("bucket/series.csv"), settings={"lookback": 12}, name="d", quiet=True)
    run = raysq.train("forecast", data="d", model="baseline", name="run")
    result = raysq.predict_file(run, cloud.uri("bucket/series.csv"), cloud.uri("bucket/out/predictions.parquet"))
    written = pa.parquet.read_table(cloud.system.open_input_file("bucket/out/predictions.parquet"))
    assert written.num_rows == result["rows"] > 100


@pytest.mark.parametrize("path", ["bucket/nothing.csv", "no-bucket/nothing.csv"])
def test_what_is_not_there_is_one_line(cloud, path):
    message = rf"{path}\S* (does not exist|was not \w+: there is no such file)"
    with pytest.raises(SourceError, match=message) as caught:
        raysq.prepare("forecast", cloud.uri(path), quiet=True)
    assert "\n" not in str(caught.value)


def test_a_key_of_the_environment_counts_and_a_wrong_one_is_one_line(cloud, monkeypatch):
    if cloud.name != "azure":
        pytest.skip("the emulator of Google's storage checks no credentials")
    cloud.put("load.csv", csv())
    wrong = cloud.uri("bucket/load.csv", base64.b64encode(b"wrong").decode())
    with pytest.raises(SourceError, match=r"load.csv\S* was not found: no permission"):
        raysq.prepare("forecast", wrong, quiet=True)
    keyless = cloud.uri("bucket/load.csv", "").replace(":@", "@")
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "another")
    with pytest.raises(SourceError, match="no permission"):
        raysq.prepare("forecast", keyless, quiet=True)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT")
    assert raysq.prepare("forecast", keyless, quiet=True).rows == 200


@pytest.mark.parametrize(
    ("form", "path", "server"),
    [
        ("abfs://container:{key}@account.dfs.core.windows.net/a.csv", "container/a.csv", {}),
        ("abfss://:{key}@account.blob.core.windows.net/container/a.csv", "container/a.csv", {}),
        ("abfs://account:{key}@container/a.csv", "container/a.csv", {}),
        (
            "abfs://account:{key}@store.example:10000/container/a.csv?enable_tls=false",
            "container/a.csv",
            {
                **dict.fromkeys(("blob_storage_authority", "dfs_storage_authority"), "store.example:10000"),
                **dict.fromkeys(("blob_storage_scheme", "dfs_storage_scheme"), "http"),
            },
        ),
    ],
)
def test_the_key_of_a_uri_is_that_of_the_file_system(form, path, server):
    """Arrow itself reads no key from a URI."""
    location = remote.locate(form.format(key=urllib.parse.quote(KEY, safe="")))
    assert location.path == path
    assert location.system.equals(pa.fs.AzureFileSystem("account", account_key=KEY, **server))
    assert not location.system.equals(pa.fs.AzureFileSystem("account", **server))
