#!/usr/bin/env python
"""Record the numbers of this raysq, and compare another raysq's numbers with them, bit for bit.

For changes that must not change any result. Record with the code before, compare with the code after:

    python tests/unchanged.py record before.json --data ../shared/data
    python tests/unchanged.py compare before.json --data ../shared/data

Parts of a record, each of which --only selects by the beginning of its keys:

    shards/sample/TASK, shards/real/TASK     sha256 of every file of the data set that is not JSON
    ray/TASK                                 the same as shards/sample, prepared by tasks of Ray (starts Ray)
    train/TASK/MODEL                         metrics of every epoch, arrays of the checkpoints, `raysq.evaluate`, and
                                             for a run of each problem predictions, generated text and the like
    workers/TASK/MODEL                       metrics of every epoch with two workers (starts Ray)
    tune/TASK                                settings and metrics of a search's trials (starts Ray)

A part that the record has is not made again without --again, so an interrupted `record` continues. `compare` makes the
parts of a record again and keeps nothing; `compare before.json --with after.json` compares two records. Files of --data
that are absent are skipped with a line; without --data all of shards/real are left out.

Only raysq's public functions and the files of data sets and runs are used, so that the script works before and after
a change of what is inside. Names that may change stand in `unchanged_cases.py`.

Numbers are equal on the same machine, versions and number of threads (two). The samples' shards depend on the versions
of pyarrow and numpy alone; `tests/data/sample_shards.json` holds their digests, and `test_unchanged.py` compares them.

Speed is compared by turns, the code before and after in one run: `benchmarks/startup.py`, `throughput.py`,
`throughput_text.py`, `throughput_images.py` and `prepare_text.py`, each by the interpreter of either.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unchanged_cases import RENAMED
from unchanged_parts import THREADS, Parts, Values, environment, parts_of

import raysq
from raysq.errors import Interrupted

Result = tuple[str, Values, str | None]  # key, values and error of a part
VERSIONS = ("pyarrow", "numpy", "tensorflow", "keras", "ray")


def differences(before: Any, now: Any, where: str = "") -> Iterator[str]:
    """Yield a line for each number that differs or is gone; a new one is no difference."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name, value in before.items():
            name = RENAMED.get(name, name)
            if name in now:
                yield from differences(value, now[name], f"{where} {name}")
            else:
                yield f"{where} {name}: gone"
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for number, pair in enumerate(zip(before, now, strict=True)):
            yield from differences(*pair, f"{where} [{number}]")
    elif json.dumps(before) != json.dumps(now):  # by all digits, NaN equal to NaN
        yield f"{where}: {json.dumps(before)[:200]} -> {json.dumps(now)[:200]}"


def machine() -> Values:
    """Return what the numbers depend on besides raysq."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {"cpu": cpu, "threads": THREADS, **{name: version(name) for name in VERSIONS}}


def read(path: Path) -> Values:
    """Read a record."""
    contents: Values = json.loads(path.read_text())
    return contents


def write(path: Path, contents: Values) -> None:
    """Write a record, all of it or nothing."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(contents, indent=1) + "\n")
    temporary.replace(path)


def record(path: Path, parts: Parts, again: bool) -> int:
    """Make the parts that a record lacks, and write each into it; return the exit status."""
    contents = read(path) if path.exists() else {"machine": machine(), "parts": {}}
    if again and contents["parts"].keys() <= parts.keys():
        contents = {"machine": machine(), "parts": {}}
    if changed := list(differences(contents["machine"], machine())):
        print(f"{path} was recorded elsewhere:{';'.join(changed)}; record into another file", file=sys.stderr)
        return 2
    missing = {key: make for key, make in parts.items() if again or key not in contents["parts"]}
    print(f"{len(missing)} of {len(parts)} parts to make", flush=True)
    write(path, contents)
    failures = 0
    for key, values, error in results(missing):
        if error is None:
            contents = read(path)  # another process may record other parts
            contents["parts"][key] = values
            write(path, contents)
        else:
            failures += 1
    return 1 if failures else 0


def compare(before: Values, now: Iterable[Result], only: tuple[str, ...]) -> int:
    """Print what differs from a record; return the exit status."""
    expected = {key: values for key, values in before["parts"].items() if key.startswith(only)}
    equal: list[str] = []
    unequal: list[str] = []
    for key, values, error in now:
        lines = [f" {error}"] if error else list(differences(expected[key], json.loads(json.dumps(values))))
        (unequal if lines else equal).append(key)
        for line in lines:
            print(f"DIFFERS {key}{line}", flush=True)
    for key in expected:
        if key not in equal and key not in unequal:
            print(f"not compared: {key}")
    print(f"{len(equal)} parts are equal, {len(unequal)} differ{': ' if unequal else ''}{', '.join(unequal)}")
    return 1 if unequal or not equal else 0


def results(parts: Parts) -> Iterator[Result]:
    """Make parts one after the other, in a home of their own."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="unchanged-") as home, environment(RAYSQ_HOME=home):
        for number, (key, make) in enumerate(parts.items(), 1):
            started, error, values = time.monotonic(), None, {}
            try:
                values = make()
            except Interrupted:
                raise
            except Exception as exception:  # the other parts are still worth making
                error = f"failed: {type(exception).__name__}: {exception}"
            seconds, total = time.monotonic() - started, time.monotonic() - began
            print(f"{number}/{len(parts)} {key} {seconds:.1f} s, {total:.0f} s in all {error or ''}", flush=True)
            yield key, values, error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("record", "compare"))
    parser.add_argument("file", type=Path, help="the record, a JSON file")
    parser.add_argument("--data", type=Path, help="folder of the real files")
    parser.add_argument("--only", action="append", metavar="BEGINNING", help="parts whose keys begin so; repeatable")
    parser.add_argument("--again", action="store_true", help="record parts anew that are recorded already")
    parser.add_argument("--with", dest="after", type=Path, help="compare with this record, and make nothing")
    options = parser.parse_args()
    only = tuple(options.only or ("",))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the temporary home is removed then too
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(f"raysq of {Path(raysq.__file__).parent}", flush=True)
    try:
        if options.command == "record":
            parts = parts_of(options.data, only)
            if not parts:
                parser.error(f"no part begins with {' or '.join(only)}")
            return record(options.file, parts, options.again)
        before = read(options.file)
        after = read(options.after) if options.after else {"machine": machine()}
        if changed := list(differences(before["machine"], after["machine"])):
            print(f"numbers may differ for another machine:{';'.join(changed)}", flush=True)
        keys = [key for key in before["parts"] if key.startswith(only)]
        if options.after:
            kept = after["parts"]
            return compare(before, [(key, kept[key], None) for key in keys if key in kept], only)
        parts = parts_of(options.data, only)
        return compare(before, results({key: parts[key] for key in keys if key in parts}), only)
    except (Interrupted, KeyboardInterrupt):
        print("interrupted: the same command continues a record", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
