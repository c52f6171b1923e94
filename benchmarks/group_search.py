#!/usr/bin/env python
"""Time and memory of a search whose trials have two workers, with and without workers that are kept for the next trial.

Four equal trials of a dense model on the sample data, 4 epochs of 150 steps, one after the other on two logical CPUs.
Memory is the proportional set size (shared pages are divided among their processes) of the trial's process, of its
workers, and of Ray's helpers of the group, at the largest sum.

    python benchmarks/group_search.py
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TUNE = ("-m", "raysq", "tune", "jena", "--model", "dense", "--trials", "4", "--workers-per-trial", "2")
OPTIONS = ("--scheduler", "none", "--set", "epochs=4", "--set", "steps_per_epoch=150", "--json")
KINDS = {
    "ray::ImplicitFunc": "trial",
    "ray::RayTrainWorker": "workers",
    "ray::SynchronizationActor": "helpers",
    "ray::PlacementGroupCleaner": "helpers",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "group_search.json")
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "RAYSQ_HOME": home, "TF_CPP_MIN_LOG_LEVEL": "3"}
        prepare = [sys.executable, "-m", "raysq", "prepare", "jena", "--source", "sample:365d"]
        subprocess.run(prepare, env=environment, check=True, capture_output=True)
        for name, keep in (("kept", "60"), ("not kept", "0")):
            started = time.time()
            process = subprocess.Popen(
                [sys.executable, *TUNE, *OPTIONS, "--name", name.replace(" ", "-")],
                env={**environment, "RAYSQ_KEEP_WORKERS": keep},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            largest: Counter[str] = Counter()
            while process.poll() is None:
                memory = megabytes(process.pid)
                largest = max(largest, memory, key=Counter.total)
                time.sleep(0.5)
            if process.returncode:
                sys.exit(f"{name} failed: {process.stderr.read()[-3000:]}")
            load = os.getloadavg()[0]  # of one minute: seconds count on a machine with nothing else to do
            results[name] = {"seconds": time.time() - started, "load": load, "megabytes": dict(largest)}
            print(name, results[name], flush=True)
            options.output.parent.mkdir(exist_ok=True)
            options.output.write_text(json.dumps({"cores": os.cpu_count(), **results}, indent=1) + "\n")


def megabytes(pid: int) -> Counter[str]:
    """Return the memory of a process's descendants by kind."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
        except OSError:
            continue  # ended meanwhile
    found = list(children.get(pid, []))
    for child in found:
        found += children.get(child, [])
    sizes: Counter[str] = Counter()
    for child in found:
        try:
            title = Path(f"/proc/{child}/cmdline").read_text()
            kind = next((kind for prefix, kind in KINDS.items() if title.startswith(prefix)), None)
            if kind is not None:
                lines = Path(f"/proc/{child}/smaps_rollup").read_text().splitlines()
                sizes[kind] += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) // 1024
        except (OSError, StopIteration):
            continue
    return sizes


if __name__ == "__main__":
    main()
