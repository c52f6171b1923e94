"""Sources: files as they come, and downloads over connections as they are."""

import gzip
import hashlib
import http.server
import os
import re
import threading
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from raysq.data import download, filetree, sources
from raysq.data.download import fetch
from raysq.data.readers.unpack import zip_member
from raysq.data.sources import resolve
from raysq.errors import DataError, SourceError, UsageError

CSV = b"time,x\n2020-01-01,1\n2020-01-02,2\n"
BODY = bytes(range(256)) * 4096  # 1 MiB


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves BODY under every path, in the way that the path's name says."""

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.seen.append((self.path, wanted))
        mode = self.path.split("/")[1]
        if mode == "missing":
            self.send_error(404)
            return
        if mode == "busy" and len(server.seen) < 3:
            self.send_error(503)
            return
        begin = 0
        if wanted and mode != "norange":
            begin = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if self.headers.get("If-Range") != server.etag:
                begin = 0
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(BODY) - 1}/{len(BODY)}")
        self.send_header("Content-Length", str(len(BODY) - begin))
        self.send_header("ETag", server.etag)
        self.end_headers()
        breaks = mode in ("breaks", "norange", "changes") and len(server.seen) == 1
        self.wfile.write(BODY[begin : begin + 400_000] if breaks else BODY[begin:])
        if breaks and mode == "changes":
            server.etag = '"second"'

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.01)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.seen, httpd.etag = [], '"first"'
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        httpd.url = f"http://127.0.0.1:{httpd.server_port}"
        yield httpd
        httpd.shutdown()
        thread.join()


def test_a_file_is_fetched_once(server):
    received = []
    path = fetch(f"{server.url}/plain/a.bin", progress=lambda done, total: received.append((done, total)))
    assert path.name == "a.bin"
    assert path.read_bytes() == BODY
    assert received[-1] == (len(BODY), len(BODY))
    assert fetch(f"{server.url}/plain/a.bin") == path
    assert len(server.seen) == 1


def test_a_broken_connection_is_taken_up_where_it_broke(server):
    assert fetch(f"{server.url}/breaks/a.bin", hashlib.sha256(BODY).hexdigest()).read_bytes() == BODY
    assert [wanted for _, wanted in server.seen] == [None, "bytes=400000-"]


def test_a_later_call_takes_up_the_part_of_an_earlier_one(server, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    with pytest.raises(SourceError, match="broke after 400,000 of 1,048,576 bytes"):
        fetch(f"{server.url}/breaks/a.bin")
    assert fetch(f"{server.url}/breaks/a.bin").read_bytes() == BODY
    assert server.seen[-1][1] == "bytes=400000-"


@pytest.mark.parametrize("mode", ["norange", "changes"])
def test_a_server_that_cannot_continue_is_asked_for_all(server, mode):
    path = fetch(f"{server.url}/{mode}/a.bin")
    assert path.read_bytes() == BODY
    assert [p.name for p in path.parent.iterdir() if not p.name.startswith(".")] == ["a.bin"]


def test_a_busy_server_is_asked_again(server):
    assert fetch(f"{server.url}/busy/a.bin").read_bytes() == BODY


def test_a_missing_file_is_not_asked_for_again(server):
    with pytest.raises(SourceError, match="404"):
        fetch(f"{server.url}/missing/a.bin")
    assert len(server.seen) == 1


def test_another_file_than_expected_is_deleted(server, raysq_home):
    with pytest.raises(SourceError, match=r"another file than expected .* expected 000000000000"):
        fetch(f"{server.url}/plain/a.bin", "0" * 64)
    assert not list((raysq_home / "sources").rglob("a.bin*"))


def test_a_full_disk_is_said_before(server, monkeypatch):
    monkeypatch.setattr(download, "_RESERVE", 1 << 60)
    with pytest.raises(SourceError, match="1,048,576 bytes, .* free: make room or set RAYSQ_HOME"):
        fetch(f"{server.url}/plain/a.bin")


def test_nobody_there_is_a_clear_error_and_never_the_sample(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.01)
    url = "http://127.0.0.1:9/jena.csv"
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9/jena\.csv was not fetched after 4 attempts.*--source PATH"):
        resolve(None, url=url, sample=lambda spec: pytest.fail("the sample was made"))


def test_downloads_have_the_url_as_label(server):
    source = resolve(None, url=f"{server.url}/plain/jena.csv", sha256=hashlib.sha256(BODY).hexdigest())
    assert source.label == f"{server.url}/plain/jena.csv"
    assert source.raw[0].name == "jena.csv"
    assert source.raw[0].sha256 == hashlib.sha256(BODY).hexdigest()
    assert not source.synthetic


def test_files_and_folders(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "b.csv").write_bytes(CSV)
    with gzip.open(folder / "a.CSV.gz", "wb") as file:
        file.write(CSV)
    (folder / ".hidden.csv").write_bytes(b"x")
    (folder / "README.txt").write_bytes(b"x")
    source = resolve(folder)
    assert [file.name for file in source.raw] == ["a.CSV.gz", "b.csv"]
    assert source.label == "in"
    assert source.raw[1].sha256 == hashlib.sha256(CSV).hexdigest()
    assert source.raw[1].bytes == len(CSV)
    assert str(tmp_path) not in str(source.entry())
    (folder / "old").mkdir()
    (folder / "_SUCCESS").write_bytes(b"")
    (folder / "Thumbs.db").write_bytes(b"x")
    assert resolve(folder).messages == (
        "left out, as they are hidden or written by the system: .hidden.csv, Thumbs.db",
        "left out, as their names do not end in .csv, .tsv, .jsonl, .ndjson and so on: README.txt",
        "left out, as their names begin with _: _SUCCESS",
        "left out, as folders beside files are not looked into: old/",
    )
    assert resolve(folder / "b.csv").messages == ()
    pa.parquet.write_table(pa.table({"x": [1]}), folder / "c.parquet")
    assert resolve(str(folder / "c.parquet")).label == "c.parquet"
    with pytest.raises(SourceError, match="mixes .parquet with other files"):
        resolve(folder)


def test_a_zip_has_one_csv(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/x.csv", CSV)
        archive.writestr("__MACOSX/data/._x.csv", b"")
        archive.writestr("README.txt", b"")
    assert zip_member(path) == "data/x.csv"
    assert resolve(path).files == [path]
    assert resolve(path).messages == (
        "left out, as data/x.csv alone is read: README.txt",
        "left out, as they are hidden or written by the system: __MACOSX/data/._x.csv",
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y.csv", CSV)
    with pytest.raises(SourceError, match=r"exactly one \.csv file, it holds 2 \.csv files: data/x\.csv, y\.csv"):
        resolve(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README.txt", b"")
    with pytest.raises(SourceError, match=r"no \.csv file: README\.txt"):
        resolve(path)
    path.write_bytes(b"PK no")
    with pytest.raises(DataError, match=r"x\.zip is damaged or cut short"):
        resolve(path)


def tree(folder):
    for name in ("b/2", "b/1", "a/x/3", ".git/config", "README"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        os.utime(path, (1e9, 1e9))
    return folder


def test_a_folder_tree_is_one_source(tmp_path):
    folder = tree(tmp_path / "in")
    source = resolve(folder, trees=True)
    assert source.files == [folder]
    assert (source.label, source.raw[0].name, source.raw[0].bytes) == ("in", "in", len("b/2b/1a/x/3README"))
    assert str(tmp_path) not in str(source.entry())
    with pytest.raises(SourceError, match=r"no file that ends in .*: there is README"):
        resolve(folder)
    assert resolve(tree(tmp_path / "elsewhere" / "in"), trees=True).entry() == source.entry()
    assert [file.name for file in filetree.walk_tree(folder).files] == ["README", "a/x/3", "b/1", "b/2"]
    (folder / "d" / "e").mkdir(parents=True)
    assert filetree.walk_tree(folder).empty == ("d", "d/e")
    assert resolve(folder, trees=True).messages == ("left out, as they are hidden or written by the system: .git/",)
    # Files that could be sources by themselves are taken as such.
    (folder / "x.csv").write_bytes(CSV)
    source = resolve(folder, trees=True)
    assert [file.name for file in source.raw] == ["x.csv"]
    assert "left out, as folders beside files are not looked into: a/, b/, d/" in source.messages
    # Tables that may be about the other files are one source with them.
    about = sources.Listing((".csv",), (".png",))
    assert [file.name for file in resolve(folder, trees=True, listing=about).raw] == ["x.csv"]
    (folder / "a" / "1.png").write_bytes(b"x")
    assert resolve(folder, trees=True, listing=about).files == [folder]


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", ".DS_Store", "a/Thumbs.db", "__MACOSX/x", "a/.git/config"]
)
def test_files_of_the_system_are_hidden(name):
    assert filetree.is_hidden(name) and not filetree.is_hidden(name.replace(".", "-").replace("_", "-"))


def test_a_tree_s_checksum_is_over_names_and_contents(tmp_path):
    folder = tree(tmp_path / "in")
    seen = {resolve(folder, trees=True).raw[0].sha256}

    def changed(change):
        change()
        checksum = resolve(folder, trees=True).raw[0].sha256
        assert checksum not in seen
        seen.add(checksum)

    changed(lambda: (folder / "b/1").rename(folder / "b/7"))
    changed(lambda: (folder / "b/7").write_bytes(b"b/8"))
    changed(lambda: (folder / "b/9").write_bytes(b""))
    changed(lambda: (folder / "b/9").rename(folder / "a/9"))
    (folder / ".git/config").write_bytes(b"other")
    assert resolve(folder, trees=True).raw[0].sha256 in seen


def test_a_tree_is_not_read_again_while_unchanged(tmp_path, monkeypatch):
    folder = tree(tmp_path / "in")
    first = resolve(folder, trees=True).raw[0].sha256
    with monkeypatch.context() as patched:
        patched.setattr("builtins.open", lambda path, *_, **__: pytest.fail(f"{path} read again"))
        assert resolve(folder, trees=True).raw[0].sha256 == first
    (folder / "b/1").write_bytes(b"c/1")
    os.utime(folder / "b/1", (1e9 + 1, 1e9 + 1))
    assert resolve(folder, trees=True).raw[0].sha256 != first


def test_what_a_tree_may_not_hold(tmp_path):
    folder = tree(tmp_path / "in")
    inner = folder / "b" / "3"
    inner.symlink_to(folder / "b" / "2")
    assert "b/3" in [file.name for file in filetree.walk_tree(folder).files]
    for target in (tmp_path / "outside.txt", folder / "a", folder / "gone"):
        (tmp_path / "outside.txt").write_text("x")
        inner.unlink()
        inner.symlink_to(target)
        with pytest.raises(SourceError, match="b/3 is a link that leads out of the folder, to a folder or nowhere"):
            resolve(folder, trees=True)
    (folder / "b" / "4").symlink_to(folder / "gone")
    with pytest.raises(SourceError, match="b/3 is a link that leads .*, as is another; put"):
        resolve(folder, trees=True)
    (folder / "b" / "4").unlink()
    inner.unlink()
    os.mkfifo(inner)
    with pytest.raises(SourceError, match="b/3 is neither a file nor a folder"):
        resolve(folder, trees=True)
    (tmp_path / "void" / "a").mkdir(parents=True)
    with pytest.raises(SourceError, match="no file that ends in"):
        resolve(tmp_path / "void", trees=True)
    (tmp_path / "void" / "a" / "1").write_bytes(b"")
    with pytest.raises(SourceError, match=r"all 1 files of folder void are empty"):
        resolve(tmp_path / "void", trees=True)


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("gone.csv", None, "does not exist; --source takes"),
        ("empty.csv", b"", r"empty\.csv is empty \(0 bytes\)"),
        ("notes.docx", b"x", "is not a file that ends in .csv"),
    ],
)
def test_what_cannot_be_a_source(tmp_path, name, text, match):
    if text is not None:
        (tmp_path / name).write_bytes(text)
    with pytest.raises(SourceError, match=match):
        resolve(tmp_path / name)


def test_an_empty_folder_says_what_is_there(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("x")
    with pytest.raises(SourceError, match=r"no file that ends in .*: there is a\.txt"):
        resolve(tmp_path / "in")


def test_the_sample_is_synthetic(tmp_path):
    specs = []

    def sample(spec: str) -> Path:
        specs.append(spec)
        path = tmp_path / "sample-9d.csv"
        path.write_bytes(CSV)
        return path

    source = resolve("sample:9d", sample=sample)
    assert source.synthetic
    assert source.label == "built-in sample-9d (synthetic)"
    resolve("sample", sample=sample)
    assert specs == ["9d", ""]


def test_no_source_at_all():
    with pytest.raises(UsageError, match="no published data; give --source"):
        resolve(None)
    with pytest.raises(SourceError, match="was not opened: Protocol not known"):
        resolve("nowhere://bucket/x.csv")


def test_checksums_are_kept_while_the_file_is_unchanged(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_bytes(CSV)
    os.utime(path, (1e9, 1e9))
    first = resolve(path).raw[0].sha256
    real = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert resolve(path).raw[0].sha256 == first
    monkeypatch.setattr(hashlib, "file_digest", real)
    path.write_bytes(CSV.replace(b"1", b"3"))
    assert resolve(path).raw[0].sha256 != first
