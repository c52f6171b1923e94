"""What proves who asks for a source is never shown nor kept, whichever way it is written and whatever fails."""

import base64
import http.server
import json
import threading
import urllib.parse

import pytest

from raysq import cli
from raysq.data import download, sources
from raysq.data.download import fetch
from raysq.errors import SourceError
from raysq.storage import uris
from raysq.tasks.prepare import prepare

SECRET = "s3cr3t-T0K3N"
SIGNED = "X-Amz-Credential=AKIA/20240101&X-Amz-Date=20240101T000000Z&X-Amz-Expires=600&X-Amz-SignedHeaders=host"
CSV = "time,x\n" + "".join(f"2020-01-{1 + hour // 24:02} {hour % 24:02}:00,{hour}\n" for hour in range(672))


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://host/a.csv", "https://host/a.csv"),
        ("https://host:8443/a b.csv", "https://host:8443/a b.csv"),
        ("https://[::1]:80/a@b.csv", "https://[::1]:80/a@b.csv"),
        ("https://me:SECRET@host/a.csv", "https://host/a.csv"),
        ("https://SECRET@host/a.csv", "https://host/a.csv"),
        ("https://me:SECRET@SECRET@host/a.csv", "https://host/a.csv"),
        ("https://me:SECRET/more@host/a.csv", "https://..."),
        ("https://me:SECRET?SECRET@host/a.csv", "https://..."),
        ("https://host/a.csv?token=SECRET", "https://host/a.csv?token=..."),
        ("https://host/a.csv?id=7&unheard_of=SECRET&x", "https://host/a.csv?id=...&unheard_of=...&..."),
        ("https://host/a.csv?SECRET", "https://host/a.csv?..."),
        ("https://host/a.csv?a=b=SECRET#SECRET", "https://host/a.csv?a=...#..."),
        ("https:/me:SECRET@host/a.csv", "https:/host/a.csv"),
        ("HTTPS://me:SECRET@host/a.csv", "HTTPS://host/a.csv"),
        ("me:SECRET@host/a.csv?sig=SECRET", "host/a.csv?sig=..."),
        ("s3://SECRET:SECRET@bucket/a.csv", "s3://bucket/a.csv"),
        ("https://[::1/a.csv?token=SECRET", "https://..."),
        ("folder/a@b.csv", "folder/a@b.csv"),
    ],
)
def test_only_what_is_no_secret_is_shown(uri, shown):
    redacted = uris.redact(uri.replace("SECRET", SECRET))
    assert redacted == shown and SECRET not in redacted
    assert uris.redact(redacted) == shown
    assert SECRET not in uris.redact_text(f"'{uri.replace('SECRET', SECRET)}' failed") or "://" not in uri


@pytest.mark.parametrize(
    "query",
    [
        "token={}",
        "access_token={}",
        "api_key={}",
        "apikey={}",
        "API-Key={}",
        SIGNED + "&X-Amz-Security-Token={0}&X-Amz-Signature={0}",
        "X-Goog-Algorithm=a&X-Goog-Credential={0}&X-Goog-Signature={0}",
        "AWSAccessKeyId=a&Signature={0}&Expires={0}",
        "Policy={0}&Signature={0}&Key-Pair-Id=K",
        "sv=2022-11-02&ss=b&srt=o&sp=r&se={0}&st=2024&spr=https&sig={0}",
    ],
)
def test_a_rotated_token_is_the_same_source(query):
    first, second = (f"https://host/a.csv?id=7&{query.format(token)}" for token in (SECRET, "another"))
    assert uris.identity(first) == uris.identity(second) == "https://host/a.csv?id=7"


def test_what_chooses_the_file_is_another_source():
    base = "https://host/get?file=a.csv"
    assert uris.identity(base) == base
    for other in (
        "https://host/get?file=b.csv",
        "https://host/get?file=a.csv&st=CA",
        "https://host/get?file=a.csv&expires=1",
        "https://host/get?file=a.csv&pageToken=2",
        "https://other/get?file=a.csv",
        "https://host:81/get?file=a.csv",
    ):
        assert uris.identity(other) != uris.identity(base)
    assert uris.identity("https://me:one@host/a.csv#x") == uris.identity("https://you:two@host/a.csv")


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves a file to who proves the right to it, and repeats the request wherever an answer has room for it."""

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        path = urllib.parse.urlsplit(self.path).path
        if path.startswith("/status/"):
            self.send_error(int(path.split("/")[2]), f"no {self.path}", f"no {self.path}")
        elif path.startswith("/echo"):
            self.wfile.write(self.raw_requestline)
        elif path.startswith("/leave"):
            self.send_response(302)
            self.send_header("Location", f"gopher://me:{SECRET}@elsewhere/x?token={SECRET}")
            self.end_headers()
        elif path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", f"{self.server.other}/a.csv?sig={SECRET}")
            self.end_headers()
        else:
            self.send_response(200)
            body = b"a" * 10 if path.startswith("/short") else CSV.encode()
            if path.startswith("/b"):
                body = body.replace(b"00,1\n", b"00,5\n")
            self.send_header("Content-Length", str(len(body) + 90 * path.startswith("/short")))
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.seen, httpd.host = [], f"127.0.0.1:{httpd.server_port}"
        httpd.other = f"http://localhost:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


def written(home):
    """Everything that the home holds, names too."""
    return "\n".join(
        str(path.relative_to(home)) + (path.read_bytes().decode("latin-1") if path.is_file() else "")
        for path in home.rglob("*")
    )


def ways(host, path):
    """The same file, asked for in all ways."""
    return [
        f"http://me:{SECRET}@{host}{path}",
        f"http://{SECRET}@{host}{path}",
        f"http://{host}{path}?token={SECRET}",
        f"http://{host}{path}?unheard_of={SECRET}",
        f"http://{host}{path}?{SIGNED}&X-Amz-Signature={SECRET}",
        f"http://{host}{path}?sv=2022&sig={SECRET}#{SECRET}",
    ]


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--debug"]])
def test_prepare_keeps_and_shows_no_secret(server, raysq_home, capfd, monkeypatch, arguments):
    monkeypatch.delenv("RAYSQ_DEBUG", raising=False)
    monkeypatch.setenv("RAYSQ_DEBUG", "")
    for number, url in enumerate(ways(server.host, "/a.csv")):
        command = ["prepare", "forecast", "--source", url, "--target", "x", "--name", f"n{number}", *arguments]
        assert cli.main(command) == 0
        assert cli.main(command) == 0  # prepared already
        assert cli.main([*command, "--set", "lookback=3"]) == 0
        # The error about other data of that name.
        assert cli.main([*command[:3], f"http://{server.host}/b.csv", *command[4:]]) == 1
    out, err = capfd.readouterr()
    assert "other data or settings" in err
    assert SECRET not in out + err + written(raysq_home)
    assert base64.b64encode(f"me:{SECRET}".encode()).decode() not in out + err + written(raysq_home)
    label = json.loads((raysq_home / "data" / "forecast" / "n2" / "manifest.json").read_text())["source"]["label"]
    assert label == f"http://{server.host}/a.csv?token=..."


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("/status/404", "answered 404 Not Found"),
        ("/status/401", "answered 401 .*user, password or token"),
        ("/status/503", "after 4 attempts: the server answered 503"),
        ("/echo", "not one of HTTP"),
        ("/leave", "answered 302"),
        ("/short.csv", "broke after"),
        ("/no name", "space"),
        ("/n\u00e4me", "outside ASCII"),
    ],
)
def test_failures_show_no_secret(server, raysq_home, capfd, path, match):
    for url in ways(server.host, path):
        assert cli.main(["prepare", "forecast", "--source", url]) == 1
        with pytest.raises(SourceError, match=match) as caught:
            prepare("forecast", url, quiet=True)
        assert SECRET not in str(caught.value) + repr(caught.value.args)
    out, err = capfd.readouterr()
    assert SECRET not in out + err + written(raysq_home)
    assert err.count("raysq: http://") == len(ways(server.host, path))


@pytest.mark.parametrize("host", ["127.0.0.1:9", "host.invalid", "[::1", "127.0.0.1:99999", "127.0.0.1:port", ""])
def test_wrong_hosts_show_no_secret(raysq_home, capfd, monkeypatch, host):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    for url in ways(host, "/a.csv"):
        assert cli.main(["prepare", "forecast", "--source", url]) == 1
    for url in (f"nowhere://me:{SECRET}@bucket/a.csv", f"http:/me:{SECRET}@host/a.csv?x={SECRET}"):
        assert cli.main(["prepare", "forecast", "--source", url]) == 1
    with pytest.raises(SystemExit):
        cli.main(["prepare", "forecast", "--surce", f"http://me:{SECRET}@host/a.csv?x={SECRET}"])
    out, err = capfd.readouterr()
    assert SECRET not in out + err + written(raysq_home)


def test_user_and_password_reach_their_server_alone(server):
    fetch(f"http://me:p%40ss@{server.host}/a.csv")
    assert server.seen == [("/a.csv", "Basic " + base64.b64encode(b"me:p@ss").decode())]
    server.seen.clear()
    fetch(f"http://me:p%40ss@{server.host}/away.csv")
    assert [header for _, header in server.seen] == ["Basic " + base64.b64encode(b"me:p@ss").decode(), None]


def test_a_file_is_fetched_once_under_rotating_tokens(server):
    first = sources.resolve(f"http://{server.host}/a.csv?token=one").files
    assert sources.resolve(f"http://{server.host}/a.csv?token=two").files == first
    assert len(server.seen) == 1
    assert sources.resolve(f"http://{server.host}/a.csv?v=2&token=two").files != first
    first, second = (
        prepare("forecast", f"http://{server.host}/a.csv?token={token}", quiet=True) for token in ("one", "two")
    )
    assert first.directory == second.directory


def test_a_broken_download_goes_on_under_another_token(server, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    for token in ("one", "two"):
        with pytest.raises(SourceError, match="broke after"):
            fetch(f"http://{server.host}/short.csv?sig={token}")
    assert len({path.parent for path in sources.home().rglob("*.part")}) == 1


@pytest.mark.parametrize("path", ["/", "/..", "/%2E%2E", "/.lock", "/%2Fetc%2F.", "/a%00b", "/" + "x" * 300 + ".csv"])
def test_a_download_is_a_file_of_its_folder(server, path):
    downloaded = fetch(f"http://{server.host}{path}")
    assert downloaded.is_file() and downloaded.read_text() == CSV and len(downloaded.name) <= 100
    assert downloaded.parent.parent == sources.home() / "sources"


def test_the_address_of_a_cluster_shows_no_secret(monkeypatch):
    import ray

    from raysq.distributed.cluster import ensure_ray
    from raysq.errors import ResourceError

    address = f"ray://me:{SECRET}@host:10001?token={SECRET}"

    def refuse(**_):
        raise ConnectionError(f"no answer at {address}")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ResourceError, match=r"RAY_ADDRESS=ray://host:10001\?token=\.\.\. ") as caught:
        ensure_ray()
    assert SECRET not in str(caught.value)
