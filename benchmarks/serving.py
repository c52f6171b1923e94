#!/usr/bin/env python
"""`raysq serve` under load beside a deployment of Ray Serve that does nothing, on the same cores with the client.

A multihot classifier of IMDB reviews answers single texts and requests of 16 texts, both at a constant rate and as
fast as clients can ask. The no-op deployment gets the bodies of single texts through Serve's own proxy. The clients are
those of locust (extra `bench`). Servers run one after the other, each as a process of its own. At last a replica is
killed under load.

    python benchmarks/serving.py --source aclImdb_v1.tar.gz --seconds 30
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PORT, TEXTS, GROUP, USERS = 8123, 2000, 16, 20
RATE, GROUP_RATE = 100, 500 / 16  # requests per second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="aclImdb_v1.tar.gz; the task's public data by default")
    parser.add_argument("--run", help="a finished run on IMDB reviews, in place of one that is trained")
    parser.add_argument("--seconds", type=int, default=30, help="of each load")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "serving.json")
    parser.add_argument("--noop", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.noop:
        return noop()
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as folder:
        if options.run is None:
            os.environ["RAYSQ_HOME"] = folder
        run = options.run or trained(options.source)
        singles, groups = bodies(Path(folder), texts(options.source))
        loads = {"single": (singles, RATE), "group": (groups, GROUP_RATE)}
        rows: dict[str, dict] = {}
        with server([sys.executable, __file__, "--noop"], "/"):
            warm(singles, "/")
            rows["noop, constant rate"] = load(singles, RATE, options.seconds, "/")
            rows["noop, as fast as it goes"] = load(singles, 0, options.seconds, "/")
        command = [sys.executable, "-m", "raysq", "serve", run, "--port", str(PORT)]
        with server(command, "/readyz"):
            for name, (sent, rate) in loads.items():
                warm(sent, "/predict")
                rows[f"{name}, constant rate"] = load(sent, rate, options.seconds, "/predict")
                rows[f"{name}, as fast as it goes"] = load(sent, 0, options.seconds, "/predict")
        with server([*command, "--replicas", "2"], "/readyz") as process:
            warm(singles, "/predict")
            killer = threading.Timer(options.seconds / 3, kill_replica, [process.pid])
            killer.start()
            rows["single, constant rate, a replica killed"] = load(singles, RATE, options.seconds, "/predict")
            killer.join()
    report(rows, options)


def noop() -> None:
    """Run the no-op deployment behind Serve's proxy."""
    import ray
    from ray import serve

    from raysq.distributed.cluster import ensure_ray

    class Nothing:
        async def __call__(self, request: object) -> bytes:
            await request.body()  # type: ignore[attr-defined]
            return b"{}"

    ensure_ray()
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(serve.deployment(Nothing, max_ongoing_requests=100).bind())
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)
    ray.shutdown()


def trained(source: str | None) -> str:
    """Train a multihot model for two epochs, and return the run's directory."""
    import raysq

    raysq.prepare("imdb", source, name="reviews", quiet=True)
    return str(raysq.train("imdb", data="reviews", model="multihot", settings={"epochs": 2}).directory)


def texts(source: str | None) -> list[str]:
    """Return reviews of the test part."""
    if source is None:
        from raysq import tasks
        from raysq.data.download import fetch

        published = tasks.get("imdb").source
        source = str(fetch(published.url, published.sha256, None))
    found = []
    with tarfile.open(source) as archive:
        for member in archive:
            if "/test/" in member.name and member.name.endswith(".txt") and member.size:
                found.append(archive.extractfile(member).read().decode())
                if len(found) == TEXTS:
                    break
    return found


def bodies(folder: Path, texts: list[str]) -> tuple[Path, Path]:
    """Write the bodies of requests of one text, and of several."""
    singles, groups = folder / "singles.json", folder / "groups.json"
    singles.write_text(json.dumps([json.dumps({"inputs": [text]}) for text in texts]))
    parts = [texts[low : low + GROUP] for low in range(0, len(texts) - GROUP + 1, GROUP)]
    groups.write_text(json.dumps([json.dumps({"inputs": part}) for part in parts]))
    return singles, groups


@contextlib.contextmanager
def server(command: list[str], path: str) -> Iterator[subprocess.Popen]:
    """Run a server until it answers at a path, and end it."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until = time.monotonic() + 300
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5).read()
                break
            time.sleep(0.5)
        else:
            raise SystemExit(f"{' '.join(command)} does not answer")
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def warm(sent: Path, path: str) -> None:
    load(sent, 0, 5, path, users=4)


def load(sent: Path, rate: float, seconds: int, path: str, users: int = USERS) -> dict:
    """Make a load, and return its figures: requests and failures per second, and percentiles in milliseconds."""
    settings = {"bodies": str(sent), "rate": rate / users, "path": path}
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("serving_load.py")), "--headless"]
    command += ["-u", str(users), "-r", str(users), "-t", f"{seconds}s", "-H", f"http://127.0.0.1:{PORT}", "--json"]
    environment = {**os.environ, "RAYSQ_LOAD": json.dumps(settings)}
    done = subprocess.run([*command, "--only-summary"], env=environment, capture_output=True, text=True)
    (row,) = json.loads(done.stdout[done.stdout.index("[") :])
    times = sorted((float(time), count) for time, count in row["response_times"].items())
    length = row["last_request_timestamp"] - row["start_time"]
    figures = {"requests": row["num_requests"], "failures": row["num_failures"]}
    figures["per_second"] = round(row["num_requests"] / length, 1)
    figures |= {f"p{share:g}": percentile(times, share / 100) for share in (50, 95, 99)}
    figures["max"] = round(row["max_response_time"], 1)
    print(f"{path} {rate or 'as fast as it goes'}: {figures}", flush=True)
    return figures


def percentile(times: list[tuple[float, int]], share: float) -> float:
    wanted = share * sum(count for _, count in times)
    for time_, count in times:
        wanted -= count
        if wanted <= 0:
            return time_
    return times[-1][0]


def kill_replica(server: int) -> None:
    """Kill a replica of the server, a process of Ray below it."""
    import psutil

    for process in psutil.Process(server).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any("ServeReplica:raysq" in part for part in process.cmdline()):
                process.kill()
                return


def report(rows: dict[str, dict], options: argparse.Namespace) -> None:
    from importlib.metadata import version

    facts = {"seconds": options.seconds, "users": USERS, "group": GROUP, "cores": len(os.sched_getaffinity(0))}
    facts |= {"processor": platform.processor(), "load_before": os.getloadavg()[1]}
    facts |= {name: version(name) for name in ("raysq", "ray", "tensorflow", "keras", "locust", "uvicorn")}
    options.output.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
